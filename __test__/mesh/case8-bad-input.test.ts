import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { MeshNode } from "./harness/node.ts";
import { useLab } from "./harness/useLab.ts";

/** Exit codes as `--help` documents them. */
const exit = { usage: 2, secret: 3, state: 4, alreadyRunning: 5, permission: 7, system: 8 } as const;

/** Files below a folder with mode and content. The lock file is made to be locked and stays; it says nothing. */
function snapshot(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".lock"))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map(
      (file) =>
        `${file} ${statSync(file).mode} ${createHash("sha256").update(readFileSync(file)).digest("hex")}`,
    )
    .sort();
}

describe("bad input ends wgmeshd with a clear message and changes nothing", () => {
  const lab = useLab();
  let count = 0;
  const newNode = (secretFile: string | null = lab.secretFile): MeshNode =>
    lab.addNode(`bad${count++}`, { secretFile });

  /** Everything a failed start might have changed. */
  async function world(node: MeshNode): Promise<unknown> {
    const links = await node.exec(["ip", "-oneline", "address"]);
    const routes = await node.exec(["ip", "-oneline", "route", "show", "table", "all"]);
    // The link-local address of eth0 comes by itself, at its own time.
    const settled = (text: string): string[] =>
      text.split("\n").filter((line) => !/fe80::|ff00::/.test(line));
    return {
      files: snapshot(node.host.folder),
      links: settled(links.stdout),
      routes: settled(routes.stdout),
    };
  }

  async function expectRefusal(
    node: MeshNode,
    refusal: { code: number; message: RegExp },
    attempt: {
      flags?: readonly string[];
      env?: Readonly<Record<string, string>>;
      wrap?: readonly string[];
    } = {},
  ): Promise<void> {
    const before = await world(node);
    const command = [...(attempt.wrap ?? []), ...node.daemonCommand(...(attempt.flags ?? []))];
    const outcome = await node.exec(command, { limitMs: 30_000, ...(attempt.env && { env: attempt.env }) });
    expect(outcome.stdout + outcome.stderr).toMatch(refusal.message);
    expect(outcome.code).toBe(refusal.code);
    // Nobody should have to read a stack trace.
    expect(outcome.stdout + outcome.stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
    expect(await world(node)).toEqual(before);
  }

  test("no secret", () =>
    expectRefusal(newNode(null), { code: exit.secret, message: /secret[\s\S]*wgmesh init/ }));

  test.each([
    ["a short secret", "fifteen-bytes.."],
    ["a weak secret", "aaaaaaaaaaaaaaaaaaaaaaaa"],
    ["a URI without a secret", "wgmesh://v1/"],
    ["a URI with a short secret", "wgmesh://v1/short"],
  ])("%s", (_what, secret) =>
    expectRefusal(
      newNode(null),
      { code: exit.secret, message: /secret/i },
      { env: { WGMESH_SECRET: secret } },
    ),
  );

  test("a secret file that does not exist", () =>
    expectRefusal(newNode("/nonexistent/secret"), { code: exit.secret, message: /\/nonexistent\/secret/ }));

  test("a secret file that others can read", () => {
    const file = lab.newSecretFile("open");
    chmodSync(file, 0o644);
    return expectRefusal(newNode(file), { code: exit.secret, message: /open\.secret[\s\S]*chmod 600/ });
  });

  test.each([
    ["an interface name of 16 characters", ["--iface", "abcdefghijklmnop"], /abcdefghijklmnop/],
    ["an interface name with a slash", ["--iface", "a/b"], /a\/b/],
    ["an empty interface name", ["--iface", ""], /interface name ""/],
    ["port 0", ["--listen-port", "0"], /listen-port.*0/],
    ["port 70000", ["--listen-port", "70000"], /listen-port.*70000/],
    ["a port that is text", ["--listen-port", "http"], /listen-port.*http/],
    ["a route with prefix 33", ["--advertise-routes", "10.1.0.0/33"], /10\.1\.0\.0\/33/],
    ["a mesh subnet that is none", ["--mesh-subnet", "banana"], /banana/],
    ["a peer that is none", ["--peer", "host:99999"], /host:99999/],
    ["a flag that does not exist", ["--ifcae", "wg0"], /ifcae/],
    ["a flag whose feature is not built", ["--pprof"], /--pprof/],
    ["a backend that does not exist", ["--backend", "magic"], /magic/],
  ])("%s", (_what, flags, message) => expectRefusal(newNode(), { code: exit.usage, message }, { flags }));

  /** A node with a state file as a good run leaves it. */
  async function nodeWithState(): Promise<{ node: MeshNode; file: string }> {
    const node = newNode();
    await node.startAndWait();
    await node.stop();
    return { node, file: path.join(node.stateDir, "wg0.json") };
  }

  test.each([
    ["cut off", (text: string) => text.slice(0, text.length / 2)],
    ["empty", () => ""],
    [
      "with another node's public key",
      (text: string) => text.replace(/("wg_pubkey": ")./, "$1A").replace(/("wg_pubkey": ".)./, "$1B"),
    ],
    ["without a private key", (text: string) => text.replace("wg_private_key", "wg_private_kex")],
  ])("a state file %s", async (_what, damage) => {
    const { node, file } = await nodeWithState();
    writeFileSync(file, damage(readFileSync(file, "utf8")));
    await expectRefusal(node, { code: exit.state, message: /wg0\.json/ });
  });

  test("a state file that others can read", async () => {
    const { node, file } = await nodeWithState();
    chmodSync(file, 0o644);
    await expectRefusal(node, { code: exit.state, message: /wg0\.json[\s\S]*chmod 600/ });
  });

  test("a state file that cannot be read", async () => {
    const node = newNode();
    mkdirSync(path.join(node.stateDir, "wg0.json"), { recursive: true });
    await expectRefusal(node, { code: exit.state, message: /wg0\.json/ });
  });

  test("no CAP_NET_ADMIN", () =>
    expectRefusal(
      newNode(),
      { code: exit.permission, message: /CAP_NET_ADMIN/ },
      { wrap: ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"] },
    ));

  test("no /dev/net/tun", () =>
    expectRefusal(
      newNode(),
      { code: exit.system, message: /\/dev\/net\/tun/ },
      {
        flags: ["--backend", "embedded"],
        wrap: ["sh", "-c", 'mount -t tmpfs none /dev/net && exec "$0" "$@"'],
      },
    ));

  test("all ports from 51820 to 51919 in use", () => {
    const script = `
import os, socket, sys
held = []
for port in range(51820, 51920):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", port))
    s.set_inheritable(True)
    held.append(s)
os.execvp(sys.argv[1], sys.argv[1:])`;
    return expectRefusal(
      newNode(),
      { code: exit.system, message: /51820[\s\S]*51919|port/ },
      { wrap: ["/usr/bin/python3", "-c", script] },
    );
  });

  test("an interface of that name that is not WireGuard", async () => {
    const node = newNode();
    expect((await node.exec(["ip", "link", "add", "wg0", "type", "bridge"])).code).toBe(0);
    await expectRefusal(node, { code: exit.system, message: /wg0/ });
  });

  test("a second start", async () => {
    const node = newNode();
    const { pid } = await node.startAndWait();
    await expectRefusal(node, { code: exit.alreadyRunning, message: new RegExp(`\\b${pid}\\b`) });
    expect((await node.rpc<{ pid: number }>("daemon.status")).pid).toBe(pid);
  });

  test("a state folder that a node of another namespace uses", async () => {
    const first = newNode();
    await first.startAndWait();
    const second = newNode();
    const flags = ["--state-dir", first.stateDir];
    await expectRefusal(second, { code: exit.alreadyRunning, message: /state/ }, { flags });
  });

  test("a client call without a daemon", async () => {
    const node = newNode();
    const { code, stderr } = await node.client("status");
    expect(code).toBe(6);
    expect(stderr).toMatch(/wg0/);
  });
});
