import { writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemRandom } from "../../../src/core/random.ts";
import type { DaemonView } from "../../../src/rpc/daemonView.ts";
import { newToken } from "../../../src/rpc/tokens.ts";
import { startServer, temporaryFolder, vectorView } from "./fixtures.ts";

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

function get(port: number, target: string, options: http.RequestOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port, path: target, ...options }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        body += text;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, type: response.headers["content-type"] ?? "", body }),
      );
    });
    request.on("error", reject);
    request.end();
  });
}

async function serve(change: Partial<DaemonView> = {}, host = "127.0.0.1", tokens: string | null = null) {
  const tokensPath = tokens === null ? null : path.join(temporaryFolder(), "tokens");
  if (tokensPath !== null) writeFileSync(tokensPath, tokens ?? "", { mode: 0o600 });
  const { server } = await startServer(vectorView(change), {
    httpListen: { host, port: 0 },
    credentials: { certificate: null, tokensPath },
  });
  return server.ports.http ?? 0;
}

describe("health and metrics over HTTP", () => {
  test.each(["/healthz", "/health", "/healthz?verbose"])("%s says how the node is", async (target) => {
    const { status, type, body } = await get(await serve(), target);
    expect({ status, type }).toEqual({ status: 200, type: "application/json" });
    expect(JSON.parse(body)).toMatchObject({ state: "ok", checks: [{ id: "interface", state: "ok" }] });
  });

  test.each([
    ["warn", 200],
    ["fail", 503],
    ["unknown", 200],
  ] as const)("a node whose state is %s answers %i", async (state, status) => {
    const port = await serve({ health: () => ({ state, checks: [] }) });
    expect(await get(port, "/healthz")).toMatchObject({ status, body: expect.stringContaining(state) });
  });

  test("/metrics has the metrics, and HEAD no body", async () => {
    const port = await serve();
    expect(await get(port, "/metrics")).toEqual({
      status: 200,
      type: "text/plain",
      body: "wgmesh_known_peers 3\n",
    });
    expect(await get(port, "/metrics", { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
  });

  test("other paths and methods are refused, and what fails says nothing of the inside", async () => {
    const port = await serve({
      metrics: () => {
        throw new Error("inner detail");
      },
    });
    expect((await get(port, "/")).status).toBe(404);
    expect((await get(port, "/healthz", { method: "POST" })).status).toBe(405);
    expect(await get(port, "/metrics")).toMatchObject({ status: 500, body: "internal error\n" });
  });

  test("a page that gives its own name our address reads nothing", async () => {
    const port = await serve();
    expect((await get(port, "/metrics", { headers: { host: "evil.example:9586" } })).status).toBe(421);
    expect((await get(port, "/metrics", { headers: { host: "localhost:9586" } })).status).toBe(200);
  });

  test("beyond loopback a token is asked for where there are any", async () => {
    const { token, line } = newToken("prometheus", "readonly", systemRandom);
    const port = await serve({}, "0.0.0.0", line);
    expect((await get(port, "/metrics")).status).toBe(401);
    const wrong = { headers: { authorization: "Bearer wrong" } };
    expect((await get(port, "/metrics", wrong)).status).toBe(401);
    const right = { headers: { authorization: `Bearer ${token}` } };
    expect((await get(port, "/metrics", right)).status).toBe(200);
  });
});

describe("a hostile HTTP client", () => {
  test.each([
    ["headers that are too long", `GET /healthz HTTP/1.1\r\nx: ${"y".repeat(100_000)}\r\n\r\n`],
    ["no HTTP", "\u0000\u0001\u0002\r\n\r\n"],
  ])("that sends %s is cut off; others are served", async (_what, text) => {
    const port = await serve();
    const socket = net.connect(port, "127.0.0.1").on("error", () => {});
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("data", () => {});
    socket.write(text);
    await closed;
    expect((await get(port, "/healthz")).status).toBe(200);
  });

  test("that opens many connections gets 64", async () => {
    const port = await serve();
    const sockets = Array.from({ length: 100 }, () => net.connect(port, "127.0.0.1").on("error", () => {}));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    await expect.poll(() => sockets.filter(({ closed }) => closed).length).toBeGreaterThanOrEqual(36);
    expect(sockets.filter(({ closed }) => !closed).length).toBeGreaterThan(0);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => get(port, "/healthz").catch(() => null)).toMatchObject({ status: 200 });
  });
});
