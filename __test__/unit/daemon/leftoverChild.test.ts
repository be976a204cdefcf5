import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeHost, FakeNode } from "./fakeNode.ts";

let host: FakeHost;
beforeEach(() => {
  host = new FakeHost();
});
afterEach(() => host.remove());

async function started(options: ConstructorParameters<typeof FakeNode>[1]): Promise<FakeNode> {
  const fake = new FakeNode(host, options);
  await fake.node.open();
  await fake.node.close();
  return fake;
}

describe("the child of a killed daemon", () => {
  test("is ended before anything else is touched, and that is told", async () => {
    const fake = await started({ leftoverChild: 4711 });
    const at = fake.events.indexOf("end-leftover wg0.child.json");
    expect(at).toBeGreaterThanOrEqual(0);
    expect(at).toBeLessThan(fake.events.indexOf("open interface"));
    expect(fake.log.of("ended the wireguard-go of a killed daemon")).toEqual([
      expect.objectContaining({ pid: 4711 }),
    ]);
  });

  test("that cannot be ended is told, and the start goes on", async () => {
    const on = (event: string): void => {
      if (event.startsWith("end-leftover")) throw new Error("EBUSY: it does not end");
    };
    const fake = await started({ on });
    expect(fake.log.of("child process of an earlier run not ended")).toEqual([
      expect.objectContaining({ reason: "EBUSY: it does not end" }),
    ]);
    expect(fake.events).toContain("discovery start");
  });

  test("that is not there is not told", async () => {
    const fake = await started({});
    expect(fake.log.of("ended the wireguard-go of a killed daemon")).toEqual([]);
  });
});
