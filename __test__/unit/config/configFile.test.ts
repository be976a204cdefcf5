import { describe, expect, test } from "vitest";
import { parseConfigText } from "../../../src/config/configFile.ts";
import { keyLines, lineOf } from "../../../src/config/keyLines.ts";
import { plainValue } from "../../../src/config/layers.ts";
import { nearest } from "../../../src/config/nearest.ts";

const PATH = "/etc/wgmesh/wg0.toml";
const read = (text: string) => parseConfigText(text, PATH, "file");
const complaints = (text: string) => read(text).problems.map(({ message, hint }) => `${message} | ${hint}`);

describe("a configuration file", () => {
  test("gives checked values, each with its line", () => {
    const { settings, problems } = read(`
[interface]
listen-port = 51_999
ipv6 = false
[discovery]
dht = false
gossip = "off"
peer = [
  "a.example",      # a comment with ] in it
  "[fd00::1]:7",
]
[routes]
advertise-routes = ["10.1.2.3/8", "fd00::/64"]
accept-routes = "none"
`);
    expect(problems).toEqual([]);
    expect([...settings].map(([key, { value, origin }]) => [key, plainValue(value), origin])).toEqual([
      ["listen-port", 51999, { kind: "file", path: PATH, line: 3 }],
      ["ipv6", false, { kind: "file", path: PATH, line: 4 }],
      ["dht", false, { kind: "file", path: PATH, line: 6 }],
      ["gossip", "off", { kind: "file", path: PATH, line: 7 }],
      ["peer", ["a.example", "[fd00::1]:7"], { kind: "file", path: PATH, line: 8 }],
      ["advertise-routes", ["10.0.0.0/8", "fd00::/64"], { kind: "file", path: PATH, line: 13 }],
      ["accept-routes", "none", { kind: "file", path: PATH, line: 14 }],
    ]);
  });

  test("with nothing in it says nothing", () => {
    expect(read("# only a comment\n[interface]\n")).toEqual({ settings: new Map(), problems: [] });
  });

  test.each([
    [
      "an unknown key",
      "[interface]\nlisten-prot = 1",
      "2: listen-prot is not a setting",
      "did you mean listen-port?",
    ],
    [
      "a key by a flag's second name",
      "[interface]\niface = 'wg0'",
      "2: iface is not",
      "did you mean interface?",
    ],
    [
      "a flag said negatively",
      "[discovery]\nno-dht = true",
      "2: no-dht is not a setting",
      "did you mean dht?",
    ],
    ["a key like no other", "[interface]\nxyzzy = 1", "2: xyzzy is not", "wgmesh config sample"],
    [
      "a key of another table",
      "[log]\nmtu = 1400",
      "2: mtu does not belong to [log]",
      "move it to [interface]",
    ],
    ["a key before any table", "mtu = 1400", "1: mtu stands outside", "[interface]"],
    [
      "an unknown table",
      "\n[intreface]\nmtu = 1400",
      "2: [intreface] is not a table",
      "did you mean [interface]?",
    ],
    ["a table like no other", "[xyzzy]", "1: [xyzzy] is not a table", "[interface], [discovery]"],
    ["a value in place of a table", "relay = false", "1: relay is a table", "write [relay]"],
    ["the secret itself", "[secret]\nsecret = 'x'", "2: secret cannot stand in a file", "secret-file"],
    [
      "a text for a number",
      "[interface]\nlisten-port = '51820'",
      '2: listen-port: the text "51820"',
      "an integer from 1",
    ],
    [
      "a fraction for a number",
      "[interface]\nlisten-port = 1.0",
      "2: listen-port: the ",
      "an integer from 1 to 65535",
    ],
    ["a number out of range", "[interface]\n\nmtu = 100", '3: mtu: "100" is not an MTU', "from 576"],
    [
      "a port out of range",
      "[interface]\nlisten-port = 70000",
      '2: listen-port "70000" is not a port',
      "65535",
    ],
    ["a text for a boolean", "[discovery]\ndht = 'no'", '2: dht: the text "no"', "write true or false"],
    [
      "a text for a list",
      "[discovery]\npeer = 'a.example'",
      '2: peer: the text "a.example"',
      "a list of texts",
    ],
    ["a list of numbers", "[discovery]\npeer = [1]", "2: peer: a list", "a list of texts"],
    ["a word that is none", "[log]\nlog-level = 'loud'", '2: log-level: "loud"', "debug, info, warn, error"],
    ["a date", "[log]\nlog-level = 2020-01-01", "2: log-level: a date", "a text in quotes"],
    ["a table for a value", "[log]\nlog-level.x = 1", "2: log-level: a table", "a text in quotes"],
    [
      "a bad entry of a list",
      "[routes]\nadvertise-routes = ['10.0.0.0/8',\n '10.0.0.0/33']",
      '2: advertise-routes: "10.0.0.0/33"',
      "network",
    ],
    ["text that is no TOML", "[interface]\nmtu 1400", "2: not TOML, at column", "toml.io"],
    ["a key given twice", "[interface]\nmtu = 1400\nmtu = 1401", "3: not TOML", "toml.io"],
    ["a key that names a prototype", "[interface]\n__proto__ = 1", "not TOML", "toml.io"],
  ])("with %s names file, line and key, and what was expected", (_what, text, message, hint) => {
    const found = complaints(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^${PATH}:\\d+: `));
    expect(found[0]).toContain(message);
    expect(found[0]).toContain(hint);
  });

  test("tells all that is wrong, and keeps what is right", () => {
    const { settings, problems } = read(
      "[interface]\nmtu = 1\nlisten-port = 7\nx = 1\n[y]\n[log]\nlog-level = 1",
    );
    expect(problems.map(({ message }) => message.split(" ")[0])).toEqual([
      `${PATH}:2:`,
      `${PATH}:4:`,
      `${PATH}:5:`,
      `${PATH}:7:`,
    ]);
    expect([...settings.keys()]).toEqual(["listen-port"]);
  });
});

describe("lines of keys", () => {
  test.each([
    ["after a text of many lines", 'a = """\nb = 1\n"""\nb = 2', ["b"], 4],
    ["after a text with escaped quotes", 'a = """\\"""" \nb = 2', ["b"], 2],
    ["after a literal text", "a = '''\n[x]\n''' # '\nb = 2", ["b"], 4],
    ["after nested lists", "a = [\n [1,\n # ]\n 2], ']',\n]\nb = 2", ["b"], 6],
    ["below a table with dots", '[a . "b.c"]\nd = 1', ["a", "b.c", "d"], 2],
    ["with dots", "[a]\n\nb.c.d = 1", ["a", "b", "c"], 3],
    ["in an inline table are its line", "[a]\nb = { c = 1 }", ["a", "b", "c"], 2],
    ["with CRLF", "[a]\r\nb = 1\r\nc = 2", ["a", "c"], 3],
    ["that are not there are the line of what is around", "\n[a]\nb = 1", ["a", "x"], 2],
    ["of arrays of tables", "[[a]]\nb = 1\n[[a]]\nc = 1", ["a", "c"], 4],
  ])("%s", (_what, text, path, line) => {
    expect(lineOf(keyLines(text), path)).toBe(line);
  });
});

describe("the nearest name", () => {
  test.each([
    ["lissten-port", "listen-port"],
    ["lsiten-port", "listen-port"],
    ["mut", "mtu"],
    ["m", null],
    ["quite-another", null],
  ])("to %s is %s", (wanted, found) => {
    expect(nearest(wanted, ["listen-port", "mtu", "peer"])).toBe(found);
  });
});
