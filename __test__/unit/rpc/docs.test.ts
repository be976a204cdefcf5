import { expect, test } from "vitest";
import { type MethodName, methods } from "../../../src/rpc/methods/table.ts";
import { readRepositoryFile } from "../layout/repository.ts";
import { anyParams, methodContext, vectorView } from "./fixtures.ts";

/** Names of all members, however deep; of lists the first entry speaks for all. Counters are free in their names. */
function names(value: unknown): string[] {
  if (Array.isArray(value)) return names(value[0]);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    name,
    ...(name === "counters" ? [] : names(inner)),
  ]);
}

test.each(Object.keys(methods) as MethodName[])("docs/rpc.md tells every member of %s", async (method) => {
  const text = readRepositoryFile("docs/rpc.md");
  const members = names(await methods[method].call(methodContext(vectorView()), anyParams));
  expect(members.length).toBeGreaterThan(0);
  expect(text).toContain(`\`${method}\``);
  expect(members.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
});

test("docs/rpc.md tells which methods need the role admin, and no others", () => {
  const [, sentence = ""] =
    /need the role admin: ([^.]+(?:\.[a-z][^.]*)*)\./.exec(readRepositoryFile("docs/rpc.md")) ?? [];
  const told = [...sentence.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
  const needed = Object.entries(methods).filter(([, { role }]) => role === "admin");
  expect(told.sort()).toEqual(needed.map(([name]) => name).sort());
});
