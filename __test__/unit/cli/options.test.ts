import { describe, expect, test } from "vitest";
import { daemonOptions, notBuiltFlags, secretOptions } from "../../../src/config/options.ts";
import { ExitCode, exitCodeMeaning } from "../../../src/core/errors.ts";
import { wgmesh, wgmeshd } from "./run.ts";

async function options(...args: string[]) {
  const { request, err } = await wgmeshd(args);
  expect(err).toBe("");
  return request?.options;
}

describe("options of wgmeshd", () => {
  test("have these defaults", async () => {
    expect(await options()).toEqual({
      interfaceName: "wg0",
      backend: "auto",
      wireguardGo: null,
      mtu: null,
      listenPort: null,
      meshSubnet: null,
      ipv6: true,
      peers: [],
      lanDiscovery: true,
      registry: false,
      gossip: "calm",
      discoveryInterfaces: [],
      excludedInterfaces: [],
      dht: true,
      dhtBootstrap: [],
      dhtPort: 0,
      stun: true,
      stunServers: [],
      punching: true,
      introducer: false,
      ...{
        keepaliveSeconds: 25,
        reconcileSeconds: 5,
        advertiseEndpoint: null,
        fwmark: 0,
        listenAddresses: [],
      },
      privacy: false,
      relay: true,
      relayPort: null,
      relayLimit: 12_500_000,
      introducerKeys: [],
      forceRelay: false,
      allowPlaintextRelay: false,
      advertiseRoutes: [],
      clientNetwork: null,
      acceptRoutes: "all",
      exitNode: null,
      exitNodeOnly: false,
      advertiseExitNode: false,
      strictAddresses: false,
      socketGroup: null,
      socketGroupAdmin: false,
      rpcListen: null,
      rpcCert: null,
      rpcKey: null,
      rpcTokens: null,
      httpListen: null,
      stateDir: "/var/lib/wgmesh",
      runDir: "/run/wgmesh",
      socketPath: null,
      ...{ upHook: null, downHook: null, maxPeers: 1000, threads: null, memoryLimit: null },
      daemon: false,
      pidFile: null,
      logTarget: null,
      logFile: null,
      logMaxSize: 10_000_000,
      logKeep: 5,
      logLevel: "info",
      logFormat: "auto",
    });
  });

  test("are checked and frozen values", async () => {
    const all = await options(
      ...["--iface", "wg7", "--backend", "embedded", "--mtu", "1280", "--listen-port", "51999"],
      ...["--mesh-subnet", "192.168.100.7/24", "--no-ipv6", "--no-lan-discovery", "--no-dht", "--no-stun"],
      ...[
        "--no-punching",
        "--discovery-iface",
        "eth0, eth1.100",
        "--discovery-iface",
        "br-1a2b",
        "--exclude-iface",
      ],
      ...["docker0", "--advertise-routes", "10.1.2.3/8,fd00:0::1/64", "--accept-routes", "10.0.0.0/8"],
      ...["--strict-addresses", "--state-dir", "/s/../t", "--run-dir", "/r", "--socket-path", "/r/x.sock"],
      ...[
        "--daemon",
        "--pid-file",
        "/r/x.pid",
        "--log-file",
        "/r/x.log",
        "--log-max-size",
        "20000",
        "--log-keep",
        "0",
      ],
      ...["--log-level", "debug", "--log-format", "json", "--peer", "a.example", "--peer", "10.0.0.1:7"],
      ...["--no-relay", "--relay-port", "443", "--relay-limit", "1000000", "--force-relay"],
      ...[
        "--introducer",
        "--allow-plaintext-relay",
        "--introducer-key",
        "mBmUmAIK6hsLM1xuMQJlbjuYIDAQfxXpIW06wRf6M2k=",
      ],
      ...["--peer", "[fd00:0::1]", "--peer", "[fd00::2]:8", "--gossip", "--registry"],
      ...["--log-target", "file"],
      ...["--socket-group", "wheel", "--socket-group-admin", "--rpc-listen", "0.0.0.0:7000"],
      ...["--rpc-cert", "/c.pem", "--rpc-key", "/k.pem", "--rpc-tokens", "/tokens", "--metrics", ":9586"],
      ...["--stun-server", "stun.example, 203.0.113.1:7", "--stun-server", "[fd00::3]"],
      ...[
        "--privacy",
        "--fwmark",
        "0x2a",
        "--listen-address",
        "192.0.2.1",
        "--keepalive",
        "0",
        "--reconcile-interval",
        "60",
        "--advertise-endpoint",
        "203.0.113.9:443",
      ],
    );
    expect(all).toEqual({
      interfaceName: "wg7",
      backend: "embedded",
      wireguardGo: null,
      mtu: 1280,
      listenPort: 51999,
      meshSubnet: "192.168.100.0/24",
      ipv6: false,
      peers: [
        { host: "a.example", port: null },
        { host: "10.0.0.1", port: 7 },
        { host: "fd00::1", port: null },
        { host: "fd00::2", port: 8 },
      ],
      lanDiscovery: false,
      registry: true,
      gossip: "steady",
      discoveryInterfaces: ["eth0", "eth1.100", "br-1a2b"],
      excludedInterfaces: ["docker0"],
      dht: false,
      dhtBootstrap: [],
      dhtPort: 0,
      stun: false,
      stunServers: [
        { host: "stun.example", port: 3478 },
        { host: "203.0.113.1", port: 7 },
        { host: "fd00::3", port: 3478 },
      ],
      punching: false,
      introducer: true,
      ...{ keepaliveSeconds: 0, reconcileSeconds: 60 },
      advertiseEndpoint: { host: "203.0.113.9", port: 443 },
      fwmark: 0x2a,
      listenAddresses: ["192.0.2.1"],
      privacy: true,
      relay: false,
      relayPort: 443,
      relayLimit: 1_000_000,
      introducerKeys: ["mBmUmAIK6hsLM1xuMQJlbjuYIDAQfxXpIW06wRf6M2k="],
      forceRelay: true,
      allowPlaintextRelay: true,
      advertiseRoutes: ["10.0.0.0/8", "fd00::/64"],
      clientNetwork: null,
      acceptRoutes: ["10.0.0.0/8"],
      exitNode: null,
      exitNodeOnly: false,
      advertiseExitNode: false,
      strictAddresses: true,
      socketGroup: "wheel",
      socketGroupAdmin: true,
      rpcListen: { host: "0.0.0.0", port: 7000 },
      rpcCert: "/c.pem",
      rpcKey: "/k.pem",
      rpcTokens: "/tokens",
      httpListen: { host: "127.0.0.1", port: 9586 },
      stateDir: "/t",
      runDir: "/r",
      socketPath: "/r/x.sock",
      ...{ upHook: null, downHook: null, maxPeers: 1000, threads: null, memoryLimit: null },
      daemon: true,
      pidFile: "/r/x.pid",
      logTarget: "file",
      logFile: "/r/x.log",
      logMaxSize: 20_000,
      logKeep: 0,
      logLevel: "debug",
      logFormat: "json",
    });
    expect(Object.isFrozen(all)).toBe(true);
  });

  test("of --gossip and --no-gossip the last one counts", async () => {
    expect(await options("--no-gossip")).toMatchObject({ gossip: "off" });
    expect(await options("--no-gossip", "--gossip")).toMatchObject({ gossip: "steady" });
    expect(await options("--gossip", "--no-gossip")).toMatchObject({ gossip: "off" });
  });

  test("--interface is --iface", async () => {
    expect(await options("--interface", "wg3")).toMatchObject({ interfaceName: "wg3" });
  });

  test("STUN servers come from their variable too, eight at most, and each must be an address", async () => {
    const of = async (text: string) => (await wgmeshd([], { WGMESH_STUN_SERVERS: text })).request?.options;
    expect((await of("203.0.113.1,203.0.113.2:7"))?.stunServers).toEqual([
      { host: "203.0.113.1", port: 3478 },
      { host: "203.0.113.2", port: 7 },
    ]);
    const nine = Array.from({ length: 9 }, (_, index) => `203.0.113.${index}`).join(",");
    const refused = await wgmeshd(["--stun-server", nine], {});
    expect(refused.err).toContain("9 STUN servers are too many");
    expect((await wgmeshd(["--stun-server", "fd00::1"], {})).err).toContain(
      "put an IPv6 address in brackets",
    );
  });

  test("a firewall mark is a number of 32 bits, decimal or hexadecimal; off and 0 are none", async () => {
    for (const [text, mark] of [
      ["42", 42],
      ["0x2A", 42],
      ["0xffffffff", 0xffff_ffff],
      ["4294967295", 0xffff_ffff],
      ["0", 0],
      ["off", 0],
    ] as const) {
      expect(await options("--fwmark", text)).toMatchObject({ fwmark: mark });
    }
    for (const text of ["0x100000000", "4294967296", "-1", "1.5", "", "0x", "0b1", "2a", "on"]) {
      expect((await wgmeshd([`--fwmark=${text}`], {})).err, text).toContain("is not a firewall mark");
    }
  });

  test("of the addresses to listen on there is one of each family, which others can send to", async () => {
    const refused = async (...args: string[]) => (await wgmeshd(args, {})).err;
    const of = (text: string) => refused("--listen-address", text);
    expect(await options("--listen-address", "2001:db8::1")).toMatchObject({
      listenAddresses: ["2001:db8::1"],
    });
    expect(await options("--listen-address", "")).toMatchObject({ listenAddresses: [] });
    expect(await of("eth0")).toContain('"eth0" is not an IP address');
    expect(await of("192.0.2.1/24")).toContain("is not an IP address");
    for (const text of ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1"]) {
      expect(await of(text), text).toContain(`nothing can be reached from ${text}`);
    }
    expect(await of("192.0.2.1,192.0.2.2")).toContain("192.0.2.1 and 192.0.2.2 are both of IPv4");
    expect(await refused("--listen-address", "2001:db8::1", "--no-ipv6")).toContain("without IPv6");
  });

  test("an empty list of routes advertises none", async () => {
    expect(await options("--advertise-routes", "")).toMatchObject({ advertiseRoutes: [] });
  });

  test("a flag wins over a variable, a variable over the default; an empty variable is none", async () => {
    const level = async (args: string[], variable: string) =>
      (await wgmeshd(args, { WGMESH_LOG: variable })).request?.options.logLevel;
    expect(await level(["--log-level", "warn"], "debug")).toBe("warn");
    expect(await level([], "debug")).toBe("debug");
    expect(await level([], "")).toBe("info");
  });

  test("the secret travels apart", async () => {
    const { request } = await wgmeshd(["--secret-file", "-", "--allow-weak-secret"]);
    expect(request?.secret).toEqual({
      secret: null,
      secretFile: "-",
      configuredFile: null,
      allowWeakSecret: true,
    });
    expect(JSON.stringify(request?.options)).not.toContain("ecret");
  });
});

describe("--help", () => {
  test("of both binaries tells every exit code", async () => {
    for (const { code, out } of [await wgmeshd(["--help"]), await wgmesh(["--help"])]) {
      expect(code).toBe(0);
      for (const [name, number] of Object.entries(ExitCode)) {
        const meaning = exitCodeMeaning[name as keyof typeof ExitCode];
        expect(out).toMatch(new RegExp(`^ +${number}  ${meaning.replaceAll("/", "\\/")}$`, "m"));
      }
    }
  });

  test("of wgmeshd tells every flag and variable, and none that is refused", async () => {
    const { out } = await wgmeshd(["--help"]);
    for (const { flag, alias, env } of [...Object.values(daemonOptions), ...Object.values(secretOptions)]) {
      for (const word of [flag, alias, env]) if (word !== undefined) expect(out).toContain(word);
    }
    for (const { flag } of notBuiltFlags) expect(out).not.toMatch(new RegExp(`^ +${flag}(?![\\w-])`, "m"));
  });

  test.each([["init"], ["status"], ["peers"], ["reload"], ["down"], ["netcheck"]])(
    "wgmesh %s --help",
    async (verb) => {
      const { code, out } = await wgmesh([verb, "--help"]);
      expect([code, out]).toEqual([0, expect.stringContaining(`Usage: wgmesh ${verb}`)]);
    },
  );

  test("fits the terminal", async () => {
    const { out } = await wgmesh(["status", "--help"], 80);
    const options = out.slice(out.indexOf("Interface:"));
    expect(Math.max(...options.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});
