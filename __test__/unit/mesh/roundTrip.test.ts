import { expect, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { ProbeListener } from "../../../src/mesh/probeListener.ts";
import { roundTrip } from "../../../src/mesh/roundTrip.ts";
import { LOCAL, open, serve } from "./localServers.ts";

const path = { from: LOCAL, to: LOCAL };
test("a probe listener answers, and the address that did is told", async () => {
  const listener = new ProbeListener({ clock: systemClock, addresses: [LOCAL], port: 0 });
  open.push(listener);
  await listener.open();
  const answer = await roundTrip([path], listener.ports()[0] ?? 0, systemClock, 5_000);
  expect(answer?.address).toBe(LOCAL);
  expect(answer?.milliseconds).toBeGreaterThan(0);
});

test("the time is that of the answer, without the connecting", async () => {
  const port = await serve((socket) => {
    socket.once("data", () => setTimeout(() => socket.write("pong\n"), 120));
  });
  // A clock on which connecting takes a second: each reading is one later.
  let reading = 0;
  const clock = { ...systemClock, monotonicMs: () => 1000 * ++reading };
  expect((await roundTrip([path], port, clock, 5_000))?.milliseconds).toBe(1000);
  expect((await roundTrip([path], port, systemClock, 5_000))?.milliseconds).toBeGreaterThan(100);
});

test("an answer that came before the question, another text, silence and a closed port are none", async () => {
  const early = await serve((socket) => socket.end("pong\n"));
  const other = await serve((socket) => socket.write("something else\n"));
  const silent = await serve(() => {});
  const closed = await serve(() => {});
  await open.pop()?.close();
  expect(await roundTrip([path], other, systemClock, 2_000)).toBe(null);
  expect(await roundTrip([path], silent, systemClock, 100)).toBe(null);
  expect(await roundTrip([path], closed, systemClock, 2_000)).toBe(null);
  expect(await roundTrip([], early, systemClock, 2_000)).toBe(null);
});
