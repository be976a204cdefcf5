/** A name server of our own on 127.0.0.1, which answers by a small table. */
import { createSocket, type Socket } from "node:dgram";
import { isIPv4 } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { resolveByDns } from "../../../src/discovery/dnsResolver.ts";

const A = 1;
const AAAA = 28;
const NAME_ERROR = 3;

const table: Readonly<Record<string, readonly string[]>> = {
  "both.example": ["192.0.2.1", "192.0.2.2", "2001:db8::1"],
  "four.example": ["192.0.2.4"],
};

let server: Socket;
let servers: string[];
/** `name type`, in the order they came. */
let questions: string[];

beforeEach(async () => {
  questions = [];
  server = createSocket("udp4");
  server.on("message", (query, { port, address }) => {
    const answer = answerTo(query);
    if (answer !== null) server.send(answer, port, address);
  });
  await new Promise<void>((bound) => server.bind(0, "127.0.0.1", bound));
  servers = [`127.0.0.1:${server.address().port}`];
});

afterEach(() => {
  server.close();
});

/** RFC 1035. Null for a name that nobody answers for. */
function answerTo(query: Buffer): Buffer | null {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = query.readUInt16BE(at + 1);
  const name = labels.join(".");
  questions.push(`${name} ${type}`);
  if (name === "silent.example") return null;
  const held = table[name];
  const found = (held ?? []).filter((address) => (isIPv4(address) ? A : AAAA) === type);
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8180 | (held === undefined ? NAME_ERROR : 0), 2);
  header.writeUInt16BE(found.length, 6);
  header.fill(0, 8);
  return Buffer.concat([header, query.subarray(12, at + 5), ...found.map(record)]);
}

function record(address: string): Buffer {
  const data = isIPv4(address)
    ? Buffer.from(address.split(".").map(Number))
    : Buffer.from("20010db8000000000000000000000001", "hex");
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(isIPv4(address) ? A : AAAA, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(60, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

test("all addresses of both families, or of the wanted one, for which alone is asked", async () => {
  const both = await resolveByDns("both.example", { servers });
  expect(both.sort()).toEqual(["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
  questions = [];
  expect(await resolveByDns("both.example", { servers, families: [4] })).toHaveLength(2);
  expect(questions).toEqual([`both.example ${A}`]);
});

test("one family is enough", async () => {
  expect(await resolveByDns("four.example", { servers })).toEqual(["192.0.2.4"]);
});

test("a name that the servers do not know is looked for in the hosts file", async () => {
  expect(await resolveByDns("localhost", { servers, families: [4] })).toEqual(["127.0.0.1"]);
});

test("a server that says nothing is no reason to wait for another resolver", async () => {
  await expect(resolveByDns("silent.example", { servers, families: [4] })).rejects.toThrow(/ETIMEOUT/);
});

test("ends with its signal, before and while it asks", async () => {
  const controller = new AbortController();
  const signal = controller.signal;
  const asked = resolveByDns("silent.example", { servers, signal });
  setTimeout(() => controller.abort(new Error("enough")), 100);
  const startMs = performance.now();
  await expect(asked).rejects.toThrow(/ECANCELLED|enough/);
  expect(performance.now() - startMs).toBeLessThan(1_000);
  await expect(resolveByDns("four.example", { servers, signal })).rejects.toThrow("enough");
});
