/**
 * The daemon on macOS: links, addresses and routes through the addon, with the kernel's names (see darwinNames.ts) on one side
 * and the operator's on the other.
 *
 * What needs a Mac is type-checked and linked in continuous integration; it is not run there.
 */
import { readdirSync } from "node:fs";
import { hostname, uptime } from "node:os";
import { interfaceNames } from "./darwinNames.ts";
import { darwinSettings } from "./darwinSettings.ts";
import { interfaceControl } from "./interfaceControl.ts";
import * as os from "./os.ts";
import type { System } from "./system.ts";

const names = interfaceNames();

export const darwinSystem: System = {
  locks: {
    // There are no network namespaces, so a name is the machine's; the holder's PID is in its PID file.
    acquireName: (name) => os.lockFile(`/var/run/wgmesh.${name}.lock`) ?? 0,
    acquireFile: os.lockFile,
  },
  host: {
    links: () => os.linkList().map((link) => ({ ...link, name: names.ownName(link.name) })),
    addresses: () =>
      os.addressList().map((address) => ({ ...address, linkName: names.ownName(address.linkName) })),
    watch: (onChange) => ({ close: os.watchNetwork(onChange) }),
  },
  networkSettings: darwinSettings,
  pid: process.pid,
  hostname,
  interfaceControl: (linkName) => interfaceControl(() => names.kernelName(linkName)),
  pathTo: (host) => {
    const path = os.routeGet(host);
    return path === null ? null : { ...path, linkName: names.ownName(path.linkName) };
  },
  addAddress: (linkName, cidr) => os.addressAdd(names.kernelName(linkName), cidr),
  routes: () =>
    os.routeList().map((route) => ({
      ...route,
      linkName: route.linkName === null ? null : names.ownName(route.linkName),
    })),
  routeTable: (linkName) => ({
    list: () => os.routeList(names.kernelName(linkName)),
    add: (destination, metric) => os.routeAdd(destination, names.kernelName(linkName), metric),
    remove: (destination, metric) => os.routeDelete(destination, names.kernelName(linkName), metric),
    withoutSources: true,
  }),
  endLeftoverChild: os.endLeftoverChild,
  notify: (state) => void os.sdNotify(state),
  setNonDumpable: os.setNonDumpable,
  linkGuards: os.linkGuards,
  sentBytes: () => null,
  bootMs: () => uptime() * 1000,
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  memoryBytes: () => process.memoryUsage.rss(),
  openFiles: () => readdirSync("/dev/fd").length,
};
