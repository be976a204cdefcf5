/** The alert rules, and what the daemon shows to Prometheus, as Prometheus' own tool judges them. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { run } from "./harness/exec.ts";
import { useLab } from "./harness/useLab.ts";

const lab = useLab();
const node = lab.addNode("watched", { flags: ["--http-listen", "9586"] });

/** On the machine itself: the node's namespace has no way to Debian's packages. */
const program = path.resolve("scripts/promtool.sh");
/** The first one may have to be fetched. */
const limitMs = 180_000;
const promtool = (...args: string[]) => run([program, ...args], { limitMs });

test("the alert rules are right, and each comes and stays away when it should", async () => {
  const rules = await promtool("check", "rules", path.resolve("packaging/alerts.yaml"));
  expect(rules, rules.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining("rules found") });
  const tests = await promtool("test", "rules", path.resolve("packaging/alerts.test.yaml"));
  expect(tests, tests.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining("SUCCESS") });
});

test("the metrics of a daemon are as Prometheus wants them", async () => {
  await node.startAndWait();
  const { stdout } = await node.exec(["curl", "-sS", "http://127.0.0.1:9586/metrics"]);
  expect(stdout).toContain("wgmesh_known_peers 0");
  const file = path.join(lab.folder, "metrics");
  writeFileSync(file, stdout);
  const script = 'exec "$0" check metrics <"$1"';
  const checked = await run(["sh", "-c", script, program, file], { limitMs });
  expect([checked.code, checked.stdout, checked.stderr]).toEqual([0, "", ""]);
});
