import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { type MethodName, methods } from "../../src/rpc/methods/table.ts";
import { faultsOf } from "../unit/rpc/conforms.ts";
import { makeCertificate } from "../unit/support/certificate.ts";
import { run } from "./harness/exec.ts";
import { clientProgram, type MeshNode } from "./harness/node.ts";
import { formMesh, type Member } from "./harness/ping.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
const asker = lab.addHost("asker");
const file = (name: string): string => path.join(lab.folder, name);
const daemonFlags = [
  ...["--no-dht", "--no-stun", "--http-listen", "9586", "--rpc-listen", "0.0.0.0:7443"],
  ...["--rpc-cert", file("cert.pem"), "--rpc-key", file("cert.key"), "--rpc-tokens", file("tokens")],
];
const alice: MeshNode = lab.addNode("alice", { flags: daemonFlags });
const bob = lab.addNode("bob", { flags: ["--no-dht", "--no-stun"] });
let members: Member[];

/** `wgmesh` on a host without a daemon. */
const ask = (...args: string[]) =>
  run(["ip", "netns", "exec", asker.namespace, process.execPath, clientProgram, ...args]);
const server = (token: string): string[] => [
  ...[
    "--server",
    `${alice.host.address}:7443`,
    "--tls",
    "--ca-cert",
    file("cert.pem"),
    "--token-file",
    file(token),
  ],
];

async function addToken(name: string, role: string): Promise<void> {
  const { code, stdout } = await ask("token", "new", name, "--role", role, "--json");
  expect(code).toBe(0);
  const { token, line } = JSON.parse(stdout) as { token: string; line: string };
  writeFileSync(file(name), `${token}\n`, { mode: 0o600 });
  writeFileSync(file("tokens"), `${line}\n`, { mode: 0o600, flag: "a" });
}

beforeAll(async () => {
  makeCertificate(lab.folder, "cert", alice.host.address);
  await addToken("ann", "admin");
  await addToken("eve", "readonly");
  members = await formMesh([alice, bob]);
});

test("every answer of a real daemon is as the schema says", async () => {
  const pubkey = members[1]?.status.pubkey ?? "";
  const looking = (Object.entries(methods) as [MethodName, { role: string; follows?: true }][]).filter(
    ([name, { role, follows }]) => role === "readonly" && follows !== true && name !== "net.check",
  );
  expect(looking.length).toBeGreaterThan(8);
  for (const [name] of looking) {
    const answer = await alice.rpc<unknown>(name, { pubkey }).catch((error: unknown) => String(error));
    expect(faultsOf(name, answer)).toEqual([]);
  }
});

test("wgmesh asks a daemon of another machine, over TLS, by token", async () => {
  const { code, stdout } = await ask("status", "--json", ...server("eve"));
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ pubkey: members[0]?.status.pubkey, state: "running" });
  const refused = await ask("reload", ...server("eve"));
  expect(refused).toMatchObject({ code: 7, stderr: expect.stringContaining("role admin") });
  expect((await ask("reload", ...server("ann"))).code).toBe(0);
});

test("without TLS, or with a wrong token, nothing is asked", async () => {
  const plain = await ask("status", "--server", `${alice.host.address}:7443`, "--token-file", file("eve"));
  expect(plain).toMatchObject({ code: 2, stderr: expect.stringContaining("needs --tls") });
  writeFileSync(file("wrong"), "wgmesh_wrong\n", { mode: 0o600 });
  expect(await ask("status", ...server("wrong"))).toMatchObject({
    code: 7,
    stderr: expect.stringContaining("the token is not known"),
  });
});

test("a reload takes a token away, and its holder is refused from then on", async () => {
  const lines = readFileSync(file("tokens"), "utf8").split("\n");
  writeFileSync(file("tokens"), lines.filter((line) => !line.startsWith("eve")).join("\n"));
  const { code, stdout } = await alice.client("reload", "--json");
  expect(code).toBe(0);
  expect((JSON.parse(stdout) as { changed: string[] }).changed).toEqual(
    expect.arrayContaining(["rpc-tokens", "rpc-cert"]),
  );
  expect((await ask("status", ...server("eve"))).code).toBe(7);
  expect((await ask("peers", "count", ...server("ann"))).code).toBe(0);
});

test("dashboard and alerts name only metrics that the daemon has", async () => {
  const { stdout } = await alice.exec(["curl", "-sS", "http://127.0.0.1:9586/metrics"]);
  const has = new Set([...stdout.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name));
  expect(has.size).toBeGreaterThan(15);
  for (const name of ["alerts.yaml", "grafana-dashboard.json"]) {
    const text = readFileSync(path.join("packaging", name), "utf8");
    const named = [...text.matchAll(/\bwgmesh_[a-z_]+\b/g)].map(([metric]) => metric.replace(/_bucket$/, ""));
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((metric) => !has.has(metric))).toEqual([]);
  }
});
