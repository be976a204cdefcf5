import { describe, expect, test } from "vitest";
import { readRepositoryFile, sourcesBelow } from "../layout/repository.ts";

/** Fields that come from a function, so that the text of the call does not show them. */
const computed: Readonly<Record<string, readonly string[]>> = {
  "countByKind(batch)": ["add", "update", "retrigger", "remove"],
};

/** What stands between the bracket at `start` and its partner. */
function insideBrackets(text: string, start: number): string {
  let depth = 0;
  for (let i = start; i < text.length; i += 1) {
    if ("({[".includes(text.charAt(i))) depth += 1;
    if (")}]".includes(text.charAt(i))) depth -= 1;
    if (depth === 0) return text.slice(start + 1, i);
  }
  throw new Error(`no end of ${text.slice(start, start + 40)}`);
}

/** Splits at commas that stand outside of brackets. */
function parts(list: string): string[] {
  const found = [""];
  let depth = 0;
  for (const character of list) {
    if ("({[".includes(character)) depth += 1;
    if (")}]".includes(character)) depth -= 1;
    if (character === "," && depth === 0) found.push("");
    else found[found.length - 1] += character;
  }
  return found.map((part) => part.trim()).filter((part) => part !== "");
}

/** Names in the object literals that are logged. What is neither a literal nor known is returned as it stands. */
function fieldsOf(source: string): string[] {
  const calls = [
    ...source.matchAll(/(?:\blog\.|\)\s*\.(?=\w+\(\s*\{))(?:debug|info|warn|error|child)\(/g),
  ].map(({ index }) => insideBrackets(source, source.indexOf("(", index)));
  // A literal that several calls share goes by this name.
  const shared = [...source.matchAll(/\bconst fields = \{/g)].map(
    ({ index }) => `{${insideBrackets(source, source.indexOf("{", index))}}`,
  );
  return [...calls.map((call) => parts(call)[0] ?? ""), ...shared].flatMap((argument) => {
    if (argument === "fields") return [];
    if (!argument.startsWith("{")) return computed[argument] ?? [argument];
    return parts(argument.slice(1, -1)).map((part) => /^\w+/.exec(part)?.[0] ?? part);
  });
}

const documented = new Set(
  [...readRepositoryFile("LOGGING.md").matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name),
);
const used = new Map([...sourcesBelow("src", ".ts")].map(([file, text]) => [file, fieldsOf(text)]));

describe("the dictionary in LOGGING.md", () => {
  test("has every field that is logged", () => {
    const unknown = [...used].flatMap(([file, names]) =>
      names.filter((name) => !documented.has(name)).map((name) => `${file}: ${name}`),
    );
    expect([...used.values()].flat().length).toBeGreaterThan(30);
    expect(unknown).toEqual([]);
  });

  test("is in order, each field once", () => {
    const text = readRepositoryFile("LOGGING.md");
    const names = [...text.slice(text.indexOf("## Dictionary")).matchAll(/^\| `(\w+)` \|/gm)].map(
      ([, name]) => name,
    );
    expect(names).toEqual([...new Set(names)].sort((a, b) => (a ?? "").localeCompare(b ?? "")));
  });
});

test("the search finds what it should", () => {
  const source = `
    this.#log.warn({ a, b: f(c, { d: 1 }) }, "x");
    const fields = { e: [f, g], h };
    log.info(fields, "y");
    log.child({ module: "m" }).error(
      {
        i: 1,
        ...rest,
      },
      "z",
    );
    log.debug(something, "w");`;
  expect(fieldsOf(source)).toEqual(["a", "b", "module", "i", "...rest", "something", "e", "h"]);
});
