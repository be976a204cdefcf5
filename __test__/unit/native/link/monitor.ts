/** What changes, and who may change it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as native from "@wgmesh/native";
import type { Cases } from "../../../vm/cases.ts";
import { addon, ip, ipBatch, pause, until, withLink, withoutRights } from "./support.ts";

export const changes: Cases = {
  "a monitor tells what changed, a burst in one call": withLink(async (name) => {
    // What the new link itself causes (its link-local addresses become usable) is not part of this.
    await until(() => native.addressList().every((address) => !address.tentative), "usable addresses");
    const calls: string[][] = [];
    const monitor = new native.NetworkMonitor((kinds) => calls.push(kinds));
    try {
      await pause(50);
      calls.length = 0;
      ip(`link set ${name} mtu 1400`);
      await until(() => calls.length > 0, "a change of a link");
      assert.ok(calls.flat().includes("link"));
      await pause(50);
      calls.length = 0;
      native.routeAdd("192.168.50.0/24", name, 0);
      await until(() => calls.length > 0, "a change of a route");
      assert.deepEqual(calls, [["route"]]);
      calls.length = 0;
      native.addressAdd(name, "10.50.0.1/24");
      await until(() => calls.length > 0, "a change of an address");
      assert.deepEqual(calls, [["address", "route"]]);
      await pause(50);
      calls.length = 0;
      const began = performance.now();
      ipBatch(Array.from({ length: 200 }, (_, host) => `addr add 10.51.0.${host}/32 dev ${name}`));
      await until(() => calls.length > 0, "changes of addresses");
      await pause(50);
      const most = (performance.now() - began) / 20 + 1;
      assert.ok(calls.length <= most, `${calls.length} calls, at most ${most} can be 20 ms apart`);
    } finally {
      monitor.close();
      monitor.close();
    }
    calls.length = 0;
    native.addressDelete(name, "10.50.0.1/24");
    await pause(60);
    assert.deepEqual(calls, [], "a closed monitor is silent");
  }),

  "a monitor does not keep the process alive": () => {
    const program = `const { NetworkMonitor } = require(${JSON.stringify(addon)}); new NetworkMonitor(() => {});`;
    execFileSync(process.execPath, ["-e", program], { timeout: 20_000 });
  },

  "without CAP_NET_ADMIN looking is allowed, changing is EPERM with its reason": withLink((name) => {
    const said = withoutRights(`
      if (native.linkGet(${JSON.stringify(name)}) === null) throw new Error("not found");
      native.addressList(); native.routeList();
      const attempts = [
        () => native.linkSetUp("lo"), () => native.linkSetMtu("lo", 1400), () => native.linkDelete(${JSON.stringify(name)}),
        () => native.addressAdd("lo", "10.0.0.1/32"), () => native.addressDelete("lo", "127.0.0.1/8"),
        () => native.routeAdd("10.0.0.0/8", "lo", 0), () => native.routeDelete("10.0.0.0/8", "lo", 0),
      ];
      for (const attempt of attempts) {
        try { attempt(); console.log("was allowed:", attempt); } catch (error) { console.log(error.code, error.message); }
      }`);
    const lines = said.trimEnd().split("\n");
    assert.equal(lines.length, 7);
    for (const line of lines) assert.match(line, /^EPERM EPERM: cannot .*: needs CAP_NET_ADMIN/);
    assert.ok(native.linkGet(name));
  }),
};
