import { describe, expect, test } from "vitest";
import { notBuiltFlags } from "../../../src/config/options.ts";
import { wgmesh, wgmeshd } from "./run.ts";

/** Each case: the words typed, and what the message must hold: the flag and the value. */
const refused: readonly [what: string, args: string[], named: RegExp][] = [
  ["an interface name of 16 characters", ["--iface", "abcdefghijklmnop"], /--iface: .*"abcdefghijklmnop"/],
  ["an interface name with a slash", ["--iface", "a/b"], /--iface: .*"a\/b"/],
  ["an interface name that starts with a digit", ["--interface", "0wg"], /"0wg"/],
  ["an empty interface name", ["--iface", ""], /interface name ""/],
  ["port 0", ["--listen-port", "0"], /--listen-port "0"/],
  ["port 70000", ["--listen-port", "70000"], /--listen-port "70000"/],
  ["a port that is text", ["--listen-port", "http"], /--listen-port "http"/],
  ["a port with a sign", ["--listen-port=-1"], /--listen-port "-1"/],
  ["a port with a fraction", ["--listen-port", "1.5"], /--listen-port "1.5"/],
  ["a prefix of 33", ["--advertise-routes", "10.0.0.0/8,10.1.0.0/33"], /--advertise-routes: "10.1.0.0\/33"/],
  ["a network without a prefix", ["--advertise-routes", "10.0.0.0"], /"10.0.0.0" is not a network/],
  [
    "too many networks",
    ["--advertise-routes", Array.from({ length: 101 }, (_, i) => `10.0.${i}.0/24`).join()],
    /101/,
  ],
  ["an empty list of networks to accept", ["--accept-routes", ""], /--accept-routes/],
  ["a word that is no route policy", ["--accept-routes", "some"], /--accept-routes: "some"/],
  ["a mesh subnet that is none", ["--mesh-subnet", "banana"], /--mesh-subnet: "banana"/],
  ["a mesh subnet of one address", ["--mesh-subnet", "10.0.0.0/31"], /--mesh-subnet: "10.0.0.0\/31"/],
  ["an IPv6 mesh subnet", ["--mesh-subnet", "fd00::/64"], /--mesh-subnet: "fd00::\/64"/],
  [
    "a client network that is too large",
    ["--client-network", "10.0.0.0/8"],
    /--client-network: "10.0.0.0\/8"/,
  ],
  ["an IPv6 client network", ["--client-network", "fd00::/64"], /--client-network: "fd00::\/64"/],
  ["a client network of loopback", ["--client-network", "127.0.5.0/24"], /is no network for clients/],
  ["a peer with a bad port", ["--peer", "ok.example", "--peer", "host:99999"], /--peer: "host:99999"/],
  ["a peer without a host", ["--peer", ":51820"], /--peer: ":51820"/],
  ["a peer that is a bare IPv6 address", ["--peer", "fd00::1"], /\[fd00::1\]/],
  ["a peer with a shortened IPv4 address", ["--peer", "10.1"], /"10.1"/],
  ["a relay limit that lets nothing pass", ["--relay-limit", "9999"], /--relay-limit: "9999"/],
  ["a relay limit in words", ["--relay-limit", "1M"], /--relay-limit: "1M"/],
  ["a keepalive that is no time", ["--keepalive", "65536"], /--keepalive: "65536"/],
  ["an interval of nothing", ["--reconcile-interval", "0"], /--reconcile-interval: "0"/],
  [
    "an endpoint by name",
    ["--advertise-endpoint", "a.example:7"],
    /--advertise-endpoint: "a.example:7" is a name/,
  ],
  [
    "an IPv6 endpoint without IPv6",
    ["--advertise-endpoint", "[2001:db8::1]:7", "--no-ipv6"],
    /--advertise-endpoint: 2001:db8::1/,
  ],
  ["a key that is none", ["--introducer-key", "abc="], /--introducer-key: "abc="/],
  ["an MTU of 100", ["--mtu", "100"], /--mtu: "100"/],
  ["an MTU too small for IPv6", ["--mtu", "1279"], /--mtu: 1279/],
  ["a backend that does not exist", ["--backend", "magic"], /--backend: "magic"/],
  ["an empty path of a program", ["--wireguard-go", ""], /--wireguard-go/],
  ["a level that does not exist", ["--log-level", "loud"], /--log-level: "loud"/],
  ["a format that does not exist", ["--log-format", "xml"], /--log-format: "xml"/],
  ["a link name with a slash", ["--discovery-iface", "eth0,../x"], /--discovery-iface: "..\/x"/],
  ["a link both used and left out", ["--discovery-iface", "eth0", "--exclude-iface", "eth0"], /"eth0"/],
  ["an empty path", ["--state-dir", ""], /--state-dir/],
  [
    "a socket path too long for the kernel",
    ["--socket-path", `/${"a".repeat(107)}`],
    /--socket-path.*108 bytes/,
  ],
  ["a run folder too long for its socket", ["--run-dir", `/${"a".repeat(100)}`], /--run-dir.* bytes/],
  ["an unknown flag", ["--ifcae", "wg0"], /'--ifcae'.*--iface/],
  ["a flag without its value", ["--listen-port"], /--listen-port/],
  ["a word too many", ["wg0"], /arguments/],
];

describe("wgmeshd refuses, before anything is touched,", () => {
  test.each(refused)("%s", async (_what, args, named) => {
    const { code, err, out, request } = await wgmeshd(args);
    expect(err).toMatch(named);
    expect(err).toMatch(/^wgmeshd: .+\nhint: .+\n$/);
    expect([code, out, request]).toEqual([2, "", null]);
  });

  test("a secret in the place of another value, without showing it", async () => {
    const { code, err } = await wgmeshd([
      "--log-level",
      "wgmesh://v1/nobodyMaySeeThisText",
      "--iface",
      "wg0",
    ]);
    expect(err).toMatch(/^wgmeshd: --log-level: .*wgmesh:\/\/\[redacted\]/);
    expect(err).not.toContain("nobodyMay");
    expect(code).toBe(2);
  });

  test.each(
    notBuiltFlags.map(({ flag, placeholder }) => [flag, placeholder === undefined ? [] : ["x"]] as const),
  )("%s, whose feature does not exist yet", async (flag, value) => {
    const { code, err, request } = await wgmeshd([flag, ...value]);
    expect(err).toContain(`wgmeshd: ${flag} is not in this release\n`);
    expect([code, request]).toEqual([2, null]);
  });

  test("a bad variable, by its name", async () => {
    const { code, err } = await wgmeshd([], { WGMESH_LOG: "loud" });
    expect([code, err]).toEqual([2, expect.stringContaining('$WGMESH_LOG: "loud"')]);
  });
});

describe("wgmesh refuses", () => {
  test.each([
    ["a command that does not exist, naming the nearest", ["stauts"], /'stauts'.*status/],
    ["no command", [], /no command was given/],
    [
      "config without a command",
      ["config"],
      /config: no command was given\nhint: .*show, check, set.*'wgmesh config --help'/,
    ],
    [
      "a command that config does not have",
      ["config", "shwo"],
      /config: unknown command 'shwo'.*\nhint: .*show, check/,
    ],
    [
      "a command that peers does not have",
      ["peers", "nonsense"],
      /unknown command 'nonsense'.*\nhint: .*list, get, count/,
    ],
    ["a word after peers list", ["peers", "list", "nonsense"], /'nonsense'.*list takes no argument/],
    [
      "a flag that a verb does not have",
      ["peers", "list", "--sorted"],
      /peers list: unknown option '--sorted'.*\nhint: see 'wgmesh peers list --help'/,
    ],
    ["peers get without a peer", ["peers", "get"], /'peer'/],
    ["a bad interface name", ["status", "--iface", "a/b"], /"a\/b"/],
    ["a bad subnet", ["status", "--secret", "x", "--mesh-subnet", "banana"], /"banana"/],
  ])("%s", async (_what, args, named) => {
    const { code, err, out } = await wgmesh(args);
    expect(err).toMatch(named);
    expect([code, out]).toEqual([2, ""]);
  });

  test("to talk where no daemon is, naming the path", async () => {
    const { code, err } = await wgmesh(["status", "--run-dir", "/nonexistent", "--iface", "wg7"]);
    expect([code, err]).toEqual([6, expect.stringContaining("/nonexistent/wg7.sock")]);
  });
});
