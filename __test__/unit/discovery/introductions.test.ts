import { beforeEach, expect, test } from "vitest";
import {
  type Endpoint,
  endpointText,
  type IpAddress,
  type PublicKey,
  parseIp,
} from "../../../src/core/types.ts";
import { Introductions } from "../../../src/discovery/rendezvous/introductions.ts";
import { LocalNode } from "../../../src/peers/localNode.ts";
import { PeerStore } from "../../../src/peers/store.ts";
import { type JsonObject, readJson } from "../../../src/wire/json.ts";
import { encodeOffer } from "../../../src/wire/rendezvous.ts";
import { testDerivation } from "../support/derivation.ts";
import { ManualClock } from "../support/manualClock.ts";
import { testProver } from "../support/prover.ts";
import { seededRandom } from "../support/seededRandom.ts";
import { GOSSIP_PORT, ownWords, testKey, testSealer } from "./memoryMesh.ts";

const [OWN, LOW, HIGH] = [testKey("hub"), testKey("low"), testKey("high")];
const LOW_CONTROL: Endpoint = { host: "192.0.2.1", port: 40_001 };
const HIGH_CONTROL: Endpoint = { host: "192.0.2.2", port: 40_002 };
const meshIpOf = (key: PublicKey): IpAddress => parseIp(testDerivation.meshIpv4(key, 0)) as IpAddress;

let clock: ManualClock;
let store: PeerStore;
let sent: string[];
let introductions: Introductions;

beforeEach(() => {
  clock = new ManualClock();
  store = new PeerStore({
    clock,
    ownKey: OWN,
    addresses: testDerivation,
    strictAddresses: false,
    noIpv6: false,
  });
  sent = [];
  introductions = new Introductions({
    clock,
    random: seededRandom("introductions"),
    store,
    self: new LocalNode(ownWords("hub")),
    sealer: testSealer(),
    prover: testProver(OWN),
    trusted: new Set(),
    gossipPort: GOSSIP_PORT,
    send: (_data, to) => sent.push(endpointText(to)),
    isVerified: () => true,
    controlEndpoints: ({ controlEndpoint }) => (controlEndpoint === null ? [] : [controlEndpoint]),
    tunnelEndpoint: () => null,
    isAllowed: () => true,
    started: () => {},
    invited: () => {},
  });
});

function meets(publicKey: PublicKey, controlEndpoint: Endpoint, proven = true): void {
  const meshIp = meshIpOf(publicKey);
  store.observe({ publicKey, method: "dht", meshIp, controlEndpoint, knowsUs: true, proven });
}

/** Returns where something was sent. */
function offer(from: PublicKey, target: PublicKey, at: Endpoint): string[] {
  sent = [];
  const timestampSeconds = Math.floor(clock.wallMs() / 1000);
  const payload = encodeOffer({
    ...{ from, target, timestampSeconds },
    ...{ candidates: [], wireguardCandidates: [], natType: "unknown" },
  });
  const read = introductions.readers().get("RENDEZVOUS_OFFER")?.(readJson(payload, 10_000) as JsonObject);
  if (read?.ok !== true) throw new Error("an OFFER is read");
  read.act({ from: at, sizeBytes: 100, proven: true });
  return sent;
}

test("an end with a tunnel hears of an introduction through it too: its NAT may have forgotten its control socket", () => {
  meets(LOW, LOW_CONTROL);
  meets(HIGH, HIGH_CONTROL);
  store.noteHandshake(HIGH, clock.wallMs() - 100_000);
  const inside = `${meshIpOf(HIGH)}:${GOSSIP_PORT}`;
  // The invitation, then the start of both, of whom one has no tunnel.
  expect(offer(LOW, HIGH, LOW_CONTROL)).toEqual([endpointText(HIGH_CONTROL), inside]);
  expect(offer(HIGH, LOW, HIGH_CONTROL).sort()).toEqual(
    [endpointText(HIGH_CONTROL), inside, endpointText(LOW_CONTROL)].sort(),
  );
});

test("not one whose session is over, nor one of the other implementation", () => {
  meets(LOW, LOW_CONTROL);
  meets(HIGH, HIGH_CONTROL);
  store.noteHandshake(HIGH, clock.wallMs() - 200_000);
  expect(offer(LOW, HIGH, LOW_CONTROL)).toEqual([endpointText(HIGH_CONTROL)]);
  const other = testKey("other");
  meets(other, { host: "192.0.2.3", port: 40_003 }, false);
  store.noteHandshake(other, clock.wallMs());
  expect(offer(LOW, other, LOW_CONTROL)).toEqual(["192.0.2.3:40003", endpointText(LOW_CONTROL)].sort());
});

test("a node that lacks paths to many asks for one a second, and follows as many invitations, whoever asks how often", () => {
  const keys = Array.from({ length: 30 }, (_, index) => testKey(`n${index}`));
  for (const [index, key] of keys.entries()) meets(key, { host: `198.51.100.${index + 1}`, port: 40_000 });
  /** What a minute of that costs in which everybody is looked for, and invites, every three seconds. */
  const minute = (): number => {
    sent = [];
    for (let second = 0; second < 60; second += 3) {
      for (const [index, target] of keys.entries()) {
        introductions.ask(target, true);
        introductions.answer(target, keys[(index + 1) % keys.length] ?? target);
      }
      clock.advance(3_000);
    }
    return sent.length;
  };
  expect(minute()).toBeLessThanOrEqual(2 * (90 + 60));
  for (let minutes = 0; minutes < 5; minutes += 1) expect(minute()).toBeLessThanOrEqual(2 * 60);
  // It goes on: nobody is left out for good.
  expect(minute()).toBeGreaterThanOrEqual(60);
});
