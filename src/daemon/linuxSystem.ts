/**
 * The operating system the daemon really runs on: netlink and locks through the addon, kernel settings through /proc.
 */
import { readdirSync } from "node:fs";
import { hostname } from "node:os";
import { kernelMonotonicMicros } from "../core/clock.ts";
import { KeptFile } from "../core/keptFile.ts";
import { interfaceControl } from "./interfaceControl.ts";
import * as os from "./os.ts";
import { procSettings } from "./procSettings.ts";
import { stamped } from "./serviceManager.ts";
import type { System } from "./system.ts";

/** Seconds since the machine was started, its sleep included. Both are read with each beat of an idle node. */
const uptime = new KeptFile("/proc/uptime");
/** By the name of the link. */
const sent = new Map<string, KeptFile>();

export const linuxSystem: System = {
  locks: { acquireName: os.lockNamespaceName, acquireFile: os.lockFile },
  host: {
    links: os.linkList,
    addresses: () => os.addressList(),
    watch: (onChange) => ({ close: os.watchNetwork(onChange) }),
  },
  networkSettings: procSettings(),
  exits: os.exits,
  packetFilter: os.packetFilter,
  pid: process.pid,
  hostname,
  interfaceControl: (linkName) => interfaceControl(() => linkName),
  pathTo: os.routeGet,
  addAddress: os.addressAdd,
  routes: () => os.routeList(),
  routeTable: (linkName) => ({
    list: () => os.routeList(linkName),
    add: (destination, metric, source) => os.routeAdd(destination, linkName, metric, source),
    remove: (destination, metric) => os.routeDelete(destination, linkName, metric),
  }),
  endLeftoverChild: os.endLeftoverChild,
  notify: (state) => void os.sdNotify(stamped(state, kernelMonotonicMicros)),
  setNonDumpable: os.setNonDumpable,
  linkGuards: os.linkGuards,
  sentBytes: (linkName) => {
    const file = sent.get(linkName) ?? new KeptFile(`/sys/class/net/${linkName}/statistics/tx_bytes`);
    sent.set(linkName, file);
    try {
      return file.number();
    } catch {
      // No such link now, or a sysfs of another namespace.
      return null;
    }
  },
  bootMs: () => uptime.number() * 1000,
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  memoryBytes: () => process.memoryUsage.rss(),
  openFiles: () => readdirSync("/proc/self/fd").length,
};
