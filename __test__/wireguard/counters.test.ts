/** What is counted: bytes, handshakes, keepalives. */
import { describe, expect } from "vitest";
import { delay, until } from "../mesh/harness/time.ts";
import { DATA, KEEPALIVE_BYTES, messageBytes, messageType, Sniffer } from "./harness/datagrams.ts";
import { loopbackPair, vethPair } from "./harness/pair.ts";
import { allAnswered } from "./harness/ping.ts";
import { test } from "./harness/scene.ts";

const INITIATION_BYTES = 148;
const RESPONSE_BYTES = 92;
/** ICMP in IPv4 with 56 bytes of data, 84 bytes, padded to 96; header and tag. */
const PING_BYTES = 16 + 96 + 16;

/** PASSIVE keepalive of section 6.5: sent this long after the last thing that was received and not answered. */
const KEEPALIVE_TIMEOUT_MS = 10_000;

describe.concurrent("counters", () => {
  test("count every authenticated byte of handshake and data, on both ends alike", async ({ scene }) => {
    const { a, b } = await loopbackPair(scene);
    const began = Math.floor(Date.now() / 1000);
    await allAnswered(a.inside, b.addresses[0] ?? "", { count: 10 });
    // The initiator may confirm the session with a keepalive before the first packet.
    const sent = INITIATION_BYTES + 10 * PING_BYTES;
    const received = RESPONSE_BYTES + 10 * PING_BYTES;
    const ofA = await a.peer(b);
    const ofB = await b.peer(a);
    expect([sent, sent + KEEPALIVE_BYTES]).toContain(ofA.txBytes);
    expect(ofA.rxBytes).toBe(received);
    expect(ofB).toMatchObject({ rxBytes: ofA.txBytes, txBytes: ofA.rxBytes });
    for (const { latestHandshake } of [ofA, ofB]) {
      expect(latestHandshake).toBeGreaterThanOrEqual(began);
      expect(latestHandshake).toBeLessThanOrEqual(Date.now() / 1000);
    }
  });

  test("a persistent keepalive is 32 bytes every interval, until it is switched off", async ({ scene }) => {
    const { a, b } = await vethPair(scene);
    const sniffer = await Sniffer.on(a.outside, "eth0", b.outside);
    const keepalives = (): number =>
      sniffer
        .soFar()
        .filter((seen) => seen.out && messageType(seen) === DATA && messageBytes(seen) === KEEPALIVE_BYTES)
        .length;
    await a.setPeer(b, { keepalive: 1 });
    await until("a session", 10_000, () => keepalives() > 0);
    const before = keepalives();
    await delay(4000);
    const after = keepalives();
    // A busy machine is late; more than one a second would be wrong.
    expect(after - before).toBeGreaterThanOrEqual(2);
    expect(after - before).toBeLessThanOrEqual(5);
    await a.setPeer(b, { keepalive: 0 });
    const off = await a.peer(b);
    expect(off.keepalive).toBe(0);
    await delay(2500);
    expect((await a.peer(b)).txBytes).toBe(off.txBytes);
    expect((await sniffer.sent()).every((seen) => [1, DATA].includes(messageType(seen)))).toBe(true);
  });

  test("what is not answered for 10 s is answered with a keepalive, once", async ({ scene }) => {
    const { a, b } = await vethPair(scene);
    await allAnswered(a.inside, b.addresses[0] ?? "");
    // UDP to a port that nobody listens on, with the error message kept back: nothing to answer.
    await b.inside.nft(
      "table ip quiet { chain in { type filter hook input priority 0; iif wg0 udp dport 9 drop; }; }",
    );
    await delay(500);
    const { txBytes } = await b.peer(a);
    const began = performance.now();
    await a.inside.run(`bash -c echo>/dev/udp/${b.addresses[0]}/9`);
    await until("a keepalive", 10 * KEEPALIVE_TIMEOUT_MS, async () => (await b.peer(a)).txBytes > txBytes);
    expect(performance.now() - began).toBeGreaterThan(KEEPALIVE_TIMEOUT_MS - 1000);
    expect((await b.peer(a)).txBytes).toBe(txBytes + KEEPALIVE_BYTES);
    await delay(2000);
    expect((await b.peer(a)).txBytes).toBe(txBytes + KEEPALIVE_BYTES);
  });
});
