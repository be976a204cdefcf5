import { beforeEach, describe, expect, test } from "vitest";
import type { Endpoint } from "../../../../src/core/types.ts";
import { type DatagramSocket, StunClient } from "../../../../src/discovery/stun/client.ts";
import { decodeMessage, encodeMessage } from "../../../../src/discovery/stun/message.ts";
import { seededRandom } from "../../support/seededRandom.ts";
import { FakeClock } from "../fakeClock.ts";

const SERVER = { host: "198.51.100.1", port: 3478 };
const MAPPED = { host: "203.0.113.9", port: 40_000 };

let clock: FakeClock;
let sent: { atMs: number; data: Buffer; to: Endpoint }[];
let deliver: (data: Buffer, from: Endpoint) => void;
let listeners: number;
let client: StunClient;

beforeEach(() => {
  clock = new FakeClock();
  sent = [];
  listeners = 0;
  const socket: DatagramSocket = {
    send: (data, to) => void sent.push({ atMs: clock.monotonicMs(), data: Buffer.from(data), to }),
    onDatagram(listener) {
      deliver = listener;
      listeners += 1;
      return () => {
        listeners -= 1;
      };
    },
  };
  client = new StunClient({ clock, random: seededRandom("client"), socket });
});

/** The id of the request that was sent as number `index`. */
function idOf(index = 0): Buffer {
  const id = decodeMessage(sent[index]?.data ?? Buffer.alloc(0))?.transactionId;
  if (id === undefined) throw new Error("no request was sent");
  return id;
}

const success = (index = 0): Buffer => encodeMessage("success", idOf(index), { mapped: MAPPED });

test("the answer to a request tells where it was seen", async () => {
  const outcome = client.request(SERVER);
  await clock.advance(40);
  deliver(success(), SERVER);
  expect(await outcome).toEqual({
    ok: true,
    mapped: MAPPED,
    otherAddress: null,
    durationMs: 40,
    requests: 1,
  });
  await clock.advance(10_000);
  expect(sent).toHaveLength(1);
});

test("the same request is sent again until its time is over", async () => {
  const outcome = client.request(SERVER);
  await clock.advance(2_999);
  expect(sent.map(({ atMs }) => atMs)).toEqual([0, 250, 750, 1_750]);
  expect(new Set(sent.map(({ data }) => data.toString("hex"))).size).toBe(1);
  await clock.advance(1);
  expect(await outcome).toEqual({ ok: false, reason: "no answer" });
  deliver(success(), SERVER);
});

test("an answer to a later sending counts", async () => {
  const outcome = client.request(SERVER);
  await clock.advance(800);
  deliver(success(2), SERVER);
  expect(await outcome).toMatchObject({ ok: true, requests: 3, durationMs: 800 });
});

describe("what is no answer", () => {
  test.each<[string, () => [Buffer, Endpoint]]>([
    ["another address", () => [success(), { ...SERVER, host: "198.51.100.2" }]],
    ["another port", () => [success(), { ...SERVER, port: 3479 }]],
    ["another id", () => [encodeMessage("success", Buffer.alloc(12, 1), { mapped: MAPPED }), SERVER]],
    ["a request with our id", () => [encodeMessage("request", idOf(), { mapped: MAPPED }), SERVER]],
    ["no address in it", () => [encodeMessage("success", idOf()), SERVER]],
    ["cut short", () => [success().subarray(0, -1), SERVER]],
    ["no STUN", () => [Buffer.from("{}"), SERVER]],
  ])("%s", async (_what, make) => {
    const outcome = client.request(SERVER);
    deliver(...make());
    await clock.advance(10);
    deliver(success(), SERVER);
    expect(await outcome).toMatchObject({ ok: true, durationMs: 10 });
  });
});

test("an error of the server ends it", async () => {
  const outcome = client.request(SERVER);
  deliver(encodeMessage("error", idOf(), { error: { code: 500, reason: "busy" } }), SERVER);
  expect(await outcome).toEqual({ ok: false, reason: "error 500" });
});

test("with CHANGE-REQUEST the answer comes from the other address", async () => {
  const other = { host: "198.51.100.2", port: 3479 };
  const outcome = client.request(SERVER, { change: { ip: true, port: true }, answerFrom: other });
  expect(decodeMessage(sent[0]?.data as Buffer)?.changeRequest).toEqual({ ip: true, port: true });
  deliver(success(), SERVER);
  deliver(success(), other);
  expect(await outcome).toMatchObject({ ok: true });
});

test("open requests are bounded", async () => {
  const open = Array.from({ length: 65 }, () => client.request(SERVER));
  expect(await open[64]).toEqual({ ok: false, reason: "too many requests are open" });
  expect(sent).toHaveLength(64);
});

test("closing ends what is open, and nothing is sent any more", async () => {
  const outcome = client.request(SERVER);
  client.close();
  expect(await outcome).toEqual({ ok: false, reason: "closed" });
  expect(await client.request(SERVER)).toEqual({ ok: false, reason: "closed" });
  await clock.advance(5_000);
  expect(sent).toHaveLength(1);
  expect(listeners).toBe(0);
});

test("two requests at once are told apart", async () => {
  const first = client.request(SERVER);
  const second = client.request(SERVER);
  deliver(encodeMessage("success", idOf(1), { mapped: { ...MAPPED, port: 2 } }), SERVER);
  deliver(encodeMessage("success", idOf(0), { mapped: { ...MAPPED, port: 1 } }), SERVER);
  expect(await first).toMatchObject({ mapped: { port: 1 } });
  expect(await second).toMatchObject({ mapped: { port: 2 } });
});
