import { describe, expect, test } from "vitest";
import { type BootstrapOptions, gatherBootstrap } from "../../../../src/discovery/dht/bootstrap.ts";
import { nodeAddresses } from "../../../../src/discovery/dht/nodesFile.ts";
import { seededRandom } from "../../support/seededRandom.ts";
import { vectors } from "../../support/vectors.ts";
import { FakeClock } from "../fakeClock.ts";

const names = [
  { host: "one.example", port: 6881 },
  { host: "two.example", port: 6882 },
];
const known = [{ host: "198.51.100.7", port: 6881 }];
const never = new AbortController().signal;

function options(clock: FakeClock, more: Partial<BootstrapOptions> = {}): BootstrapOptions {
  const resolve = async (): Promise<string[]> => {
    throw new Error("no such name");
  };
  return { clock, random: seededRandom("bootstrap"), resolve, configured: names, ...more };
}

/** What it comes to, and after how long. */
async function gathered(clock: FakeClock, given: BootstrapOptions, nodes = known, trust = false) {
  let result: Awaited<ReturnType<typeof gatherBootstrap>> | null = null;
  void gatherBootstrap(given, nodes, trust, never).then((value) => {
    result = value;
  });
  const afterMs = await clock.until(() => result !== null, 10_000);
  return { afterMs, ...(result as unknown as Awaited<ReturnType<typeof gatherBootstrap>>) };
}

describe("whom to ask first", () => {
  test("literal addresses and nodes met before need no name", async () => {
    const clock = new FakeClock();
    const resolve = () => Promise.reject(new Error("must not be asked"));
    const literal = { host: "192.0.2.1", port: 6881 };
    const { afterMs, ...rest } = await gathered(
      clock,
      options(clock, { configured: [literal, ...names], resolve }),
    );
    expect(afterMs).toBeLessThanOrEqual(5);
    expect(rest).toEqual({
      endpoints: [literal, ...known],
      problem: null,
    });
    expect((await gathered(clock, options(clock, { resolve }), known, true)).endpoints).toEqual(known);
  });

  test("a black-holed resolver costs three seconds, and the nodes met before remain", async () => {
    const clock = new FakeClock();
    const result = await gathered(clock, options(clock, { resolve: () => new Promise(() => {}) }));
    expect(result.afterMs).toBeLessThanOrEqual(3_010);
    expect(result.endpoints).toEqual(known);
  });

  test("a name that resolves does not wait for one that does not", async () => {
    const clock = new FakeClock();
    const resolve = (name: string): Promise<string[]> =>
      name === "one.example" ? Promise.resolve(["192.0.2.1", "2001:db8::1"]) : new Promise(() => {});
    const { afterMs, endpoints } = await gathered(clock, options(clock, { resolve }), []);
    expect(afterMs).toBeLessThanOrEqual(310);
    expect(endpoints).toEqual([{ host: "192.0.2.1", port: 6881 }]);
  });

  test("what is wrong is told", async () => {
    const clock = new FakeClock();
    const failed = await gathered(clock, options(clock), []);
    expect(failed).toMatchObject({ endpoints: [], problem: "one.example: no such name" });
    const configured = [{ host: "2001:db8::1", port: 6881 }];
    const ipv6 = await gathered(clock, options(clock, { configured }), []);
    expect(ipv6.problem).toBe("[2001:db8::1]:6881: the DHT engine has IPv4 only");
  });
});

describe("the file of nodes", () => {
  test("is read as the Go peer writes it", () => {
    const file = vectors<{ hex?: string }>("files").find(({ hex }) => hex !== undefined);
    const records = Buffer.from(file?.hex ?? "", "hex");
    expect(records).toHaveLength(76);
    // The second one is IPv6, which the engine does not have.
    expect(nodeAddresses(records)).toEqual([{ host: "203.0.113.5", port: 6881 }]);
  });

  test("may be damaged", () => {
    expect(nodeAddresses(new Uint8Array())).toEqual([]);
    expect(nodeAddresses(Buffer.alloc(37, 1))).toEqual([]);
    expect(nodeAddresses(Buffer.alloc(380_000, 0))).toEqual([]);
  });
});
