/** What the addon's `Membership` does, by node:crypto and under a key of the test's own. */
import { createHmac } from "node:crypto";
import type { Membership } from "../../../src/wire/membership.ts";

export function testMembership(key = "membership key"): Membership {
  const token = (publicKey: string, hour: number): Buffer =>
    createHmac("sha256", key).update(`${publicKey}|${hour}`).digest();
  return {
    token,
    isToken: (publicKey, given, hour) =>
      [hour - 1, hour, hour + 1].some((near) => token(publicKey, near).equals(given)),
  };
}
