import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { BEAT_MS } from "../../../../src/core/beat.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { openEcho } from "../../../../src/daemon/os.ts";
import { EchoPort, type EchoSockets } from "../../../../src/mesh/health/echoPort.ts";
import { FakeClock } from "../../discovery/fakeClock.ts";

/** Loopback has many addresses; the port is the same on both sides. */
const [here, there] = ["127.0.0.2", "127.0.0.3"];
const path = { from: here, to: there } as never;

/** One that is free on all addresses of loopback, but for a race nobody loses in practice. */
async function freePort(): Promise<number> {
  const socket = createSocket("udp4").bind(0);
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}

function openPort(address: string, port: number): { port: EchoPort; asked: [string, number][] } {
  const asked: [string, number][] = [];
  const echo = new EchoPort({
    clock: systemClock,
    open: openEcho,
    asked: (from, atMs) => asked.push([from, atMs]),
  });
  onTestFinished(() => echo.close());
  echo.open([address], port);
  return { port: echo, asked };
}

describe("two ports over the addon", () => {
  test("ask each other: three datagrams, and each side knows what it has sent and when it was proved", async () => {
    const number = await freePort();
    const [one, other] = [openPort(here, number), openPort(there, number)];
    other.port.setEager(true);
    const startMs = systemClock.monotonicMs();
    const answer = one.port.ask(path, number, 5_000);
    await expect.poll(() => other.asked).toEqual([[here, expect.any(Number)]]);
    one.port.look();
    const answeredAtMs = (await answer) ?? 0;
    const endMs = systemClock.monotonicMs();
    // The ages were rounded on another clock.
    for (const atMs of [answeredAtMs, other.asked[0]?.[1] ?? 0]) {
      expect(atMs).toBeGreaterThan(startMs - 1);
      expect(atMs).toBeLessThanOrEqual(endMs);
    }
    expect(one.asked).toEqual([]);
    // IPv4 and UDP are 28 bytes; `ask` and `seen` go one way, `yes` with both nonces the other.
    expect([one.port.sentBytes, other.port.sentBytes]).toEqual([28 + 21 + 28 + 22, 28 + 38]);
    one.port.close();
    expect(one.port.sentBytes).toBe(28 + 21 + 28 + 22);
  });

  test("nobody there is no answer, told at once, and an end that closes waits no longer", async () => {
    const number = await freePort();
    const { port } = openPort(here, number);
    expect(await port.ask(path, number, 50)).toBeNull();
    const waiting = port.ask(path, number, 60_000);
    expect(port.ask(path, number, 50)).toBeNull();
    port.close();
    expect(await waiting).toBeNull();
    expect(port.ask(path, number, 50)).toBeNull();
  });

  test("an address that cannot be had is named", () => {
    expect(() => openPort("192.0.2.1", 40_000)).toThrow(/192\.0\.2\.1:40000/);
  });
});

describe("without being called", () => {
  /** Sockets that answer when the test says so. */
  class Scripted implements EchoSockets {
    answered: { address: string; ageMs: number }[] = [];
    asked: { address: string; ageMs: number }[] = [];
    eager: boolean[] = [];
    looks = 0;
    ask = () => true;
    takeNews() {
      this.looks += 1;
      const news = { answered: this.answered, unanswered: [], asked: this.asked };
      [this.answered, this.asked] = [[], []];
      return news;
    }
    setEager(eager: boolean) {
      this.eager.push(eager);
    }
    sentBytes = () => 0;
    close() {}
  }

  function scripted() {
    const sockets = new Scripted();
    const clock = new FakeClock();
    const asked: [string, number][] = [];
    const port = new EchoPort({ clock, open: () => sockets, asked: (...what) => asked.push(what) });
    port.open([here], 1);
    return { sockets, clock, asked, port };
  }

  test("it looks on the beats while an answer is waited for, and tells when it came", async () => {
    const { sockets, clock, port, asked } = scripted();
    const answer = port.ask(path, 1, 1_200);
    await clock.advance(BEAT_MS / 2);
    expect(sockets.looks).toBe(1);
    sockets.answered.push({ address: there, ageMs: 700 });
    sockets.asked.push({ address: "10.0.0.9", ageMs: 30 });
    await clock.advance(BEAT_MS / 2);
    expect(await answer).toBe(clock.monotonicMs() - 700);
    expect(asked).toEqual([["10.0.0.9", clock.monotonicMs() - 30]]);
    await clock.advance(4 * BEAT_MS);
    expect(sockets.looks).toBe(2);
  });

  test("it is eager as it was told, also of sockets that come later, and a call after the end is nothing", () => {
    const { sockets, port } = scripted();
    port.setEager(true);
    port.setEager(true);
    port.close();
    port.look();
    port.open([here], 1);
    expect(sockets.eager).toEqual([false, true, true]);
    expect(sockets.looks).toBe(0);
  });
});
