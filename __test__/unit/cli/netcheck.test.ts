import { expect, test } from "vitest";
import { WgmeshError } from "../../../src/core/errors.ts";
import { startServer, vectorNetReport, vectorView } from "../rpc/fixtures.ts";
import { wgmesh } from "./run.ts";

test("tells a person what the daemon found, within the terminal's width", async () => {
  const { socketPath } = await startServer(vectorView());
  for (const columns of [null, 60, 100]) {
    const { code, out, err } = await wgmesh(["netcheck", "--socket-path", socketPath], columns);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("NAT        cone");
    expect(out).toMatch(/control +IPv4 +203\.0\.113\.9:7 +the same to all +by address/);
    expect(out).toMatch(/stun\.example:3478 +198\.51\.100\.1:3478 +12\.5 ms/);
    for (const line of out.split("\n")) expect(line.length).toBeLessThanOrEqual(columns ?? 1_000);
  }
});

test("--json is the answer of the daemon", async () => {
  const { socketPath } = await startServer(vectorView());
  const { out } = await wgmesh(["netcheck", "--json", "--socket-path", socketPath]);
  expect(JSON.parse(out)).toEqual(vectorNetReport);
});

test("what servers and routers say cannot steer the terminal", async () => {
  const servers = [{ server: "stun.example:3478", address: null, after_ms: null, error: "\u001b[2Jgone" }];
  const view = vectorView({ netCheck: async () => ({ ...vectorNetReport, servers }) });
  const { socketPath } = await startServer(view);
  const { out } = await wgmesh(["netcheck", "--socket-path", socketPath]);
  expect(out).toContain("\\u001b[2Jgone");
  expect(out).not.toContain("\u001b");
});

test("an error of the daemon is no reason to check without it", async () => {
  const view = vectorView({ netCheck: () => Promise.reject(new WgmeshError("ERR_INTERNAL", "broken")) });
  const { socketPath } = await startServer(view);
  const { code, err } = await wgmesh(["netcheck", "--socket-path", socketPath]);
  expect([code, err]).toEqual([1, expect.stringContaining("broken")]);
});
