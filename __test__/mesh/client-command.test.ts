/**
 * `wgmesh client` from the command line to the ping: what it writes is put on a plain WireGuard, as wg-quick would, which reaches
 * the mesh by it.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { onTerminal } from "../unit/support/onTerminal.ts";
import { decodedPicture, drawnModules, writePicture } from "../unit/support/qrPicture.ts";
import { type Outcome, run } from "./harness/exec.ts";
import { clientProgram } from "./harness/node.ts";
import { formMesh, type Member } from "./harness/ping.ts";
import { connect, quick } from "./harness/plainClient.ts";
import { allowanceMs, isEmulated } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** Numbers that no user and no group of this machine needs to have. */
const USER = "61236";
const GROUP = "61237";

const lab = useLab();
const gateway = lab.addNode("gateway", { flags: ["--socket-group", GROUP, "--socket-group-admin"] });
const other = lab.addNode("other");
/** Runs no wgmesh. */
const phone = lab.addNode("phone");
const file = path.join(lab.folder, "phone.conf");
let members: Member[];
let configuration: string;

interface Clients {
  readonly clients: readonly {
    readonly name: string;
    readonly ip: string;
    readonly last_handshake: string | null;
  }[];
}

const clients = async (): Promise<Clients["clients"]> =>
  (await gateway.clientJson<Clients>("client", "list")).clients;

test("add draws a picture that is the file's very text", async () => {
  members = await formMesh([gateway, other]);
  const place = ["--iface", gateway.iface, "--run-dir", gateway.runDir];
  const add = [process.execPath, clientProgram, "client", "add", "phone", "--output", file, "--qr", ...place];
  const { code, shown } = await onTerminal(gateway.command(...add), {
    columns: 120,
    env: { ...process.env, NO_COLOR: "1" },
  });
  expect({ code, shown }).toMatchObject({ code: 0 });
  const lines = shown.split("\n");
  const picture = path.join(lab.folder, "picture.pgm");
  writePicture(
    picture,
    drawnModules(
      lines.filter((line) => /^[ █▀▄]+$/.test(line)),
      false,
    ),
  );
  configuration = readFileSync(file, "utf8");
  // zbarimg, with all that it loads, is not in the VM; what is drawn there is the same.
  if (!isEmulated) expect(decodedPicture(picture)).toBe(configuration);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(shown).toContain(`${file}: the configuration of phone\n`);
  expect(shown).toContain("cannot be shown again");
  expect(shown).not.toContain("warning");
});

test("a plain WireGuard with that file reaches the mesh, and is reached", async () => {
  await quick(phone, configuration);
  const [, there] = members as [Member, Member];
  const [known] = await clients();
  await phone.pingUntilAnswered(there.status.mesh_ip, allowanceMs(5_000));
  await phone.pingUntilAnswered(there.status.mesh_ipv6, allowanceMs(5_000));
  await other.pingUntilAnswered(known?.ip ?? "", allowanceMs(5_000));
  expect((await clients())[0]).toMatchObject({ name: "phone", last_handshake: expect.any(String) });
  const shown = await gateway.client("client", "show", "phone");
  const keyless = configuration.replace(/^PrivateKey = .*\n/m, "");
  expect(shown.stdout.replace(/^# PrivateKey .*\n/m, "")).toBe(keyless);
  const privateKey = /^PrivateKey = (.*)$/m.exec(configuration)?.[1] ?? "";
  expect(gateway.log.filter(({ text }) => text.includes(privateKey))).toEqual([]);
});

test("what cannot be is refused with what to do, and adds nobody", async () => {
  const [own, member] = members.map(({ status }) => status.pubkey) as [string, string];
  const [known] = (await gateway.clientJson<{ clients: { public_key: string }[] }>("client", "list")).clients;
  const cases: [words: string[], said: string][] = [
    [["a/b"], "is no name for a client"],
    [["phone"], "there is a client phone already"],
    [["tablet", "--public-key", known?.public_key ?? ""], "is that of the client phone"],
    [["tablet", "--public-key", own], "is that of this node"],
    [["tablet", "--public-key", member], "is that of the member"],
    [["tablet", "--public-key", "short"], "that is not a public key"],
    [["tablet", "--output", path.join(lab.folder, "none", "x.conf")], "cannot make"],
  ];
  for (const [words, said] of cases) {
    const { code, stdout, stderr } = await gateway.client("client", "add", ...words);
    expect({ words, code, stdout, stderr }).toEqual({
      ...{ words, code: 2, stdout: "" },
      stderr: expect.stringMatching(new RegExp(`${said}[\\s\\S]*\nhint: `)),
    });
  }
  expect((await clients()).map(({ name }) => name)).toEqual(["phone"]);
  const nobody = await phone.client("client", "add", "tablet");
  expect([nobody.code, nobody.stderr]).toEqual([6, expect.stringContaining("wgmesh up")]);
});

test("who may not read the node's key is told so, and adds nobody", async () => {
  // The lab's own folder is root's alone, and so may be the one of the sources.
  const folder = mkdtempSync(path.join(tmpdir(), "wgmesh-client-"));
  try {
    const dist = path.join(folder, "dist");
    cpSync(path.dirname(clientProgram), dist, { recursive: true });
    writeFileSync(path.join(folder, "package.json"), '{"type":"module"}');
    const addon = path.join(folder, "node_modules/@wgmesh/native");
    cpSync("native", addon, {
      recursive: true,
      filter: (source) => !/native\/(src|target|fuzz|examples|node_modules|wgmesh-test.*)$/.test(source),
    });
    await run(["chmod", "-R", "a+rX", folder]);
    // The folder of the socket is root's alone too.
    await run(["chmod", "a+x", lab.folder, gateway.host.folder, gateway.runDir, gateway.stateDir]);
    const asMember = (...words: string[]): Promise<Outcome> =>
      gateway.exec([
        ...["setpriv", "--reuid", USER, "--regid", USER, "--groups", GROUP, "--"],
        ...[process.execPath, path.join(dist, "wgmesh.js"), "client", ...words, "--run-dir", gateway.runDir],
      ]);
    expect(await asMember("list")).toMatchObject({ code: 0, stderr: "" });
    const { code, stderr } = await asMember("add", "tablet");
    expect([code, stderr]).toEqual([
      7,
      expect.stringMatching(/cannot read the node's key in [\s\S]*as root/),
    ]);
    expect(await clients()).toHaveLength(1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("remove ends it at once; a backup has it, and its configuration is as good as before", async () => {
  const [, there] = members as [Member, Member];
  const backup = path.join(lab.folder, "backup.json");
  const onFiles = (...words: string[]): Promise<Outcome> =>
    gateway.exec([process.execPath, clientProgram, ...words, "--state-dir", gateway.stateDir]);
  expect(await onFiles("backup", backup)).toMatchObject({ code: 0 });

  expect(await gateway.client("client", "remove", "phone")).toMatchObject({ stdout: "phone is removed\n" });
  expect(await gateway.wgPeers()).toHaveLength(1);
  expect((await phone.exec(["ping", "-n", "-c", "1", "-W", "1", there.status.mesh_ip])).code).toBe(1);
  expect(await gateway.client("client", "remove", "phone")).toMatchObject({ code: 10 });

  const dry = await onFiles("import", backup, "--dry-run", "--part", "clients");
  expect(dry.stdout).toMatch(/\n {2}\+ phone \S+ 10\.\d+\.\d+\.2 fd/);
  await gateway.stop();
  expect(await onFiles("import", backup, "--part", "clients")).toMatchObject({ code: 0 });
  await gateway.startAndWait();
  await connect(phone);
  await phone.pingUntilAnswered(there.status.mesh_ip, allowanceMs(10_000));
  const audit = await gateway.client("audit", "--json");
  expect(audit.stdout).toContain("clients.remove");
  expect((await clients()).map(({ name }) => name)).toEqual(["phone"]);
});
