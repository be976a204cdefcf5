import { describe, expect, test } from "vitest";
import {
  type InterfaceAddress,
  interfaceRepairs,
  judgeLink,
  type SeenInterface,
} from "../../../src/mesh/interfaceDifference.ts";

const v4: InterfaceAddress = { address: "10.1.2.3", prefixLength: 16 };
const v6: InterfaceAddress = { address: "fd00::3", prefixLength: 64 };
const wanted = { mtu: 1420, addresses: [v4, v6] };
const whole: SeenInterface = {
  index: 7,
  kind: "tun",
  mtu: 1420,
  up: true,
  addresses: [v4, v6, { address: "fe80::1", prefixLength: 64 }],
  unrouted: [],
};
const repairs = (change: Partial<SeenInterface>) => interfaceRepairs(wanted, { ...whole, ...change });
const found = (change: Partial<SeenInterface>): string[] => repairs(change).map((repair) => repair.found);

describe("judgeLink", () => {
  test.each([
    ["ours", whole, 7, null, "ours", undefined],
    ["none", null, 7, null, "lost", "interface deleted"],
    ["none, after the engine said why", null, 7, "EBADFD", "lost", "interface deleted (EBADFD)"],
    ["ours with a dead engine", whole, 7, "a thread ended", "lost", "engine failed: a thread ended"],
    [
      "another WireGuard link",
      { ...whole, kind: "wireguard" },
      6,
      null,
      "lost",
      "interface replaced by another",
    ],
    [
      "a link of another kind",
      { ...whole, kind: "dummy" },
      6,
      null,
      "occupied",
      "the name belongs to a link of another program (dummy)",
    ],
    [
      "hardware, after ours was given up",
      { ...whole, kind: "" },
      null,
      null,
      "occupied",
      "the name belongs to a link of another program (hardware)",
    ],
  ] as const)("%s", (_, seen, ownIndex, engineFailure, state, what) => {
    const verdict = judgeLink(seen, ownIndex, engineFailure);
    expect(verdict.state).toBe(state);
    expect("found" in verdict ? verdict.found : undefined).toBe(what);
  });
});

describe("interfaceRepairs", () => {
  test("nothing, as long as nobody meddles; addresses of others stay", () => {
    expect(repairs({})).toEqual([]);
    expect(repairs({ addresses: [...whole.addresses, { address: "192.0.2.1", prefixLength: 24 }] })).toEqual(
      [],
    );
  });

  test("a missing address is added", () => {
    expect(repairs({ addresses: [v4] })).toEqual([
      {
        object: "address fd00::3",
        found: "missing address fd00::3/64",
        steps: [{ kind: "add-address", address: v6 }],
      },
    ]);
    expect(found({ addresses: [] })).toEqual(["missing address 10.1.2.3/16", "missing address fd00::3/64"]);
  });

  test("ours with another prefix makes room first, or just goes when the right one is there", () => {
    const narrow = { address: "10.1.2.3", prefixLength: 24 };
    expect(repairs({ addresses: [narrow, v6] })).toEqual([
      {
        object: "address 10.1.2.3",
        found: "missing address 10.1.2.3/16, there is address 10.1.2.3/24",
        steps: [
          { kind: "remove-address", address: narrow },
          { kind: "add-address", address: v4 },
        ],
      },
    ]);
    expect(repairs({ addresses: [v4, narrow, v6] })).toMatchObject([
      { found: "address 10.1.2.3/24", steps: [{ kind: "remove-address", address: narrow }] },
    ]);
  });

  test("another MTU, and a link that is down, before the addresses that need both", () => {
    expect(repairs({ mtu: 1000, up: false, addresses: [v4] }).map(({ steps }) => steps)).toEqual([
      [{ kind: "set-mtu", mtu: 1420 }],
      [{ kind: "set-up" }],
      [{ kind: "add-address", address: v6 }],
    ]);
    expect(found({ mtu: 1000, up: false })).toEqual(["MTU 1000", "link down"]);
    expect(interfaceRepairs({ ...wanted, mtu: null }, { ...whole, mtu: 9 })).toEqual([]);
  });

  test("a network without its route: the address is given again, once the link is up", () => {
    expect(repairs({ unrouted: [v4] })).toEqual([
      {
        object: "address 10.1.2.3",
        found: "missing route of address 10.1.2.3/16",
        steps: [
          { kind: "remove-address", address: v4 },
          { kind: "add-address", address: v4 },
        ],
      },
    ]);
    expect(found({ unrouted: [v4], up: false })).toEqual(["link down"]);
  });
});
