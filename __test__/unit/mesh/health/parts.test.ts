import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import type { IpAddress } from "../../../../src/core/types.ts";
import { askThrough } from "../../../../src/mesh/health/ask.ts";
import { otherPlaces } from "../../../../src/mesh/health/places.ts";
import { Questions } from "../../../../src/mesh/health/questions.ts";
import { ProbeListener } from "../../../../src/mesh/probeListener.ts";
import { settle } from "../../support/settle.ts";
import { keyOf, peer } from "../peers.ts";

const LOCAL = "127.0.0.1" as IpAddress;
const PATHS = [{ from: LOCAL, to: LOCAL }];
const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close();
});

async function serve(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket.on("error", () => {}));
    onConnection(socket);
  });
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  await new Promise<void>((resolve) => server.listen(0, LOCAL, resolve));
  return (server.address() as { port: number }).port;
}

describe("a question", () => {
  test("is answered by a probe listener, which knows who asked, once a connection", async () => {
    const asked: string[] = [];
    const listener = new ProbeListener({
      ...{ clock: systemClock, addresses: [LOCAL], port: 0 },
      asked: (from) => asked.push(from),
    });
    open.push(listener);
    await listener.open();
    const [port = 0] = listener.ports();
    expect(await askThrough(PATHS, port, systemClock, 2_000)).toBe(true);
    expect(await askThrough(PATHS, port, systemClock, 2_000)).toBe(true);
    expect(asked).toEqual([LOCAL, LOCAL]);
  });

  test("is answered by a refusal too: that came from there", async () => {
    const port = await serve(() => {});
    for (const thing of open.splice(0)) await thing.close();
    await settle();
    expect(await askThrough(PATHS, port, systemClock, 2_000)).toBe(true);
  });

  test.each([
    ["nothing", (_: Socket): void => {}],
    ["something else", (socket: Socket): void => void socket.write("HTTP/1.1 400\r\n")],
    ["an end", (socket: Socket): void => void socket.destroy()],
  ])("is not answered by %s", async (_, doing) => {
    const port = await serve(doing);
    expect(await askThrough(PATHS, port, systemClock, 100)).toBe(false);
  });

  test("without a path is not answered", async () => {
    expect(await askThrough([], 1, systemClock, 50)).toBe(false);
  });
});

test("no more than 256 questions are under way, and the others follow", async () => {
  const questions = new Questions();
  const ends: (() => void)[] = [];
  for (let number = 0; number < 300; number += 1) {
    questions.add(() => new Promise((resolve) => ends.push(resolve)));
  }
  expect(ends.length).toBe(256);
  for (const end of ends.splice(0)) end();
  await settle();
  expect(ends.length).toBe(44);
});

describe("other places of a peer", () => {
  const endpoint = { host: "192.0.2.1", port: 51820 };
  const candidate = { host: "10.0.0.7", port: 51821 };
  const control = { host: "198.51.100.3", port: 4000 };
  const input = {
    peer: peer(1, { endpoint, candidates: [candidate, endpoint], controlEndpoint: control }),
    path: { kind: "direct", endpoint: null },
    current: endpoint,
    isAllowed: () => true,
  } as const;

  test("are its candidates and where its control socket is, each once, not where it is sent to already", () => {
    expect(otherPlaces(input)).toEqual([candidate, { host: control.host, port: endpoint.port }]);
  });

  test("are what it said when WireGuard sends elsewhere", () => {
    const current = { host: "203.0.113.1", port: 1 };
    expect(otherPlaces({ ...input, current })[0]).toEqual(endpoint);
  });

  test("are never in networks that are not to be sent to, nor names", () => {
    const named = peer(1, { endpoint: { host: "desk.example", port: 1 }, candidates: [candidate] });
    expect(otherPlaces({ ...input, peer: named, current: null })).toEqual([candidate]);
    expect(otherPlaces({ ...input, isAllowed: (host) => host !== candidate.host })).toEqual([
      { host: control.host, port: endpoint.port },
    ]);
  });

  test("are none behind a socket of ours: WireGuard must not leave it", () => {
    const via = { kind: "relayed", via: keyOf(2), endpoint: { host: "127.0.0.1", port: 9 } } as const;
    expect(otherPlaces({ ...input, path: via })).toEqual([]);
    expect(otherPlaces({ ...input, path: { kind: "forwarded", via: keyOf(2) } })).toEqual([]);
  });
});
