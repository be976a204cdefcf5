import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Endpoint } from "../../../../src/core/types.ts";
import { StunServers } from "../../../../src/discovery/stun/servers.ts";
import { StunLayer } from "../../../../src/discovery/stun/stunLayer.ts";
import type { StunFindings } from "../../../../src/discovery/stun/verdict.ts";
import { MetricsRegistry } from "../../../../src/observe/metrics.ts";
import { MemoryLog } from "../../support/memoryLog.ts";
import { seededRandom } from "../../support/seededRandom.ts";
import { FakeClock } from "../fakeClock.ts";
import { cone, FakeServers, type Nat, symmetric } from "./fakeServers.ts";

const OWN = "192.168.1.2";
const FIRST = { host: "198.51.100.1", port: 3478 };
const SECOND = { host: "198.51.100.2", port: 3478 };
const THIRD = { host: "198.51.100.3", port: 3478 };
const keepsPort: Nat = ({ port }) => ({ host: "203.0.113.9", port });

let clock: FakeClock;
let internet: FakeServers;
let found: { atMs: number; findings: StunFindings | null }[];
let needed: boolean;
let log: MemoryLog;
let metrics: MetricsRegistry;
let layer: StunLayer;
let end: AbortController;
let task: Promise<void>;
let names: Map<string, () => Promise<string[]>>;
let resolved: string[];

beforeEach(() => {
  clock = new FakeClock();
  internet = new FakeServers(clock, keepsPort);
  for (const server of [FIRST, SECOND]) internet.add(server);
  found = [];
  needed = true;
  log = new MemoryLog();
  metrics = new MetricsRegistry();
  names = new Map();
  resolved = [];
});

afterEach(async () => {
  end.abort();
  layer.close();
  await clock.advance(1);
  await task;
});

async function start(servers: readonly Endpoint[] = [FIRST, SECOND], own: string[] = [OWN]): Promise<void> {
  const resolve = (name: string): Promise<string[]> => {
    resolved.push(name);
    return names.get(name)?.() ?? Promise.reject(new Error("no such name"));
  };
  layer = new StunLayer({
    ...{ clock, log, metrics, random: seededRandom("layer") },
    servers: new StunServers({ clock, servers, resolve }),
    sockets: [
      { name: "control", socket: internet.socket(OWN, () => 52_000), port: () => 52_000 },
      { name: "wireguard", socket: internet.socket(OWN, () => 51_820), port: () => 51_820 },
    ],
    ownAddresses: () => own,
    needed: () => needed,
    found: (findings) => void found.push({ atMs: clock.monotonicMs(), findings }),
  });
  end = new AbortController();
  task = layer.run(end.signal);
  await clock.advance(0);
}

/** When rounds began, told by the first request of each. */
function rounds(): number[] {
  const times = internet.requests.map(({ atMs }) => atMs);
  return times.filter((atMs, index) => index === 0 || atMs - (times[index - 1] as number) > 1_500);
}

describe("what is found", () => {
  test("both sockets are asked at once, of all servers, and the answer is there after one round trip", async () => {
    await start();
    expect(internet.requests.map(({ from, to }) => `${from} ${to}`).sort()).toEqual([
      "51820 198.51.100.1:3478",
      "51820 198.51.100.2:3478",
      "52000 198.51.100.1:3478",
      "52000 198.51.100.2:3478",
    ]);
    await clock.advance(20);
    expect(found.at(-1)).toMatchObject({
      atMs: 20,
      findings: {
        control: {
          ipv4: { mapping: "independent", mapped: { host: "203.0.113.9", port: 52_000 } },
          ipv6: null,
        },
        wireguard: { ipv4: { mapping: "independent", mapped: { host: "203.0.113.9", port: 51_820 } } },
      },
    });
    expect(layer.status()).toEqual({
      name: "stun",
      state: "running",
      detail: "203.0.113.9:51820 (cone); 2 of 2 servers answer",
      lastError: null,
    });
  });

  test("a symmetric NAT", async () => {
    internet.nat = symmetric("203.0.113.9");
    await start();
    await clock.advance(20);
    expect(found.at(-1)?.findings?.wireguard?.ipv4?.mapping).toBe("dependent");
    expect(layer.status().detail).toContain("(symmetric)");
  });

  test("no NAT", async () => {
    internet.nat = (own) => own;
    await start();
    await clock.advance(20);
    expect(found.at(-1)?.findings?.control.ipv4?.mapping).toBe("none");
  });

  test("a dead server delays nothing when two others agree", async () => {
    await start([FIRST, SECOND, THIRD]);
    await clock.advance(20);
    expect(found.at(-1)?.findings?.wireguard?.ipv4?.mapping).toBe("independent");
    await clock.advance(3_000);
    expect(layer.status()).toMatchObject({
      state: "running",
      detail: "203.0.113.9:51820 (cone); 2 of 3 servers answer",
      lastError: "198.51.100.3:3478: no answer",
    });
    const questions = metrics.counter("wgmesh_stun_questions_total", "questions to STUN servers", {
      socket: ["control", "wireguard"],
      outcome: ["answered", "unanswered"],
    });
    expect(questions.value({ socket: "wireguard", outcome: "unanswered" })).toBe(1);
    expect(questions.value({ socket: "control", outcome: "answered" })).toBe(2);
  });

  test("one server alone tells the address but not the kind", async () => {
    internet.setAnswers(false, SECOND);
    await start();
    await clock.advance(3_000);
    expect(found).toHaveLength(1);
    expect(found[0]?.findings?.wireguard?.ipv4).toEqual({
      mapping: "unknown",
      mapped: { host: "203.0.113.9", port: 51_820 },
    });
  });

  test("one liar among three changes nothing", async () => {
    internet.add(THIRD, 1);
    internet.lie = ({ host }) => (host === THIRD.host ? { host: "192.0.2.66", port: 666 } : null);
    await start([THIRD, FIRST, SECOND]);
    await clock.advance(20);
    expect(found.map(({ findings }) => findings?.wireguard?.ipv4?.mapped.host)).toEqual(
      found.map(() => "203.0.113.9"),
    );
    expect(found.length).toBeGreaterThan(0);
  });

  test("in a later round the first answers do not take back what slow servers told", async () => {
    const slow = internet.add({ host: "2001:db8::5", port: 3478 }, 200);
    await start([FIRST, SECOND, slow], [OWN, "2001:db8:1::2"]);
    internet.nat = (own, to) =>
      to.host.includes(":")
        ? { host: "2001:db8:1::2", port: own.port }
        : cone({ host: "203.0.113.9", port: 7 })(own, to);
    await clock.advance(60_000);
    const later = found.filter(({ atMs }) => atMs > 10_000);
    expect(later.length).toBeGreaterThan(0);
    for (const { findings } of later) expect(findings?.wireguard?.ipv6?.mapping).toBe("none");
  });
});

describe("IPv6", () => {
  const six = { host: "2001:db8::5", port: 3478 };

  test("is asked over where the host has an address of it", async () => {
    internet.add(six);
    internet.nat = (own, to) => ({
      host: to.host.includes(":") ? "2001:db8:1::2" : "203.0.113.9",
      port: own.port,
    });
    await start([FIRST, six], [OWN, "2001:db8:1::2"]);
    await clock.advance(20);
    expect(found.at(-1)?.findings?.wireguard).toMatchObject({
      ipv4: { mapping: "unknown" },
      ipv6: { mapping: "none", mapped: { host: "2001:db8:1::2", port: 51_820 } },
    });
  });

  test("and nowhere else", async () => {
    await start([FIRST, six]);
    await clock.advance(3_000);
    expect(internet.requests.filter(({ to }) => to.startsWith("["))).toEqual([]);
  });
});

describe("pace", () => {
  test("every 20 to 26 s while somebody is not connected, at random", async () => {
    await start();
    await clock.advance(20 * 60_000);
    const times = rounds();
    const pauses = times.slice(1).map((atMs, index) => atMs - (times[index] as number));
    expect(pauses.length).toBeGreaterThanOrEqual(45);
    for (const pause of pauses) expect(pause).toBeGreaterThanOrEqual(20_000);
    for (const pause of pauses) expect(pause).toBeLessThanOrEqual(26_100);
    expect(Math.max(...pauses) - Math.min(...pauses)).toBeGreaterThan(3_000);
  });

  test("every five minutes when all is calm, and soon after it is not any more", async () => {
    needed = false;
    await start();
    await clock.advance(11 * 60_000);
    expect(rounds()).toHaveLength(3);
    needed = true;
    await clock.advance(26_000);
    expect(rounds()).toHaveLength(4);
  });

  test("unreachable servers are asked less and less often; one line in the log tells, one more when they are back", async () => {
    internet.setAnswers(false);
    needed = false;
    await start();
    await clock.advance(10 * 60_000);
    const soon = rounds().length;
    expect(soon).toBeLessThan(60);
    await clock.advance(50 * 60_000);
    expect(rounds().length - soon).toBeGreaterThan(5);
    expect(rounds().length - soon).toBeLessThan(15);
    expect(found.every(({ findings }) => findings === null)).toBe(true);
    expect(layer.status()).toEqual({
      name: "stun",
      state: "degraded",
      detail: "none of 2 servers answers",
      lastError: "198.51.100.2:3478: no answer",
    });
    internet.setAnswers(true);
    await clock.advance(6 * 60_000);
    expect(layer.status().state).toBe("running");
    expect(log.lines.map(({ message }) => message)).toEqual([
      "no STUN server answers",
      "STUN servers answer again",
    ]);
  });

  test("servers that never answered, and that nobody waits for, soon every five minutes", async () => {
    internet.setAnswers(false);
    needed = false;
    await start();
    await clock.advance(60_000);
    expect(rounds().length).toBeLessThanOrEqual(8);
    const soon = rounds().length;
    await clock.advance(10 * 60_000);
    expect(rounds().length - soon).toBeLessThanOrEqual(6);
    needed = true;
    await clock.advance(26_000);
    const before = rounds().length;
    await clock.advance(60_000);
    expect(rounds().length - before).toBeGreaterThan(8);
  });

  test("servers that answered before, every few seconds for some minutes of an outage", async () => {
    needed = false;
    await start();
    await clock.advance(10_000);
    internet.setAnswers(false);
    layer.networkChanged();
    await clock.advance(60_000);
    expect(rounds().length).toBeGreaterThan(10);
  });

  test("while somebody waits, back within 30 s of the servers", async () => {
    internet.setAnswers(false);
    await start();
    await clock.advance(30 * 60_000);
    internet.setAnswers(true);
    await clock.advance(30_000);
    expect(layer.status().state).toBe("running");
  });
});

describe("another network", () => {
  test("is asked about at once, once for several messages of netlink", async () => {
    await start();
    await clock.advance(5_000);
    internet.nat = cone({ host: "192.0.2.50", port: 9 });
    for (let message = 0; message < 5; message += 1) {
      layer.networkChanged();
      await clock.advance(10);
    }
    await clock.advance(100);
    expect(internet.requests).toHaveLength(8);
    expect(found.at(-1)?.findings?.wireguard?.ipv4?.mapped.host).toBe("192.0.2.50");
  });

  test("answers that come from the one before do not count", async () => {
    await start();
    await clock.advance(10);
    layer.networkChanged();
    internet.nat = () => null;
    await clock.advance(50);
    expect(found).toEqual([]);
  });

  test("names are looked up again", async () => {
    names.set("stun.example", async () => [FIRST.host]);
    await start([{ host: "stun.example", port: 3478 }, SECOND]);
    await clock.advance(60_000);
    expect(resolved).toEqual(["stun.example"]);
    layer.networkChanged();
    await clock.advance(1_000);
    expect(resolved).toEqual(["stun.example", "stun.example"]);
  });

  test("doubt asks at once, but less and less often when it is none", async () => {
    await start();
    await clock.advance(2_100);
    layer.doubt();
    await clock.advance(20);
    expect(internet.requests).toHaveLength(8);
    needed = false;
    await clock.advance(30_000);
    const before = internet.requests.length;
    for (let times = 0; times < 240; times += 1) {
      layer.doubt();
      await clock.advance(1_000);
    }
    expect(internet.requests.length - before).toBeLessThanOrEqual(4 * 7);
    layer.networkChanged();
    await clock.advance(2_100);
    const later = internet.requests.length;
    layer.doubt();
    await clock.advance(10);
    expect(internet.requests.length).toBe(later + 4);
  });
});

describe("names", () => {
  test("one that is not resolved in time delays nobody else", async () => {
    names.set("slow.example", () => new Promise(() => {}));
    await start([{ host: "slow.example", port: 3478 }, FIRST, SECOND]);
    await clock.advance(20);
    expect(found.at(-1)?.findings?.wireguard?.ipv4?.mapping).toBe("independent");
    await clock.advance(3_000);
    expect(layer.status()).toMatchObject({
      state: "running",
      lastError: "slow.example: not resolved in time",
    });
  });

  test("no name works: degraded, with the reason", async () => {
    await start([{ host: "stun.example", port: 3478 }]);
    await clock.advance(10);
    expect(layer.status()).toMatchObject({ state: "degraded", lastError: "stun.example: no such name" });
  });

  test("a server that fell silent may have moved: its name is looked up again", async () => {
    names.set("stun.example", async () => [FIRST.host]);
    await start([{ host: "stun.example", port: 3478 }]);
    await clock.advance(1_000);
    internet.setAnswers(false, FIRST);
    names.set("stun.example", async () => [THIRD.host]);
    internet.add(THIRD);
    await clock.advance(60_000);
    expect(layer.status().state).toBe("running");
  });

  test("the same server given twice is asked once", async () => {
    await start([FIRST, FIRST]);
    await clock.advance(20);
    expect(internet.requests).toHaveLength(2);
  });
});
