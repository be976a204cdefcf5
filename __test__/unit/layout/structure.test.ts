/** What ARCHITECTURE.md says of the daemon's structure, held against the sources. */
import { describe, expect, test } from "vitest";
import { OPERATION_KINDS } from "../../../src/core/operations.ts";
import * as door from "../../../src/daemon/door.ts";
import { LOCK_ORDER, OrderedLocks } from "../support/orderedLocks.ts";
import { readRepositoryFile, sourcesBelow } from "./repository.ts";

const architecture = readRepositoryFile("ARCHITECTURE.md");
const sources = [...sourcesBelow("src", ".ts")];

/** The rows of the first table of a section, cell by cell, without backquotes. */
function tableOf(heading: string): string[][] {
  const section = architecture.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

/** Every match of the pattern in the sources. */
const matches = (pattern: RegExp): RegExpMatchArray[] =>
  sources.flatMap(([, text]) => [...text.matchAll(pattern)]);

/** The names of tasks with their policies, as the sources start them. */
function startedTasks(): string[] {
  const direct = matches(/\.start\(\s*["`]([^"`]+)["`],\s*"(critical|restart|once)"/g)
    .filter(([, name]) => !name?.includes(".${") && !name?.startsWith("${"))
    .map(([, name, policy]) => `${name?.replace(/\$\{\w+\}/, "N")} ${policy}`);
  const layers = matches(/\{ name: "([a-z.-]+)", body:/g).map(([, name]) => `discovery.${name} restart`);
  const [named] = matches(/const named = \{([^}]+)\};\s+for \(const \[name, layer\]/g);
  const others = (named?.[1] ?? "")
    .split(",")
    .map((member) => member.split(":")[0]?.trim() ?? "")
    .filter((name) => name !== "");
  const [probe] = matches(/const name = `(probe-listener)-\$\{port\}`;/g);
  return [
    ...direct,
    ...layers,
    ...others.map((name) => `discovery.${name} restart`),
    ...(probe === undefined ? [] : [`${probe[1]}-N restart`]),
  ].filter((task) => !task.startsWith("discovery.N "));
}

test("the supervision tree has the tasks that the sources start, with their policies", () => {
  const documented = tableOf("Supervision").map(([name, policy]) => `${name} ${policy}`);
  expect(documented.length).toBeGreaterThan(25);
  expect([...documented].sort()).toEqual([...new Set(startedTasks())].sort());
});

test("no task is started but through the supervisor: no timer and no listener runs a loop of its own", () => {
  const loops = sources.filter(([, text]) => /\bsetInterval\(/.test(text)).map(([file]) => file);
  expect(loops).toEqual([]);
});

test("the list of long operations has every kind, and whether it can be cancelled", () => {
  const documented = tableOf("Long operations").map(([kind, cancellable]) => [kind, cancellable === "yes"]);
  const kinds = Object.entries(OPERATION_KINDS).map(([kind, { cancellable }]) => [kind, cancellable]);
  expect(documented).toEqual(kinds);
});

describe("the outside surface", () => {
  test("has four functions: open, serve, close, doctor", () => {
    const { Daemon, doctor, ...more } = door;
    expect(more).toEqual({});
    const own = Object.getOwnPropertyNames(Daemon).filter(
      (name) => typeof Daemon[name as never] === "function",
    );
    const methods = Object.getOwnPropertyNames(Daemon.prototype).filter((name) => name !== "constructor");
    expect([...own, ...methods, doctor.name]).toEqual(["open", "serve", "close", "doctor"]);
  });

  test("is what ARCHITECTURE.md calls it", () => {
    const section = architecture.split("\n## The outside\n")[1]?.split("\n## ")[0] ?? "";
    for (const name of [
      "`Daemon.open`",
      "`serve`",
      "`close`",
      "`doctor`",
      "`daemon/door.ts`",
      "`daemon/alone.ts`",
    ])
      expect(section).toContain(name);
  });
});

describe("the order of locks", () => {
  const free = { acquireName: () => ({ release: () => {} }), acquireFile: () => ({ release: () => {} }) };
  const locks = (): OrderedLocks =>
    new OrderedLocks(free, (path) => (path.startsWith("/state") ? "state files" : "run files"));

  test("is the one that ARCHITECTURE.md draws", () => {
    const rows = tableOf("Owners and locks").filter(([order]) => /^\d+$/.test(order ?? ""));
    expect(rows.map(([, name]) => name)).toEqual(LOCK_ORDER);
    expect(rows.map(([order]) => Number(order))).toEqual(LOCK_ORDER.map((_, index) => index + 1));
  });

  test("is kept by whoever takes and gives back in it", () => {
    const ordered = locks();
    const held = [ordered.acquireName("wg0"), ordered.acquireFile("/state/a"), ordered.acquireFile("/run/a")];
    for (const lock of held.reverse()) if (typeof lock === "object") lock?.release();
    expect(() => ordered.acquireName("wg0")).not.toThrow();
  });

  test.each([
    ["an earlier lock after a later one", (ordered: OrderedLocks) => ordered.acquireName("wg0")],
    ["a lock twice", (ordered: OrderedLocks) => ordered.acquireFile("/state/b")],
  ])("is broken by %s, which throws", (_what, take) => {
    const ordered = locks();
    ordered.acquireFile("/state/a");
    expect(() => take(ordered)).toThrow("lock order: ");
  });

  test("is broken by giving back an earlier one first, which throws", () => {
    const ordered = locks();
    const first = ordered.acquireFile("/state/a");
    ordered.acquireFile("/run/a");
    expect(() => first?.release()).toThrow("lock order: state files given back before later ones");
  });
});
