import { expect, test } from "vitest";
import { neighbourOf } from "../../../src/daemon/interfaceControl.ts";

test.each([
  ["10.1.2.3", 16, "10.1.2.2"],
  ["10.1.2.2", 16, "10.1.2.3"],
  ["10.1.0.1", 16, "10.1.0.3"],
  ["10.1.255.254", 16, "10.1.255.252"],
  ["10.1.0.1", 30, "10.1.0.2"],
  ["10.1.0.2", 30, "10.1.0.1"],
  ["10.1.0.0", 8, "10.1.0.1"],
  ["10.1.0.1", 32, "10.1.0.1"],
  ["fd00::1", 64, "fd00::3"],
  ["fd00::8:7", 64, "fd00::8:6"],
])("a neighbour of %s/%i is %s", (address, prefixLength, neighbour) => {
  expect(neighbourOf({ address, prefixLength })).toBe(neighbour);
});
