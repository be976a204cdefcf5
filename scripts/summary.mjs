/**
 * summary.mjs RESULTS [--write-names]: adds up what scripts/test.sh left in the folder RESULTS, and compares the names
 * that ran with __test__/names.txt. The last line is "N passed, N failed"; exit status 1 when anything failed.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const [results, ...flags] = process.argv.slice(2);
const root = path.resolve(import.meta.dirname, "..");
const namesFile = path.join(root, "__test__/names.txt");
const vitestProjects = ["unit", "simulator", "mesh", "wireguard", "vm", "vm-mesh"];

/** @typedef {{ name: string, outcome: "passed" | "failed" | "skipped" }} Test */

/** @returns {Test[]} what vitest's JSON reporter wrote; a file that could not be loaded is one failed test. */
function vitestTests(suite) {
  const file = path.join(results, `${suite}.json`);
  if (!existsSync(file)) return [];
  return JSON.parse(readFileSync(file, "utf8")).testResults.flatMap((testFile) => {
    const where = `${suite} > ${path.relative(root, testFile.name)}`;
    if (testFile.assertionResults.length === 0) return [{ name: where, outcome: "failed" }];
    return testFile.assertionResults.map(({ ancestorTitles, title, status }) => ({
      name: [where, ...ancestorTitles, title].filter((part) => part !== "").join(" > "),
      outcome: status === "passed" || status === "failed" ? status : "skipped",
    }));
  });
}

/** @returns {Test[]} the lines `test NAME ... ok` of cargo, under the target they belong to. */
function cargoTests(log) {
  const outcomes = { ok: "passed", FAILED: "failed", ignored: "skipped" };
  let target = "";
  return log.split("\n").flatMap((line) => {
    target =
      /^\s*(?:Running(?: unittests)? (\S+)|Doc-tests (\S+))/.exec(line)?.slice(1).find(Boolean) ?? target;
    const test = /^test (.+?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)/.exec(line);
    return test ? [{ name: `cargo > ${target} > ${test[1]}`, outcome: outcomes[test[2]] }] : [];
  });
}

/** @returns {Test[]} what a suite ran. One that ended badly without a failed test of its own counts as one failure. */
function testsOf(suite, exitStatus, log) {
  const tests = vitestProjects.includes(suite)
    ? vitestTests(suite)
    : suite === "cargo"
      ? cargoTests(log)
      : [];
  if (exitStatus !== 0 && !tests.some(({ outcome }) => outcome === "failed")) {
    return [...tests, { name: `${suite} (exit ${exitStatus})`, outcome: "failed" }];
  }
  return tests.length === 0 ? [{ name: suite, outcome: "passed" }] : tests;
}

const suites = readdirSync(results)
  .filter((file) => file.endsWith(".status"))
  .map((file) => {
    const name = file.slice(0, -".status".length);
    const [exitStatus, seconds] = readFileSync(path.join(results, file), "utf8")
      .trim()
      .split(" ")
      .map(Number);
    return {
      name,
      seconds,
      tests: testsOf(name, exitStatus, readFileSync(path.join(results, `${name}.log`), "utf8")),
    };
  });
const tests = suites.flatMap((suite) => suite.tests);
const count = (list, outcome) => list.filter((test) => test.outcome === outcome).length;

console.log("\n== summary");
for (const suite of suites) {
  const skipped = count(suite.tests, "skipped");
  console.log(
    `${suite.name.padEnd(9)} ${String(count(suite.tests, "passed")).padStart(5)} passed ` +
      `${String(count(suite.tests, "failed")).padStart(3)} failed${skipped > 0 ? ` ${skipped} skipped` : ""}` +
      ` ${String(suite.seconds).padStart(5)} s`,
  );
}
for (const { name, outcome } of tests) if (outcome !== "passed") console.log(`${outcome}: ${name}`);

const ran = new Set(tests.filter(({ outcome }) => outcome !== "skipped").map(({ name }) => name));
// A skipped test is a test nobody noticed is missing.
let failed = count(tests, "failed") + count(tests, "skipped");
if (flags.includes("--write-names")) {
  if (failed > 0) console.log(`${path.relative(root, namesFile)} is left as it was: not all passed`);
  else writeFileSync(namesFile, `${[...ran].sort().join("\n")}\n`);
} else {
  const wanted = readFileSync(namesFile, "utf8").split("\n").filter(Boolean);
  const missing = wanted.filter((name) => !ran.has(name));
  const unlisted = [...ran].filter((name) => !wanted.includes(name));
  for (const name of missing) console.log(`did not run, though it is in __test__/names.txt: ${name}`);
  if (unlisted.length > 0 && failed === 0) {
    console.log(`${unlisted.length} new tests are not in __test__/names.txt: scripts/test.sh --write-names`);
  }
  if (missing.length > 0) failed += 1;
}

console.log(`${count(tests, "passed")} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
