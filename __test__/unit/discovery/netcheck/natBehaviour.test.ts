import { beforeEach, describe, expect, test } from "vitest";
import { type Endpoint, endpointText } from "../../../../src/core/types.ts";
import { examine } from "../../../../src/discovery/netcheck/examine.ts";
import type { DatagramSocket } from "../../../../src/discovery/stun/client.ts";
import { decodeMessage, encodeMessage } from "../../../../src/discovery/stun/message.ts";
import { StunServers } from "../../../../src/discovery/stun/servers.ts";
import { seededRandom } from "../../support/seededRandom.ts";
import { FakeClock } from "../fakeClock.ts";

type Dependence = "independent" | "address" | "port";

const HOST = "203.0.113.9";
const FIRST = { host: "198.51.100.1", port: 3478 };
const SECOND = { host: "198.51.100.3", port: 3478 };
/** Of the first server (RFC 5780). */
const OTHER = { host: "198.51.100.2", port: 3479 };

let clock: FakeClock;
let mapping: Dependence;
let filtering: Dependence;
let offersOther: boolean;
let otherIsDead: boolean;
let refusesChange: boolean;
let alive: boolean;

beforeEach(() => {
  clock = new FakeClock();
  mapping = "independent";
  filtering = "independent";
  offersOther = true;
  otherIsDead = false;
  refusesChange = false;
  alive = true;
});

/** What a NAT tells destinations apart by. */
const keyOf = (by: Dependence, { host, port }: Endpoint): string =>
  by === "independent" ? "" : by === "address" ? host : `${host} ${port}`;

/** A socket behind a NAT of the kinds above, with servers behind that. */
function socketAt(port: number): DatagramSocket {
  const listeners = new Set<(data: Buffer, from: Endpoint) => void>();
  const mapped = new Map<string, number>();
  const written = new Set<string>();
  const answer = (data: Buffer, from: Endpoint): void => {
    if (!written.has(keyOf(filtering, from))) return;
    clock.after(10, () => {
      for (const listener of listeners) listener(data, from);
    });
  };
  return {
    send(data, to) {
      written.add(keyOf(filtering, to));
      const flow = keyOf(mapping, to);
      const outside = mapped.get(flow) ?? port + 1_000 + mapped.size;
      mapped.set(flow, outside);
      const request = decodeMessage(Buffer.from(data));
      const isOther = to.host === OTHER.host || to.port === OTHER.port;
      if (!alive || request === null || (isOther && otherIsDead)) return;
      const { changeRequest: change, transactionId } = request;
      if (change !== null && refusesChange) {
        answer(
          encodeMessage("error", transactionId, { error: { code: 420, reason: "Unknown Attribute" } }),
          to,
        );
        return;
      }
      const from = {
        host: change?.ip ? OTHER.host : to.host,
        port: change?.port ? OTHER.port : to.port,
      };
      if (change?.ip && otherIsDead) return;
      const otherAddress = offersOther && to.host === FIRST.host ? OTHER : null;
      answer(
        encodeMessage("success", transactionId, { mapped: { host: HOST, port: outside }, otherAddress }),
        from,
      );
    },
    onDatagram(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Twenty seconds, in steps: each outcome begins the next question. */
async function pass(): Promise<void> {
  for (let step = 0; step < 80; step += 1) await clock.advance(250);
}

async function check() {
  const report = examine({
    clock,
    random: seededRandom("check"),
    sockets: [
      { name: "control", socket: socketAt(10_000), port: 10_000 },
      { name: "probe", socket: socketAt(20_000), port: null },
    ],
    servers: new StunServers({
      clock,
      servers: [FIRST, SECOND, { host: "no.example", port: 3478 }],
      resolve: () => Promise.reject(new Error("no such name")),
    }),
    ownAddresses: ["192.168.1.2"],
    signal: new AbortController().signal,
  });
  await pass();
  return await report;
}

describe.each<Dependence>(["independent", "address", "port"])("mapping %s", (kind) => {
  test.each<Dependence>(["independent", "address", "port"])("filtering %s", async (filter) => {
    mapping = kind;
    filtering = filter;
    const { sockets, nat_type: natType } = await check();
    const [control, probe] = sockets;
    expect(probe).toMatchObject({ socket: "probe", mapping: kind, filtering: filter });
    // The control socket must not touch the second address, so it tells only that the mapping differs.
    expect(control).toMatchObject({
      socket: "control",
      mapping: kind === "independent" ? "independent" : "dependent",
      filtering: filter,
    });
    expect(natType).toBe(kind === "independent" ? "cone" : "symmetric");
  });
});

test("a second check of the same sockets finds the same filter", async () => {
  filtering = "port";
  const socket = socketAt(10_000);
  const ask = () =>
    examine({
      clock,
      random: seededRandom("again"),
      sockets: [{ name: "control", socket, port: 10_000 }],
      servers: new StunServers({ clock, servers: [FIRST, SECOND], resolve: async () => [] }),
      ownAddresses: [],
      signal: new AbortController().signal,
    });
  for (let times = 0; times < 3; times += 1) {
    const report = ask();
    await pass();
    expect((await report).sockets[0]?.filtering).toBe("port");
  }
});

test("a check that is cancelled ends at once and asks nobody any more", async () => {
  const cancel = new AbortController();
  const socket = socketAt(10_000);
  let sent = 0;
  const report = examine({
    clock,
    random: seededRandom("cancel"),
    sockets: [
      {
        name: "control",
        // Nobody answers.
        socket: {
          ...socket,
          send: () => {
            sent += 1;
          },
        },
        port: 10_000,
      },
    ],
    servers: new StunServers({ clock, servers: [FIRST, SECOND], resolve: async () => [] }),
    ownAddresses: [],
    signal: cancel.signal,
  });
  await clock.advance(1);
  const before = sent;
  expect(before).toBeGreaterThan(0);
  cancel.abort();
  expect((await report).servers.map(({ after_ms }) => after_ms)).toEqual([null, null]);
  await pass();
  expect(sent).toBe(before);
});

describe("unknown is not no", () => {
  test("no server offers RFC 5780: filtering is unknown", async () => {
    offersOther = false;
    const { sockets } = await check();
    expect(sockets.map((socket) => socket.filtering)).toEqual(["unknown", "unknown"]);
  });

  test("a second address that is dead says nothing about filters", async () => {
    otherIsDead = true;
    const { sockets } = await check();
    expect(sockets.map((socket) => socket.filtering)).toEqual(["unknown", "unknown"]);
  });

  test("a server that does not change its address says nothing about filters", async () => {
    refusesChange = true;
    const { sockets } = await check();
    expect(sockets.map((socket) => socket.filtering)).toEqual(["unknown", "unknown"]);
  });

  test("nobody answers: everything is unknown, and why is told of each server", async () => {
    alive = false;
    const report = await check();
    expect(report.nat_type).toBe("unknown");
    expect(report.sockets[0]).toEqual({
      socket: "control",
      family: "ipv4",
      mapped: null,
      mapping: "unknown",
      filtering: "unknown",
    });
    expect(report.servers).toEqual([
      { server: endpointText(FIRST), address: endpointText(FIRST), after_ms: null, error: "no answer" },
      { server: endpointText(SECOND), address: endpointText(SECOND), after_ms: null, error: "no answer" },
      { server: "no.example:3478", address: null, after_ms: null, error: "no such name" },
    ]);
  });
});

test("servers that answer are told with their time", async () => {
  const { servers } = await check();
  expect(servers[0]).toEqual({
    server: "198.51.100.1:3478",
    address: "198.51.100.1:3478",
    after_ms: 10,
    error: null,
  });
});
