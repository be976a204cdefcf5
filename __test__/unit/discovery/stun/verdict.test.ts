import { expect, test } from "vitest";
import { judge, natTypeOf, type Sight } from "../../../../src/discovery/stun/verdict.ts";

const sight = (server: string, host: string, port: number): Sight => ({
  server: { host: server, port: 3478 },
  mapped: { host, port },
});
const never = (): boolean => false;

test("nobody answered: no verdict", () => {
  expect(judge([], never)).toBeNull();
});

test("one answer counts, but says nothing of the mapping", () => {
  const verdict = judge([sight("198.51.100.1", "203.0.113.9", 40_000)], never);
  expect(verdict).toEqual({ mapping: "unknown", mapped: { host: "203.0.113.9", port: 40_000 } });
});

test("two that agree win over one that does not, whatever the order", () => {
  const honest = [sight("198.51.100.1", "203.0.113.9", 1), sight("198.51.100.2", "203.0.113.9", 1)];
  const liar = sight("198.51.100.3", "192.0.2.66", 666);
  for (const sights of [
    [liar, ...honest],
    [...honest, liar],
  ]) {
    expect(judge(sights, never)).toEqual({
      mapping: "independent",
      mapped: { host: "203.0.113.9", port: 1 },
    });
  }
});

test("another port for each server is a mapping that depends on the destination; the newest port is told", () => {
  const sights = [sight("198.51.100.1", "203.0.113.9", 1), sight("198.51.100.2", "203.0.113.9", 2)];
  expect(judge(sights, never)).toEqual({ mapping: "dependent", mapped: { host: "203.0.113.9", port: 2 } });
});

test("the address most servers saw is taken where the ports differ", () => {
  const sights = [
    sight("198.51.100.3", "192.0.2.66", 666),
    sight("198.51.100.1", "203.0.113.9", 1),
    sight("198.51.100.2", "203.0.113.9", 2),
  ];
  expect(judge(sights, never)).toMatchObject({ mapping: "dependent", mapped: { host: "203.0.113.9" } });
});

test("two ports of one server are one server: they can show that the mapping changes, not that it does not", () => {
  const alike = [sight("198.51.100.1", "203.0.113.9", 1), sight("198.51.100.1", "203.0.113.9", 1)];
  expect(judge(alike, never)?.mapping).toBe("unknown");
  const unlike = [sight("198.51.100.1", "203.0.113.9", 1), sight("198.51.100.1", "203.0.113.9", 2)];
  expect(judge(unlike, never)?.mapping).toBe("dependent");
});

test("seen as it is: no NAT, though only one server answered", () => {
  const verdict = judge([sight("198.51.100.1", "203.0.113.9", 7)], ({ port }) => port === 7);
  expect(verdict?.mapping).toBe("none");
});

test("the words of the wire", () => {
  expect((["none", "independent", "dependent", "unknown", undefined] as const).map(natTypeOf)).toEqual([
    "cone",
    "cone",
    "symmetric",
    "unknown",
    "unknown",
  ]);
});
