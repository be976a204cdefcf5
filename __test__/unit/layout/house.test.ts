import { describe, expect, test } from "vitest";
import { readRepositoryFile, repositoryFiles, sourcesBelow } from "./repository.ts";

/** Lines of `text` that match, as `file:line: text`. */
function matches(file: string, text: string, pattern: RegExp): string[] {
  return text
    .split("\n")
    .map((line, index) => ({ line, where: `${file}:${index + 1}: ${line.trim().slice(0, 120)}` }))
    .filter(({ line }) => pattern.test(line))
    .map(({ where }) => where);
}

const self = "__test__/unit/layout/house.test.ts";
const binary = /\.(png|ico|gz|bin)$/;
const committed = new Map(
  repositoryFiles()
    .filter((file) => file !== self && !binary.test(file))
    .map((file) => [file, readRepositoryFile(file)]),
);

/** Each pattern with a line it must find, so that a pattern that cannot match fails here. */
const strangers: readonly [what: string, pattern: RegExp, planted: string][] = [
  ["a path of one machine", /(^|[\s"'`(=:])\/(work|home\/\w+|Users\/\w+|root\/(?!\.vm)\w)/, "cd /home/ann/x"],
  ["a temporary file of one machine", /\/tmp\/\w+[._-]\w{6,}/, "/tmp/job.a1b2c3"],
  [
    "a package mirror",
    /https?:\/\/[^/\s"']*(mirror|artifactory|nexus|proxy|registry\.(?!npmjs\.org))[^/\s"']*/i,
    "https://artifactory.example/npm",
  ],
  ["the address of a package source", /"resolved": "https?:/, '  "resolved": "https://x/y.tgz",'],
  ["an issue number", /\bissues?\s+#?\d+\b/i, "see issue 7"],
  ["unfinished work", /\b(TODO|FIXME|XXX|HACK)\b/, "// TODO later"],
  ["a merge conflict", /^(<{7}|>{7}) /, "<<<<<<< HEAD"],
];

describe("committed text", () => {
  test.each(strangers)("holds no %s", (_what, pattern, planted) => {
    expect(matches("planted", planted, pattern)).toHaveLength(1);
    expect([...committed].flatMap(([file, text]) => matches(file, text, pattern))).toEqual([]);
  });
});

describe("source files", () => {
  const typescript = sourcesBelow("src", ".ts");
  const rust = sourcesBelow("native/src", ".rs");

  /** Rust tests stand beside the code and do not count. */
  const lineCount = (text: string): number =>
    text.replace(/\n#\[cfg\(test\)\]\nmod tests \{[\s\S]*/, "").split("\n").length;

  test("have at most 400 lines", () => {
    const long = [...typescript, ...rust].filter(([, text]) => lineCount(text) > 401);
    expect(long.map(([file]) => file)).toEqual([]);
  });

  test("have no default exports", () => {
    const found = [...typescript].flatMap(([file, text]) => matches(file, text, /^export default\b/));
    expect(found).toEqual([]);
  });

  test("take time and chance from the seams", () => {
    const direct =
      /\bDate\.now\(|\bMath\.random\(|\bset(Timeout|Interval)\(|\bperformance\.now\(|\bnew Date\(\)/;
    const found = [...typescript]
      .filter(([file]) => file !== "core/clock.ts" && file !== "core/random.ts")
      .flatMap(([file, text]) => matches(file, text, direct));
    expect(matches("planted", "const t = setTimeout(f, 1);", direct)).toHaveLength(1);
    expect(found).toEqual([]);
  });
});

describe("tests", () => {
  test("are never skipped, focused or left for later", () => {
    const skips = /\b(test|it|describe|suite)\.(skip|only|todo|skipIf|runIf|fails)\b|\bctx\.skip\(|#\[ignore/;
    const files = [...committed].filter(([file]) => /\.test\.ts$|\.rs$/.test(file));
    expect(matches("planted", 'test.skip("x", f);', skips)).toHaveLength(1);
    expect(files.flatMap(([file, text]) => matches(file, text, skips))).toEqual([]);
  });
});
