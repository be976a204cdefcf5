import { afterEach, describe, expect, test } from "vitest";
import { LOSS_SECONDS, makeRelayLab, type RelayLab } from "./relayLab.ts";

let lab: RelayLab;

afterEach(async () => {
  await lab.end();
});

describe("two nodes that cannot reach each other", () => {
  test.each([[["a", "b"]], [["b", "a"]]])("take the same relay, whoever starts first (%j)", async (order) => {
    lab = await makeRelayLab({ relays: ["r1", "r2", "r3"], ends: order });
    const tookMs = await lab.untilRelayed("a", "b", 8_000);
    expect(tookMs).toBeGreaterThan(4_000);
    expect(lab.pathOf("a", "b")).toMatchObject({ via: lab.key(lab.relayOf("b", "a")) });
    expect(lab.world.bridges.size).toBe(2);
    expect([...lab.world.bridges].every(({ delivers }) => delivers)).toBe(true);
  });

  test("both behind symmetric NATs are relayed at once", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"], natType: "symmetric" });
    expect(await lab.untilRelayed("a", "b", 8_000)).toBeLessThan(1_500);
  });

  test("a punch that failed is reason enough", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"] });
    await lab.clock.until(() => lab.know("a", "b"), 3_000);
    for (const [own, other] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      lab.report(own, { kind: "punch-failed", publicKey: lab.key(other), reason: "no answer" });
    }
    expect(await lab.untilRelayed("a", "b", 8_000)).toBeLessThan(1_500);
  });

  test("with a direct handshake in time nobody is asked", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"] });
    await lab.clock.advance(3_000);
    lab.connect("a", "b");
    await lab.clock.advance(30_000);
    expect(lab.world.bridges.size).toBe(0);
    expect(lab.world.servers.size).toBe(0);
    expect(lab.pathOf("a", "b").kind).toBe("direct");
  });

  test("a relay that dies is replaced within seconds, the same by both", async () => {
    lab = await makeRelayLab({ relays: ["r1", "r2"], ends: ["a", "b"] });
    await lab.untilRelayed("a", "b", 8_000);
    lab.connect("a", "b");
    lab.traffic("a", "b");
    await lab.clock.advance(20_000);
    const first = lab.relayOf("a", "b");
    lab.kill(first);
    const tookMs = await lab.clock.until(
      () => lab.relayOf("a", "b") !== first && lab.isRelayed("a", "b"),
      30_000,
    );
    expect(tookMs).toBeLessThan(LOSS_SECONDS * 1_000);
    expect(lab.relayOf("a", "b")).toBe(lab.relayOf("b", "a"));
    await lab.clock.advance(20_000);
    expect(lab.world.bridges.size).toBe(2);
  });

  test("a relay that leaves is replaced at once", async () => {
    lab = await makeRelayLab({ relays: ["r1", "r2"], ends: ["a", "b"] });
    await lab.untilRelayed("a", "b", 8_000);
    lab.connect("a", "b");
    const first = lab.relayOf("a", "b");
    const farewell = lab.node(first).discovery.goodbye();
    const changed = () => lab.relayOf("a", "b") !== first && lab.isRelayed("a", "b");
    expect(await lab.clock.until(changed, 30_000)).toBeLessThan(1_000);
    await farewell;
  });

  test("without a relay, status says why there is no path, until there is one", async () => {
    lab = await makeRelayLab({ relays: [], ends: ["a", "b"], natType: "symmetric", others: ["o"] });
    await lab.clock.advance(25_000);
    const path = lab.pathOf("a", "b");
    expect(path).toMatchObject({ kind: "impossible", reason: expect.stringContaining("symmetric NATs") });
    expect(path).toMatchObject({ reason: expect.stringContaining("no trusted node") });
    await lab.addRelay("r1");
    await lab.untilRelayed("a", "b", 200_000);
  });

  test("only a trusted relay is taken, also by the end that follows", async () => {
    lab = await makeRelayLab({ relays: ["r1", "r2"], ends: ["a", "b"], trusted: ["r2"] });
    await lab.untilRelayed("a", "b", 20_000);
    expect([lab.relayOf("a", "b"), lab.relayOf("b", "a")]).toEqual(["r2", "r2"]);
  });

  test("where the lower key does nothing, the other leads", async () => {
    // The one that leads trusts nobody who is there.
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"], leaderTrustsNone: true });
    await lab.clock.advance(30_000);
    const asked = lab.offersSent("r1");
    expect(asked).toBeGreaterThan(0);
    expect(lab.isRelayed("a", "b")).toBe(false);
  });

  test("a relay that loses all it is given is given up for another", async () => {
    lab = await makeRelayLab({ relays: ["r1", "r2"], ends: ["a", "b"] });
    lab.corrupt(lab.firstChoice("a", "b"), () => "lose");
    await lab.untilRelayed("a", "b", 15_000);
    expect(lab.relayOf("a", "b")).not.toBe(lab.firstChoice("a", "b"));
  });

  test("a relay that answers echoes itself is not believed", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"] });
    // It sends back what it was given, and something of its own.
    lab.corrupt("r1", (data, from) => {
      from.arrive(data);
      from.arrive(lab.forgedEcho("r1", from));
      return "lose";
    });
    await lab.clock.advance(60_000);
    expect(lab.isRelayed("a", "b")).toBe(false);
    expect(lab.pathOf("a", "b")).toMatchObject({
      kind: "impossible",
      reason: expect.stringContaining("nothing came through"),
    });
  });
});

describe("with --force-relay", () => {
  test("a direct tunnel that works is no reason, nor a punch that answers", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"], forced: true });
    lab.connect("a", "b");
    expect(await lab.untilRelayed("a", "b", 20_000)).toBeLessThan(3_000);
    const end = lab.punchWorks("a", "b");
    await lab.clock.advance(60_000);
    end();
    expect(lab.isRelayed("a", "b")).toBe(true);
    expect(lab.pathOf("a", "r1").kind).toBe("direct");
  });
});

describe("a relay that lies", () => {
  test("by offering what nobody asked for takes few bridges, for seconds, and moves no path", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"], others: ["o"] });
    await lab.clock.until(() => lab.know("a", "b"), 3_000);
    lab.connect("a", "b");
    for (let index = 0; index < 20; index += 1)
      await lab.offer("r1", "a", "b", index.toString(16).padStart(16, "0"));
    expect(lab.world.of(lab.node("a").ip).length).toBeLessThanOrEqual(3);
    // One that does not say it relays is not even that.
    await lab.offer("o", "a", "r1", "00000000000000ff");
    expect(lab.world.of(lab.node("a").ip).length).toBeLessThanOrEqual(3);
    await lab.clock.advance(20_000);
    expect(lab.world.bridges.size).toBe(0);
    expect(lab.pathOf("a", "b").kind).toBe("direct");
  });
});

describe("a relayed peer", () => {
  test("stays relayed when a punch that began before says direct", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"] });
    await lab.untilRelayed("a", "b", 8_000);
    lab.node("a").context.paths.set(lab.key("b"), { kind: "direct", endpoint: null });
    expect(lab.isRelayed("a", "b")).toBe(true);
  });

  test("that leaves, leaves nothing behind", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"] });
    await lab.untilRelayed("a", "b", 8_000);
    lab.node("a").store.remove(lab.key("b"), "goodbye");
    expect(lab.pathOf("a", "b")).toEqual({ kind: "direct", endpoint: null });
    expect(lab.world.of(lab.node("a").ip)).toEqual([]);
  });
});

describe("the upgrade to direct", () => {
  test("comes after ten seconds of answers, both ends together, and the session goes when it has held", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"] });
    await lab.untilRelayed("a", "b", 8_000);
    lab.connect("a", "b");
    const end = lab.punchWorks("a", "b");
    const tookMs = await lab.clock.until(() => lab.pathOf("a", "b").kind === "direct", 30_000);
    expect(tookMs).toBeGreaterThanOrEqual(9_000);
    expect(tookMs).toBeLessThan(15_000);
    await lab.clock.advance(50);
    expect(lab.pathOf("a", "b")).toEqual({ kind: "direct", endpoint: lab.endpoint("b") });
    expect(lab.pathOf("b", "a")).toEqual({ kind: "direct", endpoint: lab.endpoint("a") });
    expect([...lab.world.bridges].map(({ delivers }) => delivers)).toEqual([false, false]);
    await lab.clock.advance(90_000);
    end();
    expect(lab.world.bridges.size).toBe(0);
    expect(lab.pathOf("a", "b").kind).toBe("direct");
  });

  test("a direct path that fails is left for the relay, and tried again ever more rarely", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"] });
    await lab.untilRelayed("a", "b", 8_000);
    lab.connect("a", "b");
    const end = lab.punchWorks("a", "b");
    const changes: number[] = [];
    lab.onPath("a", (path) => {
      if (path.kind === "direct") changes.push(lab.clock.monotonicMs());
      // The tunnel goes through the direct path now, and that is not as good as the punches said.
      lab.partTunnel("a", "b", path.kind === "direct");
    });
    await lab.clock.advance(30 * 60_000);
    end();
    const pauses = changes.slice(1).map((atMs, index) => atMs - (changes[index] ?? 0));
    expect(pauses.length).toBeGreaterThanOrEqual(3);
    expect(pauses.length).toBeLessThanOrEqual(6);
    for (const [index, pauseMs] of pauses.entries()) expect(pauseMs).toBeGreaterThan(60_000 * 2 ** index);
    expect(lab.isRelayed("a", "b")).toBe(true);
  });

  test("answers with gaps prove nothing", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"] });
    await lab.untilRelayed("a", "b", 8_000);
    lab.connect("a", "b");
    const end = lab.punchWorks("a", "b", 5_000);
    await lab.clock.advance(120_000);
    end();
    expect(lab.isRelayed("a", "b")).toBe(true);
  });
});

describe("a relay", () => {
  test("takes another limit while it relays, and the pair goes on", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"] });
    await lab.untilRelayed("a", "b", 8_000);
    const relay = lab.world.servers.values().next().value;
    lab.node("r1").discovery.tune({ relayLimitBytesPerSecond: 1_000_001 });
    expect(relay?.options).toMatchObject({ limitBytesPerSecond: 1_000_001, pairBytesPerSecond: 250_001 });
    expect([...lab.world.servers.values()]).toEqual([relay]);
    expect(lab.isRelayed("a", "b")).toBe(true);
  });

  test("serves no more pairs of one member than its share", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"] });
    await lab.untilRelayed("a", "b", 8_000);
    for (let index = 0; index < 60; index += 1) await lab.askFor("a", `ghost${index}`, "r1");
    expect(lab.world.server("192.0.2.1")?.sessionsById.size).toBe(32);
  });

  test("with --no-relay says that it does not, and nobody asks", async () => {
    lab = await makeRelayLab({ relays: [], ends: ["a", "b"], others: ["o"] });
    await lab.askFor("a", "b", "o");
    await lab.clock.advance(20_000);
    expect(lab.world.servers.size).toBe(0);
  });

  test("frees what nobody uses any more", async () => {
    lab = await makeRelayLab({ relays: ["r1"], ends: ["a", "b"] });
    await lab.untilRelayed("a", "b", 8_000);
    expect(lab.world.server("192.0.2.1")?.sessionsById.size).toBe(1);
    await lab.node("a").crash();
    await lab.node("b").crash();
    await lab.clock.advance(90_000);
    // Not even its port, and the thread behind it.
    expect(lab.world.server("192.0.2.1")).toBeUndefined();
  });
});
