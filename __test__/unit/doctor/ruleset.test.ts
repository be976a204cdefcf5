import { describe, expect, test } from "vitest";
import { fateOf, hasDocker, type Packet, parseRuleset, type Ruleset } from "../../../src/doctor/ruleset.ts";

const packet: Packet = { hook: "input", family: "ip", udpPort: 51_820, iifname: "eth0", oifname: "" };

const match = (left: object, right: unknown, op = "=="): object => ({ match: { op, left, right } });
const dport = (right: unknown, op = "=="): object =>
  match({ payload: { protocol: "udp", field: "dport" } }, right, op);
const state = (...states: string[]): object => match({ ct: { key: "state" } }, states, "in");
const iifname = (name: string): object => match({ meta: { key: "iifname" } }, name);
const saddr = match({ payload: { protocol: "ip", field: "saddr" } }, "203.0.113.7");
const accept = { accept: null };
const drop = { drop: null };

/** A filter of one base chain, and others by name. */
function filter(
  policy: string,
  rules: object[][],
  others: Readonly<Record<string, object[][]>> = {},
): Ruleset {
  const place = { family: "inet", table: "filter" };
  const chains = [
    { chain: { ...place, name: "in", type: "filter", hook: "input", prio: 0, policy } },
    ...Object.keys(others).map((name) => ({ chain: { ...place, name } })),
  ];
  const all = Object.entries({ in: rules, ...others }).flatMap(([chain, exprs]) =>
    exprs.map((expr) => ({ rule: { ...place, chain, expr } })),
  );
  return parseRuleset(JSON.stringify({ nftables: [{ metainfo: {} }, ...chains, ...all] }));
}

describe("a packet that begins a conversation", () => {
  test.each<[what: string, verdict: string, ruleset: Ruleset]>([
    ["without rules", "accept", parseRuleset('{"nftables":[]}')],
    ["an open policy", "accept", filter("accept", [])],
    [
      "a closed policy",
      "drop",
      filter("drop", [
        [state("established", "related"), accept],
        [iifname("lo"), accept],
      ]),
    ],
    ["its port let in", "accept", filter("drop", [[dport(51_820), accept]])],
    [
      "its port in a set",
      "accept",
      filter("drop", [[dport({ set: [53, { range: [51_000, 52_000] }] }), accept]]),
    ],
    ["others' ports", "drop", filter("drop", [[dport({ set: [53, 67] }), accept]])],
    ["all ports but one", "accept", filter("drop", [[dport(53, "!="), accept]])],
    ["a named set", "unclear", filter("drop", [[dport("@open"), accept]])],
    ["some sources", "unclear", filter("drop", [[saddr, accept]])],
    ["some sources refused", "unclear", filter("accept", [[saddr, drop]])],
    ["refused before it is let in", "drop", filter("accept", [[dport(51_820), { reject: null }], [accept]])],
    [
      "TCP",
      "drop",
      filter("drop", [[match({ payload: { protocol: "tcp", field: "dport" } }, 51_820), accept]]),
    ],
    [
      "a chain that lets it in",
      "accept",
      filter("drop", [[{ jump: { target: "a" } }]], { a: [[dport(51_820), accept]] }),
    ],
    [
      "a chain that does not",
      "drop",
      filter("drop", [[{ jump: { target: "a" } }]], { a: [[dport(1), accept]] }),
    ],
    [
      "a chain that returns",
      "accept",
      filter("drop", [[{ jump: { target: "a" } }], [accept]], { a: [[{ return: null }], [drop]] }),
    ],
    ["a chain gone to", "drop", filter("drop", [[{ goto: { target: "a" } }], [accept]], { a: [] })],
    [
      "a circle",
      "unclear",
      filter("drop", [[{ jump: { target: "a" } }]], { a: [[{ jump: { target: "a" } }]] }),
    ],
    [
      "a comment of iptables",
      "accept",
      filter("drop", [[{ xt: { type: "match", name: "comment" } }, accept]]),
    ],
    ["a match of iptables", "unclear", filter("drop", [[{ xt: { type: "match", name: "recent" } }, accept]])],
    ["a target of iptables", "unclear", filter("drop", [[{ xt: { type: "target", name: "NFQUEUE" } }]])],
    [
      "a rule that only counts",
      "drop",
      filter("drop", [[{ counter: { packets: 1, bytes: 2 } }], [{ log: null }]]),
    ],
  ])("%s: %s", (_what, verdict, ruleset) => {
    expect(fateOf(ruleset, packet)).toEqual({
      verdict,
      chain: verdict === "accept" ? null : "inet filter in",
    });
  });

  test("has to pass every table, and those of its own family alone", () => {
    const open = filter("accept", [[accept]]);
    const closed = filter("drop", []);
    const both = {
      chains: [...open.chains, ...closed.chains.map((c) => ({ ...c, table: "t" }))],
      rules: open.rules,
    };
    expect(fateOf(both, packet)).toEqual({ verdict: "drop", chain: "inet t in" });
    const other = { ...closed, chains: closed.chains.map((chain) => ({ ...chain, family: "ip6" })) };
    expect(fateOf(other, packet).verdict).toBe("accept");
  });
});

test("Docker is known by its chains", () => {
  expect(hasDocker(filter("drop", [], { "DOCKER-USER": [] }))).toBe(true);
  expect(hasDocker(filter("drop", [], { "my-DOCKER": [] }))).toBe(false);
});
