import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { RawClient, startServer, vectorView } from "./fixtures.ts";

interface RpcVector {
  readonly what: string;
  readonly request_line?: string;
  readonly request_length?: number;
  readonly response_line?: string;
  readonly response_error_code?: number;
  readonly response_id?: null;
}

const file = new URL("../../vectors/vectors.json", import.meta.url);
const vectors = (JSON.parse(readFileSync(file, "utf8")) as { rpc: RpcVector[] }).rpc;
const answered = vectors.filter(({ request_line }) => request_line !== undefined);

/** The members the Go peer knows, in the order we send them; ours must come after them. */
function goPart(ours: unknown, go: unknown): unknown {
  if (Array.isArray(go) && Array.isArray(ours)) return ours.map((item, index) => goPart(item, go[index]));
  if (typeof go !== "object" || go === null || typeof ours !== "object" || ours === null) return ours;
  const names = Object.keys(ours).slice(0, Object.keys(go).length);
  return Object.fromEntries(
    names.map((name) => [
      name,
      goPart((ours as Record<string, unknown>)[name], (go as Record<string, unknown>)[name]),
    ]),
  );
}

async function ask(requestLine: string, ready: boolean): Promise<string> {
  const { socketPath } = await startServer(vectorView(ready ? {} : { status: () => null }));
  const client = new RawClient(socketPath);
  client.send(`${requestLine}\n`);
  const [answer] = await client.answers(1);
  return answer ?? "";
}

describe("the Go peer's vectors", () => {
  test("are all here", () => {
    expect(answered).toHaveLength(vectors.length - 1);
    expect(answered.length).toBeGreaterThan(15);
  });

  test.each(answered.map((vector) => [vector.what, vector] as const))("%s", async (what, vector) => {
    const answer = await ask(vector.request_line ?? "", !what.includes("before the node is ready"));
    const ours = JSON.parse(answer) as { id: unknown; error?: { code: number; message: string } };
    if (vector.response_line === undefined) {
      expect(ours).toMatchObject({ id: vector.response_id, error: { code: vector.response_error_code } });
      return;
    }
    // Text, not values: the order of the members is part of the format.
    const go: unknown = JSON.parse(vector.response_line);
    expect(JSON.stringify(goPart(ours, go))).toBe(vector.response_line);
  });

  test("a line of 64 KiB ends the connection without an answer", async () => {
    const { socketPath } = await startServer(vectorView());
    const client = new RawClient(socketPath);
    client.send(`${" ".repeat(65_536)}\n`);
    await client.ended;
    expect(client.lines).toEqual([]);
  });

  test("a line of one byte less is answered", async () => {
    const request = '{"jsonrpc":"2.0","method":"daemon.ping","id":1}';
    const answer = await ask(request.padEnd(65_535, " "), true);
    expect(JSON.parse(answer)).toMatchObject({ result: { pong: true } });
  });
});

describe("our members", () => {
  test("daemon.status", async () => {
    const answer = await ask('{"jsonrpc":"2.0","method":"daemon.status","id":1}', true);
    expect(JSON.parse(answer)).toEqual({
      jsonrpc: "2.0",
      result: {
        mesh_ip: "10.1.1.9",
        pubkey: "trGqaVpmEY0wqYS6NJVo4MiUMoNOIjMHMDYIUOBQ8uM=",
        uptime: 90_000_000_000,
        interface: "wg0",
        version: "dev",
        state: "running",
        pid: 4711,
        interface_index: 7,
        backend: "embedded",
        mesh_ipv6: "fd00::9",
        hostname: "node",
        listen_port: 51820,
        endpoint: "0.0.0.0:51820",
        nat_type: "unknown",
        network_id: "00112233445566778899aabbccddeeff00112233",
        advertised_networks: ["192.168.9.0/24"],
        peers: { total: 3, active: 2, connected: 1 },
        memory_bytes: 50_000_000,
        open_files: 21,
        last_reconcile: { at: "2026-01-01T00:00:00Z", duration_ms: 1.5, changes: 2, error: null },
        failing: [{ object: "route 10.0.0.0/8", reason: "EEXIST", since: "2026-01-01T00:00:00Z" }],
        layers: [{ name: "lan", state: "running", detail: "1 link", last_error: null }],
        counters: { "received.sealed": 3 },
        tasks: [
          { name: "lan", policy: "restart", state: "running", restarts: 0, last_error: null, since_ms: 12 },
        ],
        warnings: [],
        mtu: 1420,
        health: { healthy: 1, suspect: 1, reconnecting: 0, evicted: 0, cooling: 0 },
        exit_node: {
          wanted: "gateway",
          state: "waiting",
          pubkey: null,
          reason: "is not known now",
          only: true,
        },
        clients: { count: 2, connected: 1 },
        limits: { peers: 1000, memory_bytes: 268_435_456 },
      },
      id: 1,
    });
  });

  test("peers.get", async () => {
    const key = "42bZrfQyvO3RRyhGMazdDhDijZ1O4Luu/1r354JJAiw=";
    const answer = await ask(
      `{"jsonrpc":"2.0","method":"peers.get","params":{"pubkey":"${key}"},"id":1}`,
      true,
    );
    expect(JSON.parse(answer)).toMatchObject({
      result: {
        latency_ms: 12,
        state: "connected",
        mesh_ipv6: "fd00::1",
        last_handshake: "2026-01-01T00:00:05Z",
        rx_bytes: 1024,
        tx_bytes: 2048,
        introducer: false,
        nat_type: "",
        proven: false,
        path: "direct",
        relay: null,
        path_reason: null,
        health: "healthy",
      },
    });
  });

  test("peers.get knows inactive peers, and a key in any spelling", async () => {
    const alias = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=";
    const answer = await ask(
      `{"jsonrpc":"2.0","method":"peers.get","params":{"pubkey":"${alias}"},"id":1}`,
      true,
    );
    expect(JSON.parse(answer)).toMatchObject({
      result: { pubkey: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", last_handshake: null },
    });
  });

  const answerOf = async (method: string, params: object): Promise<unknown> =>
    JSON.parse(await ask(JSON.stringify({ jsonrpc: "2.0", method, params, id: 1 }), true));

  test("config.get", async () => {
    expect(await answerOf("config.get", {})).toMatchObject({
      result: {
        file: "/etc/wgmesh/wg0.toml",
        kept_file: "/var/lib/wgmesh/wg0.settings.toml",
        settings: [
          {
            ...{ key: "mtu", table: "interface", value: 1400, origin: "file" },
            ...{ from: "/etc/wgmesh/wg0.toml:4", change: "restart", next: 1380 },
          },
        ],
      },
    });
  });

  test("config.set and config.unset", async () => {
    expect(await answerOf("config.set", { settings: { mtu: 1380 }, keep: true })).toMatchObject({
      result: { changed: ["log-level=debug"], restart: ["mtu"], warnings: [] },
    });
    expect(await answerOf("config.unset", { keys: ["mtu"] })).toMatchObject({
      result: { changed: [], restart: [], warnings: ["nothing was kept"] },
    });
  });

  test.each([
    ["config.set", {}],
    ["config.set", { settings: ["mtu"] }],
    ["config.set", { settings: {}, keep: "yes" }],
    ["config.unset", {}],
    ["config.unset", { keys: "mtu" }],
    ["config.unset", { keys: [1] }],
  ])("%s with params %j is refused", async (method, params) => {
    expect(await answerOf(method, params)).toMatchObject({ error: { code: -32602 } });
  });
});
