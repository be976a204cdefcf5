import { describe, expect, test } from "vitest";
import type { Cidr } from "../../../src/core/types.ts";
import { FirewallWatch } from "../../../src/daemon/firewallWatch.ts";
import { TroubleRegistry } from "../../../src/observe/troubles.ts";
import { LocalNode, type LocalNodeSnapshot } from "../../../src/peers/localNode.ts";
import { ManualClock } from "../support/manualClock.ts";
import { MemoryLog } from "../support/memoryLog.ts";
import { settle } from "../support/settle.ts";

const dropAll = JSON.stringify({
  nftables: [
    { chain: { family: "ip", table: "filter", name: "FORWARD", hook: "forward", policy: "drop", prio: 0 } },
  ],
});

function make() {
  const clock = new ManualClock();
  const log = new MemoryLog();
  const troubles = new TroubleRegistry(clock, log);
  const state = { rules: dropAll, reads: 0 };
  const self = new LocalNode({
    networks: [],
    exitNode: false,
    meshIpv6: null,
  } as unknown as LocalNodeSnapshot);
  const path = { gateway: null, source: null, linkName: "lan0", mtu: 1500, type: "unicast" };
  const system = {
    packetFilter: async () => {
      state.reads += 1;
      return state.rules;
    },
    pathTo: () => path,
  };
  const watch = new FirewallWatch({ clock, log, troubles, system, interfaceName: "wg0", self });
  return { clock, troubles, state, self, watch };
}

describe("FirewallWatch", () => {
  test("reads no rules while nothing is forwarded, and at once when something is; then each half minute", async () => {
    const { clock, troubles, state, self, watch } = make();
    const stop = new AbortController();
    const ended = watch.run(stop.signal);
    clock.advance(120_000);
    await settle();
    expect(state.reads).toBe(0);
    self.update({ networks: ["192.168.1.0/24" as Cidr] });
    await settle();
    const [trouble] = troubles.list();
    expect(trouble?.text).toContain(
      "192.168.1.0/24 is dropped by ip filter FORWARD: load what 'wgmesh firewall' prints",
    );
    state.rules = '{"nftables":[]}';
    clock.advance(30_000);
    await settle();
    expect(troubles.list()).toEqual([]);
    expect(state.reads).toBe(2);
    stop.abort();
    await ended;
  });

  test("names the Internet where an exit node's packets are dropped, and counts the others", async () => {
    const { troubles, self, watch } = make();
    self.update({ networks: ["192.168.1.0/24", "192.168.2.0/24"] as Cidr[], exitNode: true });
    await watch.look();
    expect(troubles.list()[0]?.text).toContain("and to 2 of the other networks");
    self.update({ networks: [] });
    await watch.look();
    expect(troubles.list()[0]?.text).toContain("what the mesh sends to the Internet is dropped");
  });
});
