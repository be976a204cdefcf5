import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type AuditEntry, lastAuditEntries } from "../../../src/core/audit.ts";
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

test("entries are read back, those since a time, also through rotations", () => {
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
  const numbers = (sinceMs: number, limit: number): unknown[] =>
    lastAuditEntries(file, sinceMs, limit).map(({ params }) => params.number);
  expect(numbers(0, 10_000)).toEqual(Array.from({ length: 900 }, (_, index) => index));
  expect(numbers(897_000, 10_000)).toEqual([897, 898, 899]);
  expect(numbers(0, 2)).toEqual([898, 899]);
});

test("a half line, and what is no entry, is passed over; no file is no entries", () => {
  const file = place();
  expect(lastAuditEntries(file, 0, 10)).toEqual([]);
  const audit = new AuditLog({ path: file, clock: new ManualClock(), troubles: noTroubles });
  audit.note(entry(1));
  audit.close();
  appendFileSync(file, 'null\n{"time":"2026-01-01T0');
  expect(lastAuditEntries(file, 0, 10).map(({ params }) => params)).toEqual([{ number: 1 }]);
});

test("secrets are not written, whoever forgot to hide them", () => {
  const file = place();
  const audit = new AuditLog({ path: file, clock: new ManualClock(), troubles: noTroubles });
  audit.note(entry(1, { token: "hunter2", text: "wgmesh://v1/hunter2hunter2" }));
  audit.close();
  expect(lastAuditEntries(file, 0, 1)[0]?.params).toEqual({
    token: "[redacted]",
    text: "wgmesh://[redacted]",
  });
});

test("a place that cannot be written is a trouble, until it can", () => {
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
  expect(lastAuditEntries(file, 0, 9)).toHaveLength(1);
});
