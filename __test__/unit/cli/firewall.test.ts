import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startServer, vectorView } from "../rpc/fixtures.ts";
import { wgmesh } from "./run.ts";

let folder = "";
let place: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-firewall-"));
  place = ["--run-dir", folder, "--state-dir", path.join(folder, "state")];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Printed {
  readonly source: string;
  readonly format: string;
  readonly input: readonly { readonly id: string; readonly port: number | null }[];
  readonly rules: string;
}

test("the ports are those of the daemon that runs", async () => {
  const { socketPath } = await startServer(vectorView());
  const { code, out } = await wgmesh([
    "firewall",
    "--json",
    "--format",
    "ufw",
    "--socket-path",
    socketPath,
    ...place,
  ]);
  expect(code).toBe(0);
  const { source, format, input, rules } = JSON.parse(out) as Printed;
  expect({ source, format }).toEqual({ source: "daemon", format: "ufw" });
  expect(input.map(({ id, port }) => [id, port])).toEqual([
    ["wireguard", 51_820],
    ["control", 52_011],
    ["multicast", 51_830],
    ["igmp", null],
    ["probe", 54_011],
    ["probe", 54_011],
  ]);
  expect(rules).toContain("to 239.192.7.9 port 51830");
});

test("without a daemon they follow from the secret and the configuration", async () => {
  const secret = path.join(folder, "secret");
  writeFileSync(secret, "wgmesh://v1/testsecret-0123456789-abcdefghij-klmnopq", { mode: 0o600 });
  const args = ["firewall", "--format", "nft", "--secret-file", secret, ...place];
  const told = await wgmesh(["status", "--json", "--secret-file", secret]);
  const { gossip_port: control, probe_port: probe } = JSON.parse(told.out);
  const { code, out } = await wgmesh(args, null, 1, { WGMESH_LISTEN_PORT: "40000" });
  expect(code).toBe(0);
  expect(out).toContain(`udp dport { 40000, ${control} } accept`);
  expect(out).toContain(`iifname "wg0" tcp dport ${probe} accept`);
});

test("with neither, it says what to do", async () => {
  expect(await wgmesh(["firewall", ...place])).toEqual({
    code: 3,
    out: "",
    err:
      "wgmesh: the control port follows from the secret: no daemon runs, and no secret was given\n" +
      "hint: start the node, run this as root, or give --secret-file FILE\n",
  });
});

test("another kind of firewall is a mistake, with the kinds there are", async () => {
  expect(await wgmesh(["firewall", "--format", "pf", ...place])).toMatchObject({
    code: 2,
    err: expect.stringMatching(/--format: .*pf.*\nhint: .*nft, iptables, firewalld.*ufw/),
  });
});
