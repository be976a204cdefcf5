/** Among a crowd of strangers those with a tunnel are not lost. */
import { expect, test } from "vitest";
import type { IpAddress, PublicKey } from "../../../src/core/types.ts";
import { Announcer } from "../../../src/discovery/announcer.ts";
import { Seeker } from "../../../src/discovery/rendezvous/seeker.ts";
import { LocalNode } from "../../../src/peers/localNode.ts";
import { MANY_STRANGERS } from "../../../src/peers/room.ts";
import { PeerStore } from "../../../src/peers/store.ts";
import { decodeAnnouncement } from "../../../src/wire/announcement.ts";
import { openEnvelope } from "../../../src/wire/envelope.ts";
import { keyOf } from "../support/announcements.ts";
import { testProver } from "../support/prover.ts";
import { seededRandom } from "../support/seededRandom.ts";
import { FakeClock } from "./fakeClock.ts";
import { ownWords, testAddresses, testKey, testSealer } from "./memoryMesh.ts";

test("a reply tells of those with a tunnel alone once there are many strangers", () => {
  const clock = new FakeClock();
  const sealer = testSealer();
  const ownKey = testKey("own");
  const base = { clock, ownKey, addresses: testAddresses, strictAddresses: false, noIpv6: false };
  const store = new PeerStore(base);
  const announcer = new Announcer({
    ...{ clock, store, sealer },
    random: seededRandom("crowd"),
    self: new LocalNode(ownWords("own")),
    prover: testProver(ownKey),
  });
  const know = (name: string): PublicKey => {
    const publicKey = testKey(name);
    const meshIp = testAddresses.meshIpv4(publicKey, 0) as IpAddress;
    store.observe({ publicKey, method: "dht", meshIp, instance: "0123456789abcdef" });
    return publicKey;
  };
  const mentioned = (): ReadonlySet<PublicKey> => {
    const to = { host: "192.0.2.9" as IpAddress, port: 52_000 };
    const opened = openEnvelope(announcer.reply(testKey("asks"), to, 1200) as Buffer, sealer, clock.wallMs());
    const decoded = opened.ok ? decodeAnnouncement(opened.payload) : opened;
    if (!decoded.ok) throw new Error("not an announcement");
    return new Set(decoded.value.knownPeers.map(({ publicKey }) => publicKey));
  };
  const friends = [know("friend"), know("other friend")];
  for (const friend of friends) store.noteHandshake(friend, clock.wallMs());
  for (let number = 1; number < MANY_STRANGERS; number += 1) know(`stranger ${number}`);
  expect(mentioned().size).toBeGreaterThan(friends.length);
  know("one more");
  expect(store.isCrowded).toBe(true);
  expect(mentioned()).toEqual(new Set(friends));
});

test("paths to a crowd are looked for a few at a time, and nobody is left out", () => {
  const seeker = new Seeker(() => 0);
  const keys = Array.from({ length: 50 }, (_, number) => keyOf(number));
  for (const key of keys) seeker.need(key, 0);
  const sought: PublicKey[] = [];
  let nowMs = 1_000;
  for (; nowMs < 2_000; nowMs = Math.max(nowMs + 1, seeker.nextAtMs() ?? 0)) {
    const { seek } = seeker.take(nowMs);
    expect(seek.length).toBeLessThanOrEqual(16);
    sought.push(...seek);
    if (sought.length === keys.length) break;
  }
  // Three pauses of 200 ms.
  expect(nowMs).toBe(1_600);
  expect(sought.sort()).toEqual([...keys].sort());
});
