import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { systemRandom } from "../../../../src/core/random.ts";
import { Echo, MAX_ECHO_BYTES } from "../../../../src/mesh/health/echo.ts";
import { EchoPort } from "../../../../src/mesh/health/echoPort.ts";

const [alice, bob] = ["10.0.0.1", "10.0.0.2"];

describe("a question by datagrams", () => {
  test("proves both directions to the asker, then to the one that was asked", () => {
    const [asker, asked] = [new Echo(systemRandom), new Echo(systemRandom)];
    const question = asker.ask(bob, 0) ?? "";
    const answer = asked.received(question, alice, 1);
    expect(answer).toMatchObject({ proof: null });
    expect(answer.reply?.length).toBe(MAX_ECHO_BYTES);
    const thanks = asker.received(answer.reply ?? "", bob, 2);
    expect(thanks.proof).toBe("answered");
    expect(asked.received(thanks.reply ?? "", alice, 3)).toEqual({ reply: null, proof: "asked" });
  });

  test("what was never asked, is repeated, or comes from another proves nothing", () => {
    const [asker, asked] = [new Echo(systemRandom), new Echo(systemRandom)];
    const nothing = { reply: null, proof: null };
    const answer = asked.received(asker.ask(bob, 0) ?? "", alice, 1).reply ?? "";
    expect(asker.received(answer, "10.0.0.3", 2)).toEqual(nothing);
    const thanks = asker.received(answer, bob, 2).reply ?? "";
    expect(asker.received(answer, bob, 3)).toEqual(nothing);
    expect(asked.received(thanks, "10.0.0.3", 4)).toEqual(nothing);
    asked.received(thanks, alice, 5);
    expect(asked.received(thanks, alice, 6)).toEqual(nothing);
    for (const text of ["", "ask\n", "ping\n", `ask ${"g".repeat(16)}\n`, `seen ${"0".repeat(16)}`]) {
      expect(asked.received(text, alice, 7)).toEqual(nothing);
    }
  });

  test("open ones are bounded, and forgotten in time", () => {
    const echo = new Echo(systemRandom);
    for (let i = 0; i < 1_024; i += 1) expect(echo.ask(`10.1.${i >> 8}.${i & 255}`, 0)).not.toBeNull();
    expect(echo.ask(bob, 1)).toBeNull();
    expect(echo.ask("10.1.0.0", 1)).not.toBeNull();
    expect(echo.ask(bob, 6_000)).not.toBeNull();
  });
});

describe("the port of such questions", () => {
  const [here, there] = ["127.0.0.1", "127.0.0.2"];

  async function openPort(address: string, port: number): Promise<{ port: EchoPort; asked: string[] }> {
    const asked: string[] = [];
    const echo = new EchoPort({
      clock: systemClock,
      random: systemRandom,
      asked: (from) => asked.push(from),
    });
    onTestFinished(() => echo.close());
    await echo.open([address], port);
    return { port: echo, asked };
  }

  /** One that is free on all addresses of loopback, but for a race nobody loses in practice. */
  async function freePort(): Promise<number> {
    const socket = createSocket("udp4").bind(0);
    await once(socket, "listening");
    const { port } = socket.address();
    socket.close();
    return port;
  }

  test("two of them ask each other", async () => {
    const number = await freePort();
    const [one, other] = [await openPort(here, number), await openPort(there, number)];
    expect(await one.port.ask({ from: here, to: there } as never, number, 2_000)).toBe(true);
    await expect.poll(() => other.asked).toEqual([here]);
    expect(one.asked).toEqual([]);
  });

  test("nobody there is no answer, and an end that closes waits no longer", async () => {
    const number = await freePort();
    const { port } = await openPort(here, number);
    expect(await port.ask({ from: here, to: there } as never, number, 50)).toBe(false);
    const waiting = port.ask({ from: here, to: there } as never, number, 60_000);
    expect(port.ask({ from: here, to: there } as never, number, 50)).toBeNull();
    port.close();
    expect(await waiting).toBe(false);
    expect(port.ask({ from: here, to: there } as never, number, 50)).toBeNull();
  });

  test("an address that cannot be had is named", async () => {
    await expect(openPort("192.0.2.1", 40_000)).rejects.toThrow(/192\.0\.2\.1 port 40000/);
  });
});
