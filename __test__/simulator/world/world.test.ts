import { beforeEach, describe, expect, test } from "vitest";
import type { Cidr, PublicKey } from "../../../src/core/types.ts";
import type { WantedPeer } from "../../../src/wireguard/backend.ts";
import { seededRandom } from "../../unit/support/seededRandom.ts";
import { SimDevice } from "./device.ts";
import { EventQueue } from "./eventQueue.ts";
import { memberKey, meshAddresses } from "./identities.ts";
import { Network } from "./network.ts";
import { NodeClock } from "./nodeClock.ts";
import { Trace } from "./trace.ts";

let queue: EventQueue;
let network: Network;

beforeEach(() => {
  queue = new EventQueue();
  network = new Network(queue, seededRandom("world"), new Trace());
});

describe("the queue of events", () => {
  test("runs them by time, then by arrival, and none that was cancelled", async () => {
    const ran: string[] = [];
    queue.after(20, () => ran.push("c"));
    queue.after(9.2, () => ran.push("a"));
    queue.after(10, () => ran.push("b"));
    queue.after(15, () => ran.push("never"))();
    await queue.advance(30);
    expect(ran).toEqual(["a", "b", "c"]);
    expect(queue.nowMs).toBe(30);
  });

  test("lets promises settle before time moves on", async () => {
    const seen: number[] = [];
    const late = async (): Promise<void> => {
      for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
      seen.push(queue.nowMs);
    };
    queue.after(5, () => void late());
    queue.after(6, () => seen.push(queue.nowMs));
    await queue.advance(10);
    expect(seen).toEqual([5, 6]);
  });
});

describe("the twin of WireGuard", () => {
  const addresses = meshAddresses();
  const meshIp = (index: number): string => addresses.meshIpv4(memberKey(index), 0);

  function device(index: number): SimDevice {
    const made = new SimDevice({
      ...{ queue, network, host: network.addHost(index, `44.0.0.${index + 1}`), publicKey: memberKey(index) },
      ...{ clock: new NodeClock(queue, 0, 0), meshIp: meshIp(index), applied() {}, shookHands() {} },
    });
    made.configure(51_820);
    made.up();
    return made;
  }

  function peer(index: number, host: string | null = `44.0.0.${index + 1}`): WantedPeer {
    const endpoint = host === null ? null : { host, port: 51_820 };
    const allowedIps = [`${meshIp(index)}/32` as Cidr];
    return { publicKey: memberKey(index), endpoint, allowedIps, keepaliveSeconds: 25 };
  }

  const handshakes = async (of: SimDevice, key: PublicKey): Promise<number | undefined> =>
    (await of.read()).peers.find(({ publicKey }) => publicKey === key)?.lastHandshakeMs;

  test("shakes hands once both ends have each other's key, though only one knows where", async () => {
    const [a, b] = [device(0), device(1)];
    await a.apply([{ kind: "add", peer: peer(1) }]);
    await queue.advance(20_000);
    expect(a.session(memberKey(1))).toBeNull();
    await b.apply([{ kind: "add", peer: peer(0, null) }]);
    await queue.advance(6_500);
    const session = a.session(memberKey(1))?.id ?? 0;
    expect(b.session(memberKey(0))?.id).toBe(session);
    expect(await handshakes(b, memberKey(0))).toBeGreaterThan(0);
    const answer = b.ping(meshIp(0));
    await queue.advance(600);
    expect(await answer).toBe(true);
  });

  test("renews sessions whose handshakes crossed before they end", async () => {
    const [a, b] = [device(0), device(1)];
    await a.apply([{ kind: "add", peer: peer(1) }]);
    await b.apply([{ kind: "add", peer: peer(0) }]);
    await queue.advance(1_000);
    for (let second = 0; second < 400; second += 1) {
      const ours = a.session(memberKey(1))?.id ?? 0;
      const theirs = b.session(memberKey(0))?.id ?? 0;
      expect(b.knowsSession(memberKey(0), ours) && a.knowsSession(memberKey(1), theirs)).toBe(true);
      await queue.advance(1_000);
    }
  });

  test("follows a peer that moves by its keepalives, and ends sessions that are too old", async () => {
    const [a, b] = [device(0), device(1)];
    await a.apply([{ kind: "add", peer: peer(1) }]);
    await b.apply([{ kind: "add", peer: peer(0) }]);
    await queue.advance(2_000);
    network.move(a.options.host, "44.0.0.77");
    await queue.advance(30_000);
    expect((await b.read()).peers[0]?.endpoint).toEqual({ host: "44.0.0.77", port: 51_820 });
    a.options.host.plugged = false;
    await queue.advance(181_000);
    expect(b.session(memberKey(0))).toBeNull();
  });

  test("gives an allowed IP to the last peer that is given it", async () => {
    const a = device(0);
    const stolen = `${meshIp(1)}/32` as Cidr;
    await a.apply([
      { kind: "add", peer: peer(1) },
      { kind: "add", peer: { ...peer(2), allowedIps: [stolen] } },
    ]);
    const { peers } = await a.read();
    expect(peers.map(({ allowedIps }) => allowedIps)).toEqual([[], [stolen]]);
  });
});
