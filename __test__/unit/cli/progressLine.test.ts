import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { onTerminal } from "../support/onTerminal.ts";

let folder: string;
let server: net.Server;
let socketPath: string;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-slow-"));
  socketPath = path.join(folder, "wg0.sock");
  server = net.createServer((socket) => {
    socket.once("data", (line) => {
      const { id } = JSON.parse(line.toString("utf8")) as { id: number };
      setTimeout(
        () => socket.end(`${JSON.stringify({ jsonrpc: "2.0", result: { text: "all\n" }, id })}\n`),
        900,
      );
    });
  });
  server.listen(socketPath);
  await once(server, "listening");
});
afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const command = (): string[] => [
  ...[process.execPath, path.resolve("dist/wgmesh.js")],
  ...["metrics", "--socket-path", socketPath],
];

test("whatever waits for a slow daemon says so on a terminal, and leaves nothing of it", async () => {
  const { code, shown } = await onTerminal(command());
  expect(code).toBe(0);
  expect(shown.startsWith("\r\x1b[Kwaiting for the daemon … ")).toBe(true);
  expect(shown.endsWith("\r\x1b[Kall\n")).toBe(true);
});

test("a terminal of another encoding gets letters that it has", async () => {
  const { shown } = await onTerminal(command(), { env: { LC_ALL: "C" } });
  expect(shown.startsWith("\r\x1b[Kwaiting for the daemon ... ")).toBe(true);
  expect(shown).not.toMatch(/[^\p{ASCII}]/u);
});

test("a terminal on which no line can be taken back gets the answer alone", async () => {
  expect(await onTerminal(command(), { env: { TERM: "dumb" } })).toEqual({ code: 0, shown: "all\n" });
});

test("a console that has no size, such as a serial line, is shown whole lines", async () => {
  const help = [process.execPath, path.resolve("dist/wgmesh.js"), "config", "show"];
  const { shown } = await onTerminal(help, { columns: 0, rows: 0, env: { WGMESH_RUN_DIR: "/nowhere" } });
  expect(shown).toContain("interface ");
  expect(shown).not.toMatch(/^…$/m);
});
