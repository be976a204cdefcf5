import { once } from "node:events";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callOnce } from "../../../src/rpc/client.ts";
import { parseRequest } from "../../../src/rpc/protocol.ts";
import { RawClient, startServer, vectorView } from "./fixtures.ts";

const ping = '{"jsonrpc":"2.0","method":"daemon.ping","id":1}\n';

describe("a hostile client", () => {
  test("that sends garbage gets parse errors, and its next request is served", async () => {
    const { socketPath } = await startServer(vectorView());
    const client = new RawClient(socketPath);
    client.send(Buffer.from([0xff, 0x00, 0xfe, 0x0a, 0x7b, 0x0a]));
    client.send(`${"[".repeat(60_000)}\n`);
    client.send(`{"jsonrpc":"2.0","method":"__proto__","id":7}\n`);
    client.send(`{"jsonrpc":"2.0","method":"toString","id":8}\n`);
    client.send(ping);
    const codes = (await client.answers(6)).map(
      (line) => (JSON.parse(line) as { error?: { code: number } }).error?.code,
    );
    expect(codes).toEqual([-32700, -32700, -32700, -32601, -32601, undefined]);
  });

  test("that sends a line of 1 MB is cut off; others are served", async () => {
    const { socketPath } = await startServer(vectorView());
    const client = new RawClient(socketPath);
    client.send("x".repeat(1_000_000));
    await client.ended;
    expect(client.lines).toEqual([]);
    expect(await callOnce({ socketPath }, "daemon.ping")).toMatchObject({ pong: true });
  });

  test("that drips bytes is cut off when its line takes too long", async () => {
    const { socketPath } = await startServer(vectorView(), {
      limits: { lineTimeMs: 150, idleTimeMs: 60_000 },
    });
    const client = new RawClient(socketPath);
    const drip = setInterval(() => client.send(" "), 20);
    await client.ended.finally(() => clearInterval(drip));
    expect(client.lines).toEqual([]);
  });

  test("that does nothing is cut off", async () => {
    const { socketPath } = await startServer(vectorView(), { limits: { idleTimeMs: 50 } });
    const client = new RawClient(socketPath);
    await client.ended;
    expect(client.lines).toEqual([]);
  });

  test("that never reads its answers is cut off", async () => {
    const { socketPath } = await startServer(vectorView(), { limits: { callTimeMs: 200 } });
    const client = new RawClient(socketPath);
    await once(client.socket, "connect");
    client.socket.pause();
    const closed = new Promise((resolve) => client.socket.once("close", resolve));
    // More requests than the socket buffers hold: the client has writes waiting that fail when the server hangs up.
    for (let i = 0; i < 40; i += 1)
      client.send('{"jsonrpc":"2.0","method":"daemon.status","id":1}\n'.repeat(2000));
    await closed;
    expect(await callOnce({ socketPath }, "daemon.ping")).toMatchObject({ pong: true });
  });

  test("that opens many connections gets so many and no more", async () => {
    const { socketPath } = await startServer(vectorView(), { limits: { connections: 8 } });
    const clients = Array.from({ length: 40 }, () => new RawClient(socketPath));
    for (const client of clients) client.send(ping);
    const outcome = await Promise.all(
      clients.map((client) => Promise.race([client.answers(1).then(() => 1), client.ended.then(() => 0)])),
    );
    expect(outcome.reduce<number>((sum, served) => sum + served, 0)).toBe(8);
    for (const client of clients) client.socket.destroy();
    await expect
      .poll(() => callOnce({ socketPath }, "daemon.ping").catch(() => null))
      .toMatchObject({ pong: true });
  });

  test("that asks for a method that hangs gets an error in time", async () => {
    const { socketPath } = await startServer(vectorView({ reload: () => new Promise(() => {}) }), {
      limits: { callTimeMs: 50 },
    });
    await expect(callOnce({ socketPath }, "daemon.reload")).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
  });

  test("that leaves before its answer does no harm", async () => {
    const { socketPath } = await startServer(vectorView());
    for (let i = 0; i < 20; i += 1) {
      const client = new RawClient(socketPath);
      client.send(ping);
      client.socket.destroySoon();
    }
    expect(await callOnce({ socketPath }, "daemon.ping")).toMatchObject({ pong: true });
  });

  test("that closes its writing side still gets its answer, also to a line without LF", async () => {
    const { socketPath } = await startServer(vectorView());
    const client = new RawClient(socketPath);
    client.socket.end(ping + ping.trimEnd());
    expect(await client.answers(2)).toHaveLength(2);
    await client.ended;
  });
});

describe("parseRequest", () => {
  test("never throws, whatever the line", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
        const parsed = parseRequest(line);
        expect(parsed.ok || parsed.error.code.startsWith("ERR_RPC_")).toBe(true);
      }),
    );
  });

  test("brackets inside text do not count as depth", () => {
    const line = JSON.stringify({ jsonrpc: "2.0", method: "[".repeat(100), id: '"{{{{' });
    expect(parseRequest(line)).toMatchObject({ ok: true });
  });

  test.each([16, 17])("objects nested %i deep", (depth) => {
    const params = ['{"a":'.repeat(depth - 1), "1", "}".repeat(depth - 1)].join("");
    const line = `{"jsonrpc":"2.0","method":"daemon.ping","params":${params},"id":1}`;
    expect(parseRequest(line).ok).toBe(depth === 16);
  });
});
