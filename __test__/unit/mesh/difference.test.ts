import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Cidr, InterfaceName } from "../../../src/core/types.ts";
import { difference } from "../../../src/mesh/difference.ts";
import type { WantedPeer } from "../../../src/wireguard/backend.ts";
import { MemoryBackend } from "../../../src/wireguard/memoryBackend.ts";
import { actual, byKey, keyOf, wanted } from "./peers.ts";

describe("difference", () => {
  test("nothing differs: no change, in any order of allowed IPs", () => {
    const shuffled = actual(1, { allowedIps: [...wanted(1).allowedIps].reverse() });
    expect(difference([wanted(1)], [shuffled], byKey([wanted(1)]))).toEqual({ changes: [], foreign: [] });
  });

  test("new peers are added, gone ones removed, and neither is foreign", () => {
    const result = difference([wanted(1)], [actual(2)], byKey([wanted(2)]));
    expect(result.changes).toEqual([
      { kind: "add", peer: wanted(1) },
      { kind: "remove", publicKey: keyOf(2) },
    ]);
    expect(result.foreign).toEqual([]);
  });

  test("a peer that an earlier run left gets the preshared key of this one, and nothing else is touched", () => {
    const changes = [{ kind: "update", publicKey: keyOf(1), presharedKey: "mesh" }];
    expect(difference([wanted(1)], [actual(1)], new Map())).toEqual({ changes, foreign: [] });
  });

  test("a peer that roamed keeps the endpoint WireGuard learned", () => {
    const roamed = actual(1, { endpoint: { host: "198.51.100.9", port: 9 } });
    expect(difference([wanted(1)], [roamed], byKey([wanted(1)])).changes).toEqual([]);
  });

  test("a pinned endpoint is written again when WireGuard left it", () => {
    const roamed = actual(1, { endpoint: { host: "198.51.100.9", port: 9 } });
    const pinned = wanted(1, { pinned: true });
    const { changes, foreign } = difference([pinned], [roamed], byKey([pinned]));
    expect(changes).toEqual([{ kind: "update", publicKey: keyOf(1), endpoint: pinned.endpoint }]);
    expect(foreign).toEqual([]);
    expect(difference([pinned], [actual(1)], byKey([pinned])).changes).toEqual([]);
  });

  test("a direct endpoint after a pinned one is written though WireGuard has roamed there, and once", () => {
    const direct = wanted(1);
    const before = wanted(1, { endpoint: { host: "127.0.0.1", port: 40_000 }, pinned: true });
    const { changes } = difference([direct], [actual(1)], byKey([before]));
    expect(changes).toEqual([{ kind: "update", publicKey: keyOf(1), endpoint: direct.endpoint }]);
    expect(difference([direct], [actual(1)], byKey([direct])).changes).toEqual([]);
  });

  test("an endpoint is written when we changed our mind", () => {
    const endpoint = { host: "198.51.100.1", port: 5 };
    const result = difference([wanted(1, { endpoint })], [actual(1)], byKey([wanted(1)]));
    expect(result.changes).toEqual([{ kind: "update", publicKey: keyOf(1), endpoint }]);
    expect(result.foreign).toEqual([]);
  });

  test("an endpoint we do not know leaves the one WireGuard learned", () => {
    expect(difference([wanted(1, { endpoint: null })], [actual(1)], byKey([wanted(1)])).changes).toEqual([]);
  });

  test.each([
    ["missing peer", [], { kind: "add", peer: wanted(1) }],
    [
      "allowed IPs",
      [actual(1, { allowedIps: ["10.0.0.0/8"] })],
      { kind: "update", publicKey: keyOf(1), allowedIps: wanted(1).allowedIps },
    ],
    [
      "preshared key",
      [actual(1, { hasPresharedKey: false })],
      { kind: "update", publicKey: keyOf(1), presharedKey: "mesh" },
    ],
    [
      "keepalive",
      [actual(1, { keepaliveSeconds: 0 })],
      { kind: "update", publicKey: keyOf(1), keepaliveSeconds: 25 },
    ],
  ] as const)("foreign change: %s", (what, present, change) => {
    const result = difference([wanted(1)], present, byKey([wanted(1)]));
    expect(result).toEqual({ changes: [change], foreign: [{ publicKey: keyOf(1), what }] });
  });

  test("foreign change: another preshared key, which leaves the rest as it is", () => {
    const result = difference([wanted(1)], [actual(1, { presharedKeyChanged: true })], byKey([wanted(1)]));
    expect(result).toEqual({
      changes: [{ kind: "update", publicKey: keyOf(1), presharedKey: "mesh" }],
      foreign: [{ publicKey: keyOf(1), what: "preshared key" }],
    });
  });

  test("foreign change: unknown peer", () => {
    expect(difference([], [actual(3)], new Map())).toEqual({
      changes: [{ kind: "remove", publicKey: keyOf(3) }],
      foreign: [{ publicKey: keyOf(3), what: "unknown peer" }],
    });
  });

  test("our own change of allowed IPs is not foreign", () => {
    const more = wanted(1, { allowedIps: [...wanted(1).allowedIps, "192.168.0.0/24" as Cidr] });
    const result = difference([more], [actual(1)], byKey([wanted(1)]));
    expect(result.changes).toEqual([{ kind: "update", publicKey: keyOf(1), allowedIps: more.allowedIps }]);
    expect(result.foreign).toEqual([]);
  });

  interface Choice {
    readonly number: number;
    readonly host: number;
    readonly extra: boolean;
  }
  const choices = fc.uniqueArray(
    fc.record({
      number: fc.integer({ min: 1, max: 8 }),
      host: fc.integer({ min: 1, max: 3 }),
      extra: fc.boolean(),
    }),
    { selector: (choice) => choice.number },
  );
  const toWanted = ({ number, host, extra }: Choice): WantedPeer => {
    const { allowedIps } = wanted(number);
    return wanted(number, {
      endpoint: { host: `192.0.2.${host}`, port: 5 },
      allowedIps: extra ? [...allowedIps, `192.168.${number}.0/24` as Cidr] : allowedIps,
    });
  };

  test("leads from any state to any other in one batch, and then there is nothing left to do", async () => {
    await fc.assert(
      fc.asyncProperty(choices, choices, async (first, second) => {
        const backend = new MemoryBackend({ interfaceName: "wg0" as InterfaceName, publicKey: keyOf(0) });
        let applied = byKey([]);
        for (const target of [first.map(toWanted), second.map(toWanted)]) {
          const { changes, foreign } = difference(target, (await backend.read()).peers, applied);
          expect(foreign).toEqual([]);
          await backend.apply(changes);
          applied = byKey(target);
          const { peers } = await backend.read();
          expect(difference(target, peers, applied).changes).toEqual([]);
          expect(peers.length).toBe(target.length);
          for (const { publicKey, endpoint } of target) {
            expect(backend.peer(publicKey)?.endpoint).toEqual(endpoint);
          }
        }
      }),
    );
  });
});
