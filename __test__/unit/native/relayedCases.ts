/** What passes through a relay, the same for every backend (see relayed.ts). */
import assert from "node:assert/strict";
import type { BackendKind } from "@wgmesh/native";
import type { Cases } from "../../vm/cases.ts";
import { pointAt, transfer, untilConnected, withRelayed } from "./relayed.ts";

export function relayedCases(kind: BackendKind): Cases {
  return {
    "TCP passes whole both ways through a relay": () =>
      withRelayed(
        async ({ a, b, relay }) => {
          for (const { end } of [a, b]) await end.call("serve", { port: 7000 });
          await transfer(a, b, 2_000_000);
          await transfer(b, a, 2_000_000);
          assert.ok(a.end.fails("ping -c 1 -W 1 192.0.2.17"), "there is no other way");
          const { rxPackets, txPackets, lastReceivedMs } = await a.end.call("bridgeCounters");
          assert.ok(rxPackets > 0 && txPackets > 0 && lastReceivedMs < 20_000);
          const [session] = await relay.call("sessions");
          assert.ok(session.bytes > 4_000_000 && session.packets > 0);
        },
        { kind },
      ),

    "an end that comes again with another port, or another address, is followed": () =>
      withRelayed(
        async ({ a, b, relay }) => {
          const ping = (): void => void a.end.run(`ping -c 3 -i 0.1 -W 5 ${b.inner}`);
          ping();
          await pointAt(a, b, await a.end.call("openBridge", a.bridge));
          ping();
          // Its host moved: the socket is the same, the address is not.
          a.end.run("ip address delete 192.0.2.1/28 dev under");
          a.end.run("ip address add 192.0.2.9/28 dev under");
          ping();
          b.end.run(`ping -c 3 -i 0.1 -W 5 ${a.inner}`);
          await untilConnected(relay);
        },
        { kind },
      ),
  };
}
