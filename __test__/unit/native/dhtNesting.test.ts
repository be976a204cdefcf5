/**
 * The decoder of the DHT's engine calls itself for each level of nesting, and a stack that overflows ends the process. The deepest
 * datagrams there can be must need little of it: here the thread has half of what it has in life (768 KiB are too few).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, expect, test } from "vitest";

const address = "127.0.0.1";
/** Rust gives a thread 2 MiB. */
const stackBytes = 1 << 20;
/** As many bytes as one UDP datagram over IPv4 has; the engine's buffer takes 2,048 of them. */
const sizes = [2_048, 65_507];

let child: ChildProcess | null = null;
let socket: Socket | null = null;

afterEach(async () => {
  socket?.close();
  child?.kill("SIGKILL");
  if (child !== null && child.exitCode === null && child.signalCode === null) await once(child, "exit");
});

/** So many levels as fit, and closed where there is room for it. */
function nested(open: string, close: string, head: string, bytes: number): readonly string[] {
  const room = bytes - head.length;
  const deepest = open.repeat(Math.floor(room / open.length));
  const pairs = Math.floor(room / (open.length + close.length));
  return [head + deepest, head + open.repeat(pairs) + close.repeat(pairs)];
}

/** Nests where a node looks, and where it does not. */
function deepest(): readonly Buffer[] {
  const id = "20:aaaaaaaaaaaaaaaaaaaa";
  const heads = [
    "",
    "d1:a",
    "d1:q",
    "d1:r",
    `d1:rd2:id${id}1:v`,
    `d1:rd2:id${id}6:values`,
    "d1:e",
    "d1:t4:aaaa1:y1:q1:z",
    "d1:ad2:id",
  ];
  const levels = [
    ["l", "e"],
    ["d0:", "e"],
    ["d1:a", "e"],
    ["ld1:a", "ee"],
    ["d1:ad2:id", "ee"],
  ] as const;
  const texts = sizes.flatMap((bytes) =>
    heads.flatMap((head) => levels.flatMap(([open, close]) => nested(open, close, head, bytes))),
  );
  // Many names in place of many levels.
  const names = (bytes: number): string =>
    `d${Array.from({ length: Math.floor(bytes / 9) }, (_, index) => `4:${String(index).padStart(4, "0")}0:`).join("")}e`.slice(
      0,
      bytes,
    );
  return [...texts, ...sizes.map(names)].map((text) => Buffer.from(text, "latin1"));
}

test("the deepest datagrams do not end a node, with half of its stack", async () => {
  const target = spawn(process.execPath, [path.join(import.meta.dirname, "dhtTarget.mjs")], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, RUST_MIN_STACK: String(stackBytes) },
  });
  child = target;
  let trouble = "";
  target.stderr.on("data", (text: Buffer) => {
    trouble += text.toString();
  });
  const [line] = (await once(createInterface(target.stdout), "line")) as [string];
  const port = Number(line);
  const from = createSocket("udp4");
  socket = from;
  let answers = 0;
  from.on("message", () => {
    answers += 1;
  });
  const send = (data: Buffer): Promise<unknown> =>
    new Promise((resolve) => from.send(data, port, address, resolve));
  const ping = Buffer.from("d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t4:aaaa1:y1:qe");
  let pings = 0;
  for (const datagram of deepest()) {
    await send(datagram);
    await send(ping);
    pings += 1;
    for (let tries = 0; answers < pings && tries < 200; tries += 1) {
      if (target.exitCode !== null || target.signalCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(`${datagram.subarray(0, 30).toString("latin1")} ${target.signalCode} ${trouble}`).toMatch(
      / null $/,
    );
    expect(answers).toBe(pings);
  }
  expect(pings).toBeGreaterThan(150);
});
