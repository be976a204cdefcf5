import { expect, test } from "vitest";
import type { Ruleset } from "../../../src/doctor/ruleset.ts";
import { type Found, formatOf } from "../../../src/firewall/found.ts";

const bare: Found = { firewalld: false, ufw: false, nft: true, iptables: true, ruleset: null };
const input = (family: string, table: string, name: string): Ruleset => ({
  chains: [{ family, table, name, hook: "input", policy: "drop" }],
  rules: [],
});

test.each([
  ["firewalld", { firewalld: true, ufw: true }],
  ["ufw", { ufw: true, ruleset: input("ip", "filter", "INPUT") }],
  ["iptables", { ruleset: input("ip", "filter", "INPUT") }],
  ["iptables", { nft: false }],
  ["nft", { ruleset: input("inet", "filter", "input") }],
  ["nft", { iptables: false, ruleset: input("ip", "filter", "INPUT") }],
  ["nft", {}],
  ["nft", { nft: false, iptables: false }],
] as const)("%s is what the machine has: %j", (format, parts) => {
  expect(formatOf({ ...bare, ...parts })).toBe(format);
});
