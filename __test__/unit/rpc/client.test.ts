import { once } from "node:events";
import { chownSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { callOnce, RpcClient } from "../../../src/rpc/client.ts";
import { temporaryFolder } from "./fixtures.ts";

/** A daemon that answers as told. */
async function fakeDaemon(onLine: (line: string, socket: net.Socket) => void): Promise<string> {
  const socketPath = path.join(temporaryFolder(), "wg0.sock");
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      for (const line of chunk.toString().trimEnd().split("\n")) onLine(line, socket);
    });
  });
  server.listen(socketPath);
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return socketPath;
}

describe("the client", () => {
  test("counts ids from 2, as the Go client", async () => {
    const ids: unknown[] = [];
    const socketPath = await fakeDaemon((line, socket) => {
      const { id } = JSON.parse(line) as { id: number };
      ids.push(id);
      socket.write(`{"jsonrpc":"2.0","result":{},"id":${id}}\n`);
    });
    const client = await RpcClient.connect({ socketPath });
    onTestFinished(() => client.close());
    await client.call("daemon.ping");
    await client.call("daemon.ping");
    expect(ids).toEqual([2, 3]);
  });

  test("matches answers that come in another order, in pieces", async () => {
    const held: string[] = [];
    const socketPath = await fakeDaemon((line, socket) => {
      const { id, method } = JSON.parse(line) as { id: number; method: string };
      held.unshift(`{"jsonrpc":"2.0","result":{"version":"${method}"},"id":${id}}\n`);
      if (held.length === 2) for (const character of held.join("")) socket.write(character);
    });
    const client = await RpcClient.connect({ socketPath });
    onTestFinished(() => client.close());
    const answers = await Promise.all([client.call("daemon.ping"), client.call("daemon.status")]);
    expect(answers).toEqual([{ version: "daemon.ping" }, { version: "daemon.status" }]);
  });

  test("holds the daemon back while its notifications are not taken, and loses none", async () => {
    const count = 10_000;
    let sent = 0;
    const socketPath = await fakeDaemon((line, socket) => {
      const { id } = JSON.parse(line) as { id: number };
      socket.write(`{"jsonrpc":"2.0","result":{"events":[]},"id":${id}}\n`);
      const send = (): void => {
        while (sent < count) {
          sent += 1;
          const params = JSON.stringify({ number: sent, text: "x".repeat(1_000) });
          if (!socket.write(`{"jsonrpc":"2.0","method":"event","params":${params}}\n`)) return;
        }
      };
      socket.on("drain", send);
      send();
    });
    const client = await RpcClient.connect({ socketPath });
    onTestFinished(() => client.close());
    const { items } = await client.follow("events.follow");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(sent).toBeLessThan(3_000);
    let next = 1;
    for await (const item of items) {
      expect(item).toMatchObject({ number: next });
      next += 1;
      if (next > count) break;
    }
    expect(next).toBe(count + 1);
  });

  test("takes an answer of many megabytes without looking at any of it twice", async () => {
    const text = "x".repeat(24 * 1024 * 1024);
    const socketPath = await fakeDaemon((line, socket) => {
      const { id } = JSON.parse(line) as { id: number };
      socket.write(`{"jsonrpc":"2.0","result":{"version":"${text}"},"id":${id}}\n`);
    });
    const before = process.cpuUsage();
    const { version } = await callOnce({ socketPath, timeoutMs: 30_000 }, "daemon.ping");
    const { user, system } = process.cpuUsage(before);
    expect(version).toHaveLength(text.length);
    expect((user + system) / 1e6).toBeLessThan(2);
  });

  test("gives up after its time", async () => {
    const socketPath = await fakeDaemon(() => {});
    await expect(callOnce({ socketPath, timeoutMs: 50 }, "daemon.ping")).rejects.toMatchObject({
      code: "ERR_TIMEOUT",
    });
  });

  test("says when the daemon goes away", async () => {
    const socketPath = await fakeDaemon((_line, socket) => socket.destroy());
    await expect(callOnce({ socketPath }, "daemon.ping")).rejects.toMatchObject({ code: "ERR_NOT_RUNNING" });
  });

  test("does not take noise for an answer", async () => {
    const socketPath = await fakeDaemon((_line, socket) => socket.write("HTTP/1.1 400 Bad Request\n"));
    await expect(callOnce({ socketPath }, "daemon.ping")).rejects.toThrow(/does not speak JSON-RPC/);
  });

  test("understands the errors of a Go daemon", async () => {
    const socketPath = await fakeDaemon((_line, socket) =>
      socket.write('{"jsonrpc":"2.0","error":{"code":-32602,"message":"peer not found: x"},"id":2}\n'),
    );
    await expect(callOnce({ socketPath }, "peers.get", { pubkey: "x" })).rejects.toMatchObject({
      code: "ERR_PEER_UNKNOWN",
    });
  });

  test("names the path when there is no socket", async () => {
    const socketPath = path.join(temporaryFolder(), "none.sock");
    await expect(callOnce({ socketPath }, "daemon.ping")).rejects.toMatchObject({
      code: "ERR_NOT_RUNNING",
      message: expect.stringContaining(socketPath),
    });
  });

  test("does not connect to a file that is no socket", async () => {
    const socketPath = path.join(temporaryFolder(), "plain");
    writeFileSync(socketPath, "");
    await expect(callOnce({ socketPath }, "daemon.ping")).rejects.toThrow(/is not a socket/);
  });

  test("does not believe a socket of another user", async () => {
    const socketPath = await fakeDaemon((_line, socket) =>
      socket.write('{"jsonrpc":"2.0","result":{},"id":2}\n'),
    );
    // Needs root, as the other tests of this project do; the answer would be believed without the check.
    chownSync(socketPath, 65_534, 65_534);
    await expect(callOnce({ socketPath }, "daemon.ping")).rejects.toMatchObject({ code: "ERR_PERMISSION" });
  });

  test("believes the socket of a user that root has named", async () => {
    const socketPath = await fakeDaemon((_line, socket) =>
      socket.write('{"jsonrpc":"2.0","result":{"pong":true},"id":2}\n'),
    );
    chownSync(socketPath, 65_534, 65_534);
    expect(await callOnce({ socketPath, trustedUids: [65_534] }, "daemon.ping")).toEqual({ pong: true });
  });

  test("tries again while a daemon restarts, for as long as it is told", async () => {
    const socketPath = path.join(temporaryFolder(), "late.sock");
    const place = { socketPath, retryMs: 10_000 };
    const answer = callOnce(place, "daemon.ping");
    await new Promise((resolve) => setTimeout(resolve, 250));
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", () => socket.end('{"jsonrpc":"2.0","result":{"pong":true},"id":2}\n'));
    });
    server.listen(socketPath);
    onTestFinished(() => {
      server.close();
    });
    expect(await answer).toEqual({ pong: true });
    const nobody = path.join(temporaryFolder(), "none.sock");
    await expect(callOnce({ socketPath: nobody, retryMs: 200 }, "daemon.ping")).rejects.toMatchObject({
      code: "ERR_NOT_RUNNING",
    });
  });
});
