import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type AuditEntry, type AuditQuery, lastAuditEntries } from "../../../src/core/audit.ts";
import { noTroubles } from "../../../src/core/troubles.ts";
import { AuditLog } from "../../../src/observe/auditLog.ts";
import { ManualClock } from "../support/manualClock.ts";

function place(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "wgmesh-audit-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return path.join(folder, "wg0.audit.jsonl");
}

const entry = (number: number, params: AuditEntry["params"] = { number }): Omit<AuditEntry, "time"> => ({
  actor: { kind: "token", name: "ops" },
  action: "config.set",
  params,
  outcome: "ok",
});

/** By this process, from whatever file. */
const bytesRead = (): number => Number(/^rchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);

const all: AuditQuery = { sinceMs: 0, beforeMs: null, limit: 10_000 };

test("entries are read back, those since a time, page by page, also through rotations", async () => {
  const [file, clock] = [place(), new ManualClock(0)];
  const audit = new AuditLog({ path: file, clock, troubles: noTroubles });
  const text = "x".repeat(10_000);
  for (let number = 0; number < 900; number += 1) {
    audit.note(entry(number, { number, text }));
    clock.advance(1_000);
  }
  audit.close();
  expect(readdirSync(path.dirname(file)).sort()).toEqual([
    "wg0.audit.jsonl",
    "wg0.audit.jsonl.1",
    "wg0.audit.jsonl.2",
  ]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const page = async (query: Partial<AuditQuery>): Promise<unknown[]> => {
    const { entries, more } = await lastAuditEntries(file, { ...all, ...query });
    return [...entries.map(({ params }) => params.number), ...(more ? ["more"] : [])];
  };
  expect(await page({ sinceMs: 897_000 })).toEqual([897, 898, 899]);
  expect(await page({ limit: 2 })).toEqual([898, 899, "more"]);
  expect(await page({ limit: 2, beforeMs: 2_000 })).toEqual([0, 1]);
  // A page is short when its lines are long.
  const read: unknown[] = [];
  for (let beforeMs: number | null = null; ; ) {
    const { entries, more } = await lastAuditEntries(file, { ...all, beforeMs });
    expect(entries.length).toBeLessThan(110);
    read.unshift(...entries.map(({ params }) => params.number));
    if (!more) break;
    beforeMs = Date.parse(String(entries[0]?.time));
  }
  expect(read).toEqual(Array.from({ length: 900 }, (_, index) => index));
});

test("entries of one millisecond are not parted by the end of a page", async () => {
  const [file, clock] = [place(), new ManualClock(0)];
  const audit = new AuditLog({ path: file, clock, troubles: noTroubles });
  for (let number = 0; number < 6; number += 1) {
    if (number % 3 === 0) clock.advance(1);
    audit.note(entry(number));
  }
  audit.close();
  const { entries, more } = await lastAuditEntries(file, { ...all, limit: 1 });
  expect([entries.map(({ params }) => params.number), more]).toEqual([[3, 4, 5], true]);
});

test("the event loop goes on while all files are read, and no more is read than is asked for", async () => {
  const [file, clock] = [place(), new ManualClock(0)];
  const audit = new AuditLog({ path: file, clock, troubles: noTroubles });
  for (let number = 0; number < 600; number += 1) audit.note(entry(number, { text: "x".repeat(10_000) }));
  audit.close();
  const during = async (query: Partial<AuditQuery>): Promise<{ turns: number; bytes: number }> => {
    let turns = 0;
    const reading = { done: false };
    const turn = (): void => {
      turns += 1;
      if (!reading.done) setImmediate(turn);
    };
    setImmediate(turn);
    const before = bytesRead();
    await lastAuditEntries(file, { ...all, ...query });
    reading.done = true;
    return { turns, bytes: bytesRead() - before };
  };
  const whole = await during({ beforeMs: 0 });
  expect(whole.turns).toBeGreaterThan(50);
  expect(whole.bytes).toBeGreaterThan(5_000_000);
  // All are of one millisecond, so a page takes all of them; one that begins later takes none.
  expect((await during({ sinceMs: 1 })).bytes).toBeLessThan(1_000_000);
});

test("a half line, and what is no entry, is passed over; no file is no entries", async () => {
  const file = place();
  expect(await lastAuditEntries(file, all)).toEqual({ entries: [], more: false });
  const audit = new AuditLog({ path: file, clock: new ManualClock(), troubles: noTroubles });
  audit.note(entry(1));
  audit.close();
  appendFileSync(file, 'null\n{"time":"2026-01-01T0');
  const { entries } = await lastAuditEntries(file, all);
  expect(entries.map(({ params }) => params)).toEqual([{ number: 1 }]);
});

test("secrets are not written, whoever forgot to hide them", async () => {
  const file = place();
  const audit = new AuditLog({ path: file, clock: new ManualClock(), troubles: noTroubles });
  audit.note(entry(1, { token: "hunter2", text: "wgmesh://v1/hunter2hunter2" }));
  audit.close();
  const { entries } = await lastAuditEntries(file, all);
  expect(entries[0]?.params).toEqual({
    token: "[redacted]",
    text: "wgmesh://[redacted]",
  });
});

test("a place that cannot be written is a trouble, until it can", async () => {
  const file = place();
  mkdirSync(file);
  const told: string[] = [];
  const troubles = {
    raise: (id: string, text: string) => void told.push(`${id}: ${text}`),
    clear: (id: string) => void told.push(`${id} is over`),
  };
  const audit = new AuditLog({ path: file, clock: new ManualClock(), troubles });
  audit.note(entry(1));
  expect(told).toEqual([expect.stringMatching(/^audit: changes are not noted: cannot open/)]);
  rmSync(file, { recursive: true });
  audit.note(entry(2));
  audit.close();
  expect(told[1]).toBe("audit is over");
  expect((await lastAuditEntries(file, all)).entries).toHaveLength(1);
});
