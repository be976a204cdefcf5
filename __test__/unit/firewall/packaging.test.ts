/** The files that a package puts in place for any mesh hold the ports of each. */
import { expect, test } from "vitest";
import { readRepositoryFile } from "../layout/repository.ts";

/** WireGuard, every control port, LAN discovery; every probe port (PROTOCOL.md section 2). */
const RANGES = [
  ["udp", 51_820, 52_820],
  ["tcp", 53_821, 54_820],
  ["udp", 53_821, 54_820],
];

test("of firewalld's service", () => {
  const text = readRepositoryFile("packaging/firewalld/wgmesh.xml");
  const found = [...text.matchAll(/<port protocol="(\w+)" port="(\d+)-(\d+)"\/>/g)];
  expect(found.map(([, protocol, from, to]) => [protocol, Number(from), Number(to)])).toEqual(RANGES);
});

test("of ufw's profiles", () => {
  const text = readRepositoryFile("packaging/ufw/wgmesh");
  const found = [...text.matchAll(/(\d+):(\d+)\/(\w+)/g)];
  expect(found.map(([, from, to, protocol]) => [protocol, Number(from), Number(to)])).toEqual(RANGES);
});
