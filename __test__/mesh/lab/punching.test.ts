/** Plain UDP hole punching between each kind and each: the laboratory behaves as NATs do. */
import { beforeAll, describe, expect, test } from "vitest";
import type { Host } from "../harness/lab.ts";
import { forwardedPorts, type KindName } from "./kinds.ts";
import { type PunchEnd, punch } from "./punch.ts";
import { expectedPunch, punchKinds } from "./punchTable.ts";
import { useInternet } from "./useInternet.ts";

const allKinds: readonly KindName[] = [...punchKinds, "MM", "Q"];
const pairs = allKinds.flatMap((one, index) => allKinds.slice(index).map((other) => [one, other] as const));
/** Of a punch that works (105 ms were seen), and of one that never will. */
const limitMs = 3000;
const hopelessMs = 1200;
const leadMs = 500;
/** How many at once: two processes each. */
const batch = 12;

describe("hole punching between all kinds", () => {
  const internet = useInternet();
  const placed = (side: string) =>
    new Map(
      allKinds.map((kind) => [
        kind,
        internet.addSite(`${side}${kind.toLowerCase()}`, kind).addHost(`${side}${kind}`),
      ]),
    );
  const left = placed("l");
  const right = placed("r");
  const portsUsed = new Map<Host, number>();

  /** A port no earlier attempt has left mappings of; a forwarded one where there is a forward. */
  function end(host: Host, delayMs: number): PunchEnd {
    const used = portsUsed.get(host) ?? 0;
    portsUsed.set(host, used + 1);
    return { host, port: forwardedPorts.from + used, delayMs };
  }

  const attempt = (one: KindName, other: KindName, delays: readonly [number, number], limit: number) =>
    punch(
      internet.servers.stun[0]?.[0] ?? "",
      [end(left.get(one) as Host, delays[0]), end(right.get(other) as Host, delays[1])],
      limit,
    );

  async function opensAsItMust(one: KindName, other: KindName): Promise<boolean> {
    const expected = expectedPunch(one, other);
    if (expected === "direct") return (await attempt(one, other, [0, 0], limitMs)) !== null;
    if (expected === "never") return (await attempt(one, other, [0, 0], hopelessMs)) === null;
    const takerFirst = one === "I" ? ([0, leadMs] as const) : ([leadMs, 0] as const);
    const otherFirst = one === "I" ? ([leadMs, 0] as const) : ([0, leadMs] as const);
    return (
      (await attempt(one, other, takerFirst, limitMs)) !== null &&
      (await attempt(one, other, otherFirst, hopelessMs + leadMs)) === null
    );
  }

  beforeAll(async () => {
    await internet.startServers({ dhtNodes: 0 });
    await internet.verifyAll();
  });

  test("opens, or not, as the kinds say", async () => {
    const wrong: string[] = [];
    for (let at = 0; at < pairs.length; at += batch) {
      await Promise.all(
        pairs.slice(at, at + batch).map(async ([one, other]) => {
          if (!(await opensAsItMust(one, other)))
            wrong.push(`${one} with ${other} is not ${expectedPunch(one, other)}`);
        }),
      );
    }
    expect(wrong).toEqual([]);
  });
});
