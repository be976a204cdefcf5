/** `wgmesh client` against a server on a real socket, with a real state file; zbarimg reads the pictures. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { PrivateKey } from "@wgmesh/native";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ShownSetting } from "../../../src/config/shown.ts";
import { WgmeshError } from "../../../src/core/errors.ts";
import type { PublicKey } from "../../../src/core/types.ts";
import { loadNodeIdentity, saveNodeIdentity } from "../../../src/identity/nodeIdentity.ts";
import type { DaemonView } from "../../../src/rpc/daemonView.ts";
import type { ClientView, EndpointSource, GatewayView } from "../../../src/rpc/views/clients.ts";
import { startServer, vectorGateway, vectorView } from "../rpc/fixtures.ts";
import { decodedPicture } from "../support/qrPicture.ts";
import { type Ran, wgmesh } from "./run.ts";

const deviceKey = "42bZrfQyvO3RRyhGMazdDhDijZ1O4Luu/1r354JJAiw=";

let folder: string;
/** What the daemon has, and was asked. */
let clients: ClientView[];
let calls: string[];
let gateway: GatewayView;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-client-"));
  const identity = loadNodeIdentity(path.join(folder, "wg0.json"));
  saveNodeIdentity(identity, "10.1.1.9", null);
  clients = [];
  calls = [];
  gateway = { ...vectorGateway, publicKey: identity.publicKey as PublicKey };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A daemon that keeps its clients in memory. */
function daemon(change: Partial<DaemonView> = {}): DaemonView {
  const [template] = vectorView().clients();
  const others = vectorView().configuration();
  const stateDir: ShownSetting = {
    ...{ key: "state-dir", table: "files", value: folder, origin: "flag" },
    ...{ from: "--state-dir", change: "fixed" },
  };
  return vectorView({
    configuration: () => ({ ...others, settings: [stateDir] }),
    clients: () => clients,
    clientGateway: () => gateway,
    addClient: async (name, publicKey) => {
      calls.push(`add ${name}`);
      if (clients.some((known) => known.name === name))
        throw new WgmeshError("ERR_CLIENT", `there is a client ${name} already`);
      const added = { ...(template as ClientView), name, publicKey };
      clients.push(added);
      return added;
    },
    removeClient: async (name) => {
      calls.push(`remove ${name}`);
      const removed = clients.find((known) => known.name === name);
      if (removed === undefined) throw new WgmeshError("ERR_CLIENT", `there is no client ${name}`);
      clients = clients.filter((known) => known !== removed);
      return removed;
    },
    ...change,
  });
}

async function client(...words: string[]): Promise<Ran> {
  const { socketPath } = await startServer(daemon());
  return wgmesh(["client", ...words, "--socket-path", socketPath]);
}

const settingOf = (text: string, name: string): string | undefined =>
  new RegExp(`^${name} = (.*)$`, "m").exec(text)?.[1];

describe("add", () => {
  test("prints what wg-quick reads, with a key pair of its own, and says that it is kept nowhere", async () => {
    const { code, out, err } = await client("add", "phone");
    expect(code).toBe(0);
    const privateKey = settingOf(out, "PrivateKey") ?? "";
    expect(PrivateKey.fromText(privateKey).publicKey).toBe(clients[0]?.publicKey);
    const presharedKey = loadNodeIdentity(path.join(folder, "wg0.json")).exportClientPresharedKey(
      String(clients[0]?.publicKey),
    );
    expect(out.split("\n")).toEqual([
      "# wgmesh client phone",
      "[Interface]",
      `PrivateKey = ${privateKey}`,
      "Address = 10.200.7.2/32, fd77::2/128",
      "MTU = 1420",
      "",
      "[Peer]",
      `PublicKey = ${gateway.publicKey}`,
      `PresharedKey = ${presharedKey}`,
      "Endpoint = 203.0.113.9:51820",
      "AllowedIPs = 10.1.0.0/16, fd00::/64, 10.200.7.0/24, fd77::/64",
      "PersistentKeepalive = 25",
      "",
    ]);
    expect(err).toBe("wgmesh: the private key in it is kept nowhere else, and cannot be shown again\n");
  });

  test("takes the device's own key, an endpoint, networks and DNS servers", async () => {
    const { code, out, err } = await client(
      ...["add", "router", "--public-key", deviceKey, "--endpoint", "vpn.example.org:443"],
      ...["--allowed-ips", "10.1.2.3/16, 10.9.0.1", "--dns", "10.1.0.1,fd00::53"],
    );
    expect([code, err]).toEqual([0, ""]);
    expect(clients[0]?.publicKey).toBe(deviceKey);
    expect(out).toContain(`\n# PrivateKey = the one that belongs to ${deviceKey}\n`);
    expect(out).not.toMatch(/^PrivateKey/m);
    expect(settingOf(out, "Endpoint")).toBe("vpn.example.org:443");
    expect(settingOf(out, "AllowedIPs")).toBe("10.1.0.0/16, 10.9.0.1/32");
    expect(settingOf(out, "DNS")).toBe("10.1.0.1, fd00::53");
  });

  test("writes a file of mode 0600, never over another, and then adds nobody", async () => {
    const file = path.join(folder, "phone.conf");
    const { code, out } = await client("add", "phone", "--output", file);
    expect([code, out]).toEqual([0, `${file}: the configuration of phone\n`]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const text = readFileSync(file, "utf8");
    expect(text).toContain("[Interface]\nPrivateKey = ");
    const again = await client("add", "tablet", "-o", file);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining(`${file} exists already`)]);
    expect(readFileSync(file, "utf8")).toBe(text);
    expect(calls).toEqual(["add phone"]);
  });

  test("a file that cannot be written takes the client back", async () => {
    const file = path.join(folder, "nowhere/phone.conf");
    const { code, err } = await client("add", "phone", "--output", file);
    expect([code, err]).toEqual([2, expect.stringContaining(`cannot make ${file}`)]);
    expect(calls).toEqual(["add phone", "remove phone"]);
    expect(clients).toEqual([]);
  });

  test("a name that is taken is an error, and the client that has it stays", async () => {
    await client("add", "phone", "--public-key", deviceKey);
    const { code, err } = await client("add", "phone", "--public-key", deviceKey);
    expect([code, err]).toEqual([2, expect.stringContaining("there is a client phone already")]);
    expect(clients).toHaveLength(1);
  });

  test("--json has the client and its configuration, or the file", async () => {
    const printed = JSON.parse((await client("add", "phone", "--json")).out) as Record<string, unknown>;
    expect(printed).toMatchObject({
      client: { name: "phone", ip: "10.200.7.2" },
      endpoint: "203.0.113.9:51820",
      warnings: [],
      configuration: expect.stringContaining("[Peer]\n"),
    });
    const file = path.join(folder, "tablet.conf");
    const written = await client("add", "tablet", "--json", "--output", file);
    expect(JSON.parse(written.out)).toMatchObject({ file });
    expect(written.out).not.toContain("PrivateKey");
    expect(written.err).toBe("");
  });

  test.each([
    ["a name for a public key", ["--public-key", "phone"], "not a public key"],
    ["an endpoint without a port", ["--endpoint", "203.0.113.7"], "--endpoint"],
    ["no network", ["--allowed-ips", "10.0.0.0/8,all"], '"all" is not a network'],
    ["a name for a DNS server", ["--dns", "dns.example"], "no IP address"],
    ["everything, which is not offered", ["--allowed-ips", "0.0.0.0/0"], "does not forward to the Internet"],
    [
      "all traffic, which is not offered",
      ["--all-traffic"],
      "0.0.0.0/0 is everything, and this node does not",
    ],
    ["all traffic and a choice", ["--all-traffic", "--allowed-ips", "10.0.0.0/8"], "exclude each other"],
    ["a picture without --qr", ["--output", "phone.png"], "the name of a picture"],
    ["a picture as JSON", ["--qr", "--json"], "exclude each other"],
    ["a picture where no terminal is", ["--qr"], "standard output is no terminal"],
    ["a daemon elsewhere", ["--server", "192.0.2.1:7443", "--tls"], "--server"],
  ])("%s is a mistake, and adds nobody", async (_what, flags, said) => {
    const { code, err } = await client("add", "phone", ...flags);
    expect([code, err]).toEqual([2, expect.stringContaining(said)]);
    expect(calls).toEqual([]);
  });

  test("what is no public key is not repeated: it may be a private one", async () => {
    const { err } = await client("add", "phone", "--public-key", "c2VjcmV0");
    expect(err).not.toContain("c2VjcmV0");
  });

  test("everything goes through a node that offers it", async () => {
    gateway = { ...gateway, exitNode: true };
    for (const flags of [["--allowed-ips", "0.0.0.0/0,::/0"], ["--all-traffic"]]) {
      const { code, out, err } = await client("add", `phone${calls.length}`, ...flags);
      expect([code, settingOf(out, "AllowedIPs")]).toEqual([0, "0.0.0.0/0, ::/0"]);
      expect(err).toContain("may be out of reach then: name others with --dns\n");
    }
    const named = await client("show", "phone0", "--all-traffic", "--dns", "9.9.9.9");
    expect([named.code, settingOf(named.out, "DNS"), named.err]).toEqual([0, "9.9.9.9", ""]);
  });

  test.each([
    ["lan", "is reached from its own network only"],
    ["nat", "is the address of a NAT"],
  ] as [EndpointSource, string][])(
    "an endpoint of the kind %s comes with a warning",
    async (source, said) => {
      gateway = { ...gateway, reachedAt: { endpoint: { host: "192.168.1.5", port: 51820 }, source } };
      const { code, err } = await client("add", "phone", "--public-key", deviceKey);
      expect([code, err]).toEqual([0, expect.stringMatching(`wgmesh: warning: 192.168.1.5:51820 ${said}`)]);
      const named = await client("show", "phone", "--endpoint", "203.0.113.7:51820");
      expect(named.err).toBe("");
    },
  );

  test("without any address to be reached at it asks for one, and adds nobody", async () => {
    gateway = { ...gateway, reachedAt: null };
    const { code, err } = await client("add", "phone");
    expect([code, err]).toEqual([2, expect.stringContaining("--endpoint HOST:PORT")]);
    expect(calls).toEqual([]);
  });

  test("a state file of another node, or that cannot be read, is an error, and adds nobody", async () => {
    const stateFile = path.join(folder, "wg0.json");
    writeFileSync(stateFile, "{}", { mode: 0o600 });
    expect(await client("add", "phone")).toMatchObject({ code: 4 });
    rmSync(stateFile);
    saveNodeIdentity(loadNodeIdentity(stateFile), "10.1.1.8", null);
    const { code, err } = await client("add", "phone");
    expect([code, err]).toEqual([4, expect.stringContaining("is not the state file of the daemon")]);
    expect(calls).toEqual([]);
  });
});

test("a picture in a file is the very text", async () => {
  const [png, text] = [path.join(folder, "phone.png"), path.join(folder, "phone.conf")];
  await client("add", "phone", "--public-key", deviceKey);
  const { code, out } = await client("show", "phone", "--qr", "--output", png);
  expect([code, out]).toEqual([0, `${png}: the configuration of phone\n`]);
  expect(statSync(png).mode & 0o777).toBe(0o600);
  await client("show", "phone", "--output", text);
  expect(decodedPicture(png)).toBe(readFileSync(text, "utf8"));
});

test("a configuration that is too long for a picture is an error, and no file and no client stay", async () => {
  const networks = Array.from({ length: 240 }, (_, index) => `10.1.${index}.0/24`).join();
  const png = path.join(folder, "phone.png");
  const { code, err } = await client("add", "phone", "--qr", "-o", png, "--allowed-ips", networks);
  expect([code, err]).toEqual([2, expect.stringContaining("too long for a QR code")]);
  expect([existsSync(png), clients]).toEqual([false, []]);
});

describe("list, show and remove", () => {
  test("list is a table, and says so when there is nobody", async () => {
    expect((await client("list")).out).toBe("no clients\n");
    await client("add", "phone", "--public-key", deviceKey);
    const { code, out } = await client();
    expect(code).toBe(0);
    expect(out).toMatch(/^NAME +ADDRESSES +HANDSHAKE +RECEIVED +SENT +ENDPOINT +PUBLIC KEY\n/);
    expect(out).toMatch(/\nphone +10\.200\.7\.2, fd77::2 .* 198\.51\.100\.7:40000 +42bZ/);
    expect(JSON.parse((await client("list", "--json")).out)).toMatchObject({
      clients: [{ name: "phone", public_key: deviceKey, endpoint: "198.51.100.7:40000" }],
      networks: { ipv4: "10.200.7.0/24", ipv6: "fd77::/64" },
    });
  });

  test("a word that is no command is called that", async () => {
    const { code, err } = await client("ad", "phone");
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/unknown command 'ad'.*\nhint: .*add, list, show, remove/),
    ]);
  });

  test("show has no private key", async () => {
    await client("add", "phone");
    const { code, out, err } = await client("show", "phone");
    expect([code, err]).toEqual([0, ""]);
    expect(out).not.toMatch(/^PrivateKey/m);
    expect(out).toMatch(/^PresharedKey = \S{44}$/m);
  });

  test("remove removes; an unknown one ends with 10, as does show", async () => {
    await client("add", "phone");
    expect(await client("remove", "phone")).toEqual({ code: 0, out: "phone is removed\n", err: "" });
    expect(clients).toEqual([]);
    for (const verb of ["show", "remove"]) {
      const { code, err } = await client(verb, "phone");
      expect([verb, code, err]).toEqual([verb, 10, expect.stringContaining("there is no client")]);
    }
  });

  test("without a daemon each ends with 6", async () => {
    const socket = path.join(folder, "none.sock");
    for (const words of [["add", "phone"], ["list"], ["show", "phone"], ["remove", "phone"]]) {
      const { code, err } = await wgmesh(["client", ...words, "--socket-path", socket]);
      expect([words, code, err]).toEqual([words, 6, expect.stringContaining("wgmesh up")]);
    }
  });
});
