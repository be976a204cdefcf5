import { once } from "node:events";
import net from "node:net";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLog } from "../../../src/core/log.ts";
import type { AuditRecord } from "../../../src/rpc/audit.ts";
import type { Caller } from "../../../src/rpc/caller.ts";
import { RpcClient } from "../../../src/rpc/client.ts";
import { Connection, defaultLimits } from "../../../src/rpc/connection.ts";
import type { MethodContext, MethodRows } from "../../../src/rpc/methods/method.ts";
import { RawClient, temporaryFolder, vectorView } from "./fixtures.ts";

const root: Caller = { kind: "socket", pid: 1, uid: 0, gid: 0, role: "admin" };
const guest: Caller = { kind: "token", name: "guest", role: "readonly" };

interface Served {
  readonly socketPath: string;
  readonly audited: AuditRecord[];
  readonly connections: { destroy(): void; readonly served: Promise<void> }[];
}

/** Connections with methods of the test's own. */
async function serve(methods: MethodRows, caller: Caller = root): Promise<Served> {
  const socketPath = path.join(temporaryFolder(), "wg0.sock");
  const audited: AuditRecord[] = [];
  const connections: Served["connections"] = [];
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    const connection = new Connection(socket, caller, {
      view: vectorView(),
      version: "dev",
      clock: systemClock,
      log: silentLog,
      limits: { ...defaultLimits, idleTimeMs: 100 },
      audit: (record) => audited.push(record),
      methods,
      authenticate: null,
    });
    onTestFinished(() => connection.destroy());
    connections.push({ destroy: () => connection.destroy(), served: connection.serve() });
  });
  server.listen(socketPath);
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
  });
  return { socketPath, audited, connections };
}

const line = (method: string, params: object = {}): string =>
  `${JSON.stringify({ jsonrpc: "2.0", method, params, id: 1 })}\n`;

const follow = (call: (context: MethodContext) => unknown): MethodRows => ({
  "x.follow": { role: "readonly", follows: true, call },
});

test("a readonly caller looks, and is refused what changes something", async () => {
  const methods: MethodRows = {
    "x.look": { role: "readonly", call: () => "seen" },
    "x.change": { role: "admin", changing: true, call: () => "changed" },
  };
  const { socketPath, audited } = await serve(methods, guest);
  const client = new RawClient(socketPath);
  client.send(line("x.look") + line("x.change", { to: 1 }));
  const [looked, changed] = (await client.answers(2)).map((text) => JSON.parse(text) as object);
  expect(looked).toMatchObject({ result: "seen" });
  expect(changed).toMatchObject({ error: { code: -32001, data: { code: "ERR_RPC_ROLE" } } });
  // Without params: they would fill the audit with what a guest likes.
  expect(audited).toEqual([{ caller: guest, method: "x.change", params: {}, outcome: "ERR_RPC_ROLE" }]);
});

test("the audit learns of changes what became of them", async () => {
  const methods: MethodRows = {
    "x.set": { role: "admin", changing: true, call: () => true },
    "x.fail": {
      role: "admin",
      changing: true,
      call: () => Promise.reject(new Error("nobody foresaw")),
    },
  };
  const { socketPath, audited } = await serve(methods);
  const client = new RawClient(socketPath);
  client.send(line("x.set", { name: "a" }) + line("x.fail"));
  await client.answers(2);
  expect(audited).toEqual([
    { caller: root, method: "x.set", params: { name: "a" }, outcome: "ok" },
    { caller: root, method: "x.fail", params: {}, outcome: "ERR_INTERNAL" },
  ]);
});

test("notifications follow an answer, in order, and the caller may be silent meanwhile", async () => {
  let context: MethodContext | null = null;
  const { socketPath } = await serve(
    follow((given) => {
      context = given;
      return {};
    }),
  );
  const client = await RpcClient.connect({ socketPath });
  onTestFinished(() => client.close());
  const { items: events } = await client.follow("x.follow" as "daemon.ping");
  // Longer than a silent connection may last.
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (let i = 0; i < 3; i += 1) (context as MethodContext | null)?.notify("event", { i });
  const seen: unknown[] = [];
  for await (const event of events) {
    seen.push(event);
    if (seen.length === 3) break;
  }
  expect(seen).toEqual([{ i: 0 }, { i: 1 }, { i: 2 }]);
});

test("what a method keeps running ends with its caller", async () => {
  let ended = false;
  const { socketPath } = await serve(
    follow(({ signal }) => {
      signal.addEventListener("abort", () => {
        ended = true;
      });
      return {};
    }),
  );
  const client = await RpcClient.connect({ socketPath });
  await client.follow("x.follow" as "daemon.ping");
  client.close();
  await expect.poll(() => ended).toBe(true);
});

test("a connection follows one thing, so that a caller cannot pile up listeners", async () => {
  let followed = 0;
  const { socketPath } = await serve(follow(() => ({ followed: ++followed })));
  const client = new RawClient(socketPath);
  client.send(line("x.follow") + line("x.follow"));
  const [, second] = (await client.answers(2)).map((text) => JSON.parse(text) as object);
  expect(second).toMatchObject({ error: { code: -32600, message: "a connection follows one thing" } });
  expect(followed).toBe(1);
});

test("nothing follows for a caller that has left, whose further lines were here already", async () => {
  let followed = 0;
  const { socketPath, connections } = await serve({
    "x.leave": { role: "readonly", call: () => connections[0]?.destroy() },
    ...follow(() => ({ followed: ++followed })),
  });
  new RawClient(socketPath).send(line("x.leave") + line("x.follow"));
  await expect.poll(() => connections.length).toBe(1);
  await connections[0]?.served;
  expect(followed).toBe(0);
});

test("a caller that does not read loses notifications, is told how many, and gets those after", async () => {
  let context: MethodContext | null = null;
  const { socketPath } = await serve(
    follow((given) => {
      context = given;
      return {};
    }),
  );
  const client = new RawClient(socketPath);
  client.send(line("x.follow"));
  await client.answers(1);
  client.socket.pause();
  const text = "x".repeat(1000);
  const sent = 20_000;
  for (let i = 0; i < sent; i += 1) (context as MethodContext | null)?.notify("event", { i, text });
  client.socket.resume();
  const params = (): { i?: number; lagged?: number }[] =>
    client.lines
      .slice(1)
      .map((each) => (JSON.parse(each) as { params: { i?: number; lagged?: number } }).params);
  await expect.poll(() => params().at(-1)?.lagged, { timeout: 5000 }).toBeGreaterThan(0);
  (context as MethodContext | null)?.notify("event", { i: sent });
  await expect.poll(() => params().at(-1)?.i).toBe(sent);
  const lost = params().reduce((sum, { lagged }) => sum + (lagged ?? 0), 0);
  expect(params().filter(({ i }) => i !== undefined)).toHaveLength(sent + 1 - lost);
});

test("the end of the daemon ends a follower with an error, after what came before", async () => {
  const { socketPath } = await serve(
    follow(({ notify, afterAnswer }) => {
      notify("event", { last: true });
      afterAnswer(() => {});
      return {};
    }),
  );
  const client = await RpcClient.connect({ socketPath });
  const { items: events } = await client.follow("x.follow" as "daemon.ping");
  const reader = events[Symbol.asyncIterator]();
  expect((await reader.next()).value).toEqual({ last: true });
  client.close();
  expect((await reader.next()).done).toBe(true);
});
