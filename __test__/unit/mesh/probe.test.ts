import { connect, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import type { IpAddress } from "../../../src/core/types.ts";
import { probe, probePaths } from "../../../src/mesh/probe.ts";
import { ProbeListener } from "../../../src/mesh/probeListener.ts";
import { LOCAL, open, serve } from "./localServers.ts";

async function listen(options: { readLimitMs?: number } = {}): Promise<number> {
  const listener = new ProbeListener({ clock: systemClock, addresses: [LOCAL], port: 0, ...options });
  open.push(listener);
  await listener.open();
  return listener.ports()[0] ?? 0;
}

/** Sends texts, and resolves to all that came back when the other side closes or `untilBytes` have come. */
function talk(
  port: number,
  texts: readonly string[],
  untilBytes = Number.POSITIVE_INFINITY,
): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, LOCAL, () => {
      for (const text of texts) socket.write(text);
    });
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      answer += chunk;
      if (answer.length >= untilBytes) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}

describe("ProbeListener", () => {
  test("answers ping with pong, as often as asked, however the lines are cut", async () => {
    const port = await listen();
    expect(await talk(port, ["ping\n"], 5)).toBe("pong\n");
    expect(await talk(port, ["pi", "ng\nping\r\npi", "ng\n"], 15)).toBe("pong\npong\npong\n");
  });

  test("ignores other lines", async () => {
    const port = await listen();
    expect(await talk(port, ["hello\n\nPING\nping\n"], 5)).toBe("pong\n");
  });

  test("closes on a long line, with or without its end", async () => {
    const port = await listen();
    expect(await talk(port, ["x".repeat(100)])).toBe("");
    expect(await talk(port, [`${"x".repeat(100)}\n`])).toBe("");
  });

  test("closes when no line comes in time; lines prolong it", async () => {
    const port = await listen({ readLimitMs: 150 });
    const startMs = performance.now();
    expect(await talk(port, [])).toBe("");
    expect(await talk(port, ["pin"])).toBe("");
    expect(performance.now() - startMs).toBeGreaterThan(250);
  });

  test("close ends the connections too", async () => {
    const listener = new ProbeListener({ clock: systemClock, addresses: [LOCAL], port: 0 });
    await listener.open();
    const talked = talk(listener.ports()[0] ?? 0, ["ping\n"]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await listener.close();
    expect(await talked).toBe("pong\n");
  });

  test("an address that cannot be bound is named, and nothing stays open", async () => {
    const port = await listen();
    const second = new ProbeListener({
      clock: systemClock,
      addresses: ["127.0.0.2" as IpAddress, LOCAL],
      port,
    });
    await expect(second.open()).rejects.toMatchObject({
      code: "ERR_SYSTEM",
      message: expect.stringContaining(`probe listener on 127.0.0.1 port ${port}`),
    });
    expect(second.ports()).toEqual([]);
  });
});

describe("probe", () => {
  const paths = [{ from: LOCAL, to: LOCAL }];

  test("gives the time to the answer", async () => {
    const ms = await probe(paths, await listen(), systemClock);
    expect(ms).toBeGreaterThan(0);
    expect(ms).toBeLessThan(600);
  });

  test("one path that answers is enough", async () => {
    const port = await listen();
    const dead = { from: LOCAL, to: "127.0.0.9" as IpAddress };
    expect(await probe([dead, ...paths], port, systemClock)).not.toBeNull();
  });

  test("null when nobody listens, at once", async () => {
    const port = await serve(() => {});
    await open.pop()?.close();
    const startMs = performance.now();
    expect(await probe(paths, port, systemClock)).toBeNull();
    expect(performance.now() - startMs).toBeLessThan(500);
  });

  test.each([
    ["silence", () => {}],
    ["another protocol", (socket: Socket) => socket.write("HTTP/1.1 200 OK\r\n")],
    ["a closed connection", (socket: Socket) => socket.destroy()],
    ["half an answer", (socket: Socket) => socket.write("pon")],
  ])("null on %s", async (_, onConnection) => {
    expect(await probe(paths, await serve(onConnection), systemClock, 100)).toBeNull();
  });

  test("null without a path", async () => {
    expect(await probe([], 1, systemClock)).toBeNull();
  });
});

test("probePaths pairs addresses of one family", () => {
  const [a4, a6, b4, b6] = ["10.0.0.1", "fd00::1", "10.0.0.2", "fd00::2"] as IpAddress[] as [
    IpAddress,
    IpAddress,
    IpAddress,
    IpAddress,
  ];
  expect(probePaths({ meshIp: a4, meshIpv6: a6 }, { meshIp: b4, meshIpv6: b6 })).toEqual([
    { from: a4, to: b4 },
    { from: a6, to: b6 },
  ]);
  expect(probePaths({ meshIp: a4, meshIpv6: null }, { meshIp: null, meshIpv6: b6 })).toEqual([]);
});
