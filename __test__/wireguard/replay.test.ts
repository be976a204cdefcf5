/** Somebody on the path records datagrams, keeps them back, and sends them again. */
import { describe, expect } from "vitest";
import { delay, until } from "../mesh/harness/time.ts";
import { DATA, INITIATION, messageType, RESPONSE, resend, Sniffer } from "./harness/datagrams.ts";
import { vethPair } from "./harness/pair.ts";
import { allAnswered } from "./harness/ping.ts";
import { test } from "./harness/scene.ts";
import type { PeerState, Tunnel } from "./harness/tunnel.ts";

/** Longer than a datagram takes to be judged, and less than any timer of the protocol. */
const JUDGED_MS = 500;

/** Everything that a datagram could change, as far as it can be seen. */
async function visible(tunnel: Tunnel): Promise<{ peers: PeerState[]; packets: number }> {
  const [link] = JSON.parse(await tunnel.inside.run(`ip -j -s link show ${tunnel.name}`));
  return { peers: await tunnel.peers(), packets: link.stats64.rx.packets };
}

describe.concurrent("datagrams that were recorded", () => {
  test("change nothing and are not answered when they come again, from wherever", async ({ scene }) => {
    const { a, b } = await vethPair(scene);
    const [b4 = ""] = b.addresses;
    const atA = await Sniffer.on(a.outside, "eth0", b.outside);
    await allAnswered(a.inside, b4, { count: 5, more: "-i 0.05" });
    const recorded = await atA.seen();
    const forth = recorded.filter(({ out }) => out);
    const back = recorded.filter(({ out }) => !out);
    expect(forth.map(messageType)).toEqual(expect.arrayContaining([INITIATION, DATA]));
    expect(back.map(messageType)).toEqual(expect.arrayContaining([RESPONSE, DATA]));
    const before = await Promise.all([visible(a), visible(b)]);
    const atB = await Sniffer.on(b.outside, "eth0", a.outside);
    for (const source of [undefined, "192.0.2.1 4444", "192.0.2.77 7777"]) {
      await resend(a.outside, forth, { times: 3, ...(source && { source }) });
      await resend(b.outside, back, { times: 3, ...(source && { source }) });
    }
    await delay(JUDGED_MS);
    // The replays themselves were seen: nothing besides them.
    const after = await atB.seen();
    expect(after.filter(({ out }) => !out)).toHaveLength(9 * forth.length);
    expect(after.filter(({ out }) => out)).toHaveLength(9 * back.length);
    expect(await Promise.all([visible(a), visible(b)])).toEqual(before);
    await allAnswered(a.inside, b4);
    await allAnswered(b.inside, a.addresses[0] ?? "");
  });

  test("count once when they come late and in the wrong order", async ({ scene }) => {
    const { a, b } = await vethPair(scene);
    const [b4 = ""] = b.addresses;
    const COUNT = 20;
    await allAnswered(a.inside, b4);
    await b.outside.nft(
      "table ip hold { chain in { type filter hook input priority 0; udp dport 2 drop; }; }",
    );
    const sniffer = await Sniffer.on(a.outside, "eth0", b.outside);
    await a.inside.try(`ping -n -c ${COUNT} -i 0.01 -W 1 ${b4}`);
    const held = (await sniffer.sent()).filter((seen) => messageType(seen) === DATA);
    expect(held.length).toBeGreaterThanOrEqual(COUNT);
    await b.outside.nft("delete table ip hold");
    // One that is newer than all of them.
    await allAnswered(a.inside, b4);
    const { packets } = await visible(b);
    await resend(a.outside, held.toReversed());
    await until("all are taken", 10_000, async () => (await visible(b)).packets >= packets + COUNT);
    await resend(a.outside, held, { times: 2 });
    await delay(JUDGED_MS);
    expect((await visible(b)).packets).toBe(packets + COUNT);
  });
});
