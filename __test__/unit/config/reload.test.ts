import { describe, expect, test } from "vitest";
import { parseReloadFile } from "../../../src/config/reload.ts";
import { vectors } from "../support/vectors.ts";

const PATH = "/state/wg0.reload";
/** By key, the values alone. */
const parse = (text: string) =>
  Object.fromEntries([...parseReloadFile(text, PATH)].map(([key, { value }]) => [key, value]));

interface ReloadVector {
  readonly text: string;
  readonly advertise_routes: string[] | null;
  readonly log_level: string;
}

/** Vectors with a line that the Go peer takes in silence: ours refuses the file. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  "reload file: comments, blanks, unknown keys, capitals, spaces around": /line 4: "foo" is not a setting/,
  "reload file: last wins": /line 1: log-level/,
  "reload file: no validation": /line 1: advertise-routes/,
};

describe("the vectors", () => {
  const all = vectors<ReloadVector>("reload_file");

  test.each(all.filter((vector) => !(vector.what in REFUSED)))("$what: match", (vector) => {
    expect(parse(vector.text)).toEqual({
      ...(vector.advertise_routes === null ? {} : { "advertise-routes": vector.advertise_routes }),
      ...(vector.log_level === "" ? {} : { "log-level": vector.log_level }),
    });
  });

  test.each(all.filter((vector) => vector.what in REFUSED))("$what: must differ", (vector) => {
    expect(() => parse(vector.text)).toThrow(REFUSED[vector.what]);
  });

  test("each refused vector exists", () => {
    const names = all.map((vector) => vector.what);
    expect(names).toEqual(expect.arrayContaining(Object.keys(REFUSED)));
  });
});

describe("parseReloadFile", () => {
  test("keys in any case, blanks around, comments, CRLF; the last wins", () => {
    const text =
      "# c\r\n\r\n  Advertise-Routes =  10.0.0.5/24 ,,\t10.2.0.0/16  \r\nLOG-LEVEL=warn\nlog-level = debug";
    expect(parse(text)).toEqual({ "advertise-routes": ["10.0.0.0/24", "10.2.0.0/16"], "log-level": "debug" });
  });

  test("takes every live setting, and tells its line", () => {
    expect(parse("accept-routes=none\npeer=a.example, 10.0.0.1:7")).toEqual({
      "accept-routes": "none",
      peer: [
        { host: "a.example", port: null },
        { host: "10.0.0.1", port: 7 },
      ],
    });
    expect(parseReloadFile("\nlog-level=warn", PATH).get("log-level")?.origin).toEqual({
      kind: "reload",
      path: PATH,
      line: 2,
    });
  });

  test("nothing in it changes nothing", () => {
    expect(parse("\n# only a comment\n")).toEqual({});
  });

  test.each([
    ["nonsense", "line 1", "KEY=VALUE"],
    ["\n\nlog-level=banana", "line 3", "log-level"],
    ["log-level=", "line 1", "log-level"],
    ["log-level = warn # not a comment", "line 1", "log-level"],
    ["advertise-routes=10.0.0.0/33", "line 1", "advertise-routes"],
    ["advertise-routes=10.0.0.0/8,not-a-cidr", "line 1", "not-a-cidr"],
    ["log-level=info\nadvertise-route=10.0.0.0/8", "line 2", '"advertise-route" is not a setting'],
    ["listen-port=5", "line 1", '"listen-port" cannot be changed while the node runs'],
    ["secret=abc", "line 1", '"secret" cannot be changed while the node runs'],
    ["INTERFACE=wg1", "line 1", '"interface" cannot be changed while the node runs'],
    ["privacy=1", "line 1", '"privacy" cannot be changed while the node runs'],
    ["gossip=1", "line 1", '"1" is not a choice'],
    ["ipv6=no", "line 1", '"ipv6" cannot be changed while the node runs'],
    ["=1", "line 1", "is not a setting"],
  ])("refuses %j", (text, line, reason) => {
    const attempt = () => parse(text);
    expect(attempt).toThrow(expect.objectContaining({ code: "ERR_RELOAD" }));
    expect(attempt).toThrow(line);
    expect(attempt).toThrow(reason);
    expect(attempt).toThrow(PATH);
  });

  test("a secret in the file is not repeated", () => {
    expect(() => parse("secret=correct-horse-battery")).not.toThrow(/correct-horse/);
  });
});
