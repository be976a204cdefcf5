/** Row E4 with as many peers as a mesh has: how soon silence is noticed, and what the questions cost while all are well. */
import { afterEach, describe, expect, test } from "vitest";
import type { IpAddress, PublicKey } from "../../../../src/core/types.ts";
import { HealthTable } from "../../../../src/mesh/health/table.ts";
import { HealthWatch } from "../../../../src/mesh/health/watch.ts";
import { PathTable } from "../../../../src/peers/paths.ts";
import { PeerStore } from "../../../../src/peers/store.ts";
import { testDerivation } from "../../support/derivation.ts";
import { ManualClock } from "../../support/manualClock.ts";
import { seededRandom } from "../../support/seededRandom.ts";
import { settle } from "../../support/settle.ts";
import { actual, keyOf } from "../peers.ts";

const STEP_MS = 100;
const READ_EVERY_MS = 5_000;
const ROUND_TRIP_MS = 40;
const HANDSHAKE_EVERY_MS = 120_000;

const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A node among `count` peers whose tunnels all came up at once; keys before its own go first. */
async function among(count: number, ownNumber: number) {
  const clock = new ManualClock();
  const ownKey = keyOf(ownNumber);
  const rules = { strictAddresses: false, noIpv6: false };
  const store = new PeerStore({ clock, ownKey, addresses: testDerivation, ...rules });
  const table = new HealthTable();
  const keys = Array.from({ length: count + 1 }, (_, number) => keyOf(number)).filter(
    (key) => key !== ownKey,
  );
  const dead = new Set<PublicKey>();
  const shookMs = new Map<PublicKey, number>(keys.map((key) => [key, clock.wallMs()]));
  const suspectMs = new Map<PublicKey, number>();
  let asked = 0;
  let atOnce = 0;
  let mostAtOnce = 0;
  const watch = new HealthWatch({
    ...{ clock, store, table, ownKey, paths: new PathTable(), random: seededRandom("health") },
    ask: ({ publicKey }, _thorough, timeoutMs) => {
      asked += 1;
      atOnce += 1;
      mostAtOnce = Math.max(mostAtOnce, atOnce);
      return new Promise((resolve) => {
        clock.after(dead.has(publicKey) ? timeoutMs : ROUND_TRIP_MS, () => {
          atOnce -= 1;
          resolve(dead.has(publicKey) ? null : clock.monotonicMs());
        });
      });
    },
    otherPlaces: () => [],
    restartHandshake: () => {},
    changed: () => {},
    tell: (effect, publicKey) => {
      if (effect === "suspect") suspectMs.set(publicKey, clock.monotonicMs());
    },
  });
  for (const publicKey of keys) {
    const meshIp = testDerivation.meshIpv4(publicKey, 0) as IpAddress;
    store.observe({ publicKey, method: "lan", meshIp, endpoint: { host: "192.0.2.1", port: 51_820 } });
  }
  const abort = new AbortController();
  const ended = watch.run(abort.signal);
  ends.push(async () => {
    abort.abort();
    await ended;
  });
  const read = (): void => {
    for (const [key, atMs] of shookMs) {
      if (!dead.has(key) && clock.wallMs() - atMs >= HANDSHAKE_EVERY_MS) shookMs.set(key, clock.wallMs());
    }
    watch.noted(
      [...shookMs].map(([publicKey, lastHandshakeMs]) => ({ ...actual(0), publicKey, lastHandshakeMs })),
    );
  };
  const pass = async (ms: number): Promise<void> => {
    for (let leftMs = ms; leftMs > 0; leftMs -= STEP_MS) {
      if (clock.monotonicMs() % READ_EVERY_MS === 0) read();
      clock.advance(STEP_MS);
      await settle();
    }
  };
  return {
    ...{ clock, keys, dead, table, suspectMs, pass },
    /** Questions since the last call, and the most that were open at once. */
    questions: () => {
      const counts = { asked, mostAtOnce };
      asked = 0;
      mostAtOnce = 0;
      return counts;
    },
  };
}

describe.each([
  ["goes first", 0, 300],
  ["goes second", 300, 300],
  ["goes first", 0, 1_000],
  ["goes second", 1_000, 1_000],
])("a node that %s (key %i) among %i peers", (_, ownNumber, count) => {
  test("asks each about three times a minute, and calls a dead one suspect within 30 s, one or all", async () => {
    const { clock, dead, keys, pass, questions, suspectMs, table } = await among(count, ownNumber);
    await pass(40_000);
    questions();
    await pass(60_000);
    const idle = questions();
    expect(idle.asked).toBeLessThan(4 * count);
    expect(suspectMs.size).toBe(0);
    expect(table.counts()).toMatchObject({ healthy: count });

    const [first, ...others] = keys as [PublicKey, ...PublicKey[]];
    dead.add(first);
    const diedMs = clock.monotonicMs();
    await pass(30_000);
    expect((suspectMs.get(first) ?? Number.POSITIVE_INFINITY) - diedMs).toBeLessThanOrEqual(30_000);
    expect(table.counts()).toMatchObject({ healthy: count - 1 });

    // What a node sees that lost its own network.
    for (const key of others) dead.add(key);
    questions();
    await pass(30_000);
    expect(suspectMs.size).toBe(count);
    expect(table.troubled).toBe(count);
    expect(questions().mostAtOnce).toBeLessThanOrEqual(256);
  }, 60_000);
});
