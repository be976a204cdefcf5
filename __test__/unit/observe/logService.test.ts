import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { logSocket } from "../../../src/daemon/os.ts";
import { journalEntry, journalName } from "../../../src/observe/journalEntry.ts";
import { LogService } from "../../../src/observe/logService.ts";
import { MAX_SYSLOG_BYTES, syslogLine } from "../../../src/observe/syslogLine.ts";
import { journalFields, LogSink } from "../../mesh/harness/logSink.ts";
import { until } from "../../mesh/harness/time.ts";

const lineOf = (fields: Record<string, unknown>): string =>
  `${JSON.stringify({ level: "warn", time: "2026-01-02T03:04:05.678Z", ...fields })}\n`;

const decoded = (line: string, json = false): Record<string, string> =>
  journalFields({ data: journalEntry(line, { interfaceName: "wg0", json }), asFile: false });

describe("an entry of the journal", () => {
  test("has the sentence, the priority, who speaks, and each field of the line by a name of its own", () => {
    const line = lineOf({ module: "mesh", meshIp: "10.1.2.3", peers: 3, to: ["a", "b"], msg: "peer seen" });
    expect(decoded(line)).toEqual({
      MESSAGE: 'mesh: peer seen  meshIp=10.1.2.3 peers=3 to=["a","b"]',
      PRIORITY: "4",
      SYSLOG_IDENTIFIER: "wgmeshd",
      SYSLOG_FACILITY: "3",
      WGMESH_INTERFACE: "wg0",
      WGMESH_TIME: "2026-01-02T03:04:05.678Z",
      WGMESH_MODULE: "mesh",
      WGMESH_MESH_IP: "10.1.2.3",
      WGMESH_PEERS: "3",
      WGMESH_TO: '["a","b"]',
    });
    expect(decoded(line, true).MESSAGE).toBe(line.trimEnd());
  });

  test("cannot be continued by a value with line breaks", () => {
    const reason = "first\nPRIORITY=0\n\nMESSAGE=forged";
    const fields = decoded(lineOf({ reason, msg: "x" }));
    expect(fields).toMatchObject({ PRIORITY: "4", WGMESH_REASON: reason });
    expect(fields.MESSAGE).toBe('x  reason="first\\nPRIORITY=0\\n\\nMESSAGE=forged"');
  });

  test("has names that journald takes, whatever the field is called", () => {
    const names = ["durationMs", "ipv6", "a-b.c=d\n", "x".repeat(100), "é"].map(journalName);
    expect(names.slice(0, 3)).toEqual(["WGMESH_DURATION_MS", "WGMESH_IPV6", "WGMESH_A_B_C_D_"]);
    for (const name of names) expect(name).toMatch(/^WGMESH_[A-Z0-9_]{1,57}$/);
  });
});

describe("a line of syslog", () => {
  const bytes = (fields: Record<string, unknown>, json = false): string =>
    syslogLine(lineOf(fields), { pid: 4711, json }).toString();

  test("has facility daemon and the severity, the time of the machine, name and PID", () => {
    const at = new Date("2026-01-02T03:04:05.678Z");
    const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map((value) =>
      String(value).padStart(2, "0"),
    );
    const stamp = `Jan ${String(at.getDate()).padStart(2)} ${clock.join(":")}`;
    expect(bytes({ module: "rpc", msg: "called" })).toBe(`<28>${stamp} wgmeshd[4711]: rpc: called`);
    const severities = ["debug", "info", "warn", "error"].map((level) => bytes({ level }).slice(0, 4));
    expect(severities).toEqual(["<31>", "<30>", "<28>", "<27>"]);
    expect(bytes({ msg: "called" }, true)).toContain('wgmeshd[4711]: {"level":"warn"');
  });

  test("stays one line, and says how much is cut of one that is too long, within no character", () => {
    expect(bytes({ msg: "x", reason: "a\n<0>b" })).not.toContain("\n");
    for (const letter of ["x", "ü", "€", "😀"]) {
      const line = syslogLine(lineOf({ msg: letter.repeat(20_000) }), { pid: 4711, json: false });
      expect(line.length).toBeLessThanOrEqual(MAX_SYSLOG_BYTES);
      expect(line.length).toBeGreaterThan(MAX_SYSLOG_BYTES - 10);
      expect(line.toString()).not.toContain("�");
      const left = Number(/ \[… (\d+) bytes cut\]$/.exec(line.toString())?.[1]);
      const note = Buffer.byteLength(` [… ${left} bytes cut]`);
      const head = Buffer.byteLength(bytes({ msg: "" }));
      expect(line.length - note + left).toBe(head + Buffer.byteLength(letter) * 20_000);
    }
  });
});

/** A service that takes lines, has no room, or is away. */
function makeService() {
  const told: (string | null | number)[] = [];
  const taken: string[] = [];
  const state: { now: "takes" | "full" | "away" } = { now: "takes" };
  const service = new LogService({
    encode: (line) => Buffer.from(line),
    send: (entry) => {
      if (state.now === "away") throw new Error("nobody is there");
      if (state.now === "full") return false;
      taken.push(Buffer.from(entry).toString());
      return true;
    },
    onTrouble: (reason) => told.push(reason),
    onLost: (lines) => told.push(lines),
  });
  return { service, state, taken, told };
}

describe("a log service", () => {
  test("that is away for a while is told once, and gets what waited, in order, before what is new", () => {
    const { service, state, taken, told } = makeService();
    service.write("1");
    state.now = "away";
    for (const line of ["2", "3"]) service.write(line);
    expect(service.retry()).toBe(false);
    expect(told).toEqual(["nobody is there"]);
    state.now = "takes";
    service.write("4");
    expect(taken).toEqual(["1", "2", "3", "4"]);
    expect(told).toEqual(["nobody is there", null]);
  });

  test("that is slow is no trouble; one that takes nothing costs lines beyond 1 MiB, which are counted", () => {
    const { service, state, taken, told } = makeService();
    state.now = "full";
    const line = "x".repeat(1000);
    for (let count = 0; count < 1048; count += 1) service.write(line);
    expect(told).toEqual([]);
    for (let count = 0; count < 52; count += 1) service.write(line);
    expect(told).toEqual([expect.stringContaining("lost")]);
    state.now = "takes";
    expect(service.retry()).toBe(true);
    expect(taken).toHaveLength(1048);
    expect(told.slice(1)).toEqual([null, 52]);
    service.write("next");
    expect(taken.at(-1)).toBe("next");
    expect(told).toHaveLength(3);
  });

  test("that stops in the middle keeps the rest in order", () => {
    const { service, state, taken } = makeService();
    state.now = "full";
    for (const line of ["1", "2", "3"]) service.write(line);
    const push = taken.push.bind(taken);
    taken.push = (line) => {
      state.now = "full";
      return push(line);
    };
    for (let turn = 0; turn < 3; turn += 1) {
      state.now = "takes";
      service.retry();
    }
    expect([...taken]).toEqual(["1", "2", "3"]);
  });
});

describe("the socket of a log service", () => {
  let folder: string;
  let sink: LogSink | null = null;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "wgmesh-sink-"));
  });

  afterEach(async () => {
    await sink?.close();
    sink = null;
    rmSync(folder, { recursive: true });
  });

  test("takes datagrams, a sealed file for what is too long, and is found again when it is made anew", async () => {
    const path = join(folder, "socket");
    expect(() => logSocket(path)).toThrow(expect.objectContaining({ code: "ENOENT" }));
    sink = await LogSink.open(path);
    const socket = logSocket(path);
    expect(socket.send(Buffer.from("one"))).toBe(true);
    const long = journalEntry(lineOf({ msg: "long", reason: "line\n".repeat(500_000) }), {
      interfaceName: "wg0",
      json: false,
    });
    expect(() => socket.send(long)).toThrow(expect.objectContaining({ code: "EMSGSIZE" }));
    expect(socket.sendAsFile(long)).toBe(true);
    const first = sink.received;
    await until("both came", 5000, () => Promise.resolve(first.length === 2));
    expect(first.map(({ asFile }) => asFile)).toEqual([false, true]);
    expect(first[0]?.data.toString()).toBe("one");
    expect(first[1] && journalFields(first[1]).WGMESH_REASON).toBe("line\n".repeat(500_000));

    await sink.close();
    expect(() => socket.send(Buffer.from("two"))).toThrow(expect.objectContaining({ code: "ENOENT" }));
    sink = await LogSink.open(path);
    expect(socket.send(Buffer.from("three"))).toBe(true);
    const second = sink.received;
    await until("it came", 5000, () => Promise.resolve(second.length === 1));
    expect(second[0]?.data.toString()).toBe("three");
  });
});
