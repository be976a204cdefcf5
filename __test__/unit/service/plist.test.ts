import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { interfaceName } from "../../../src/config/values.ts";
import { jobLabel, plistText } from "../../../src/service/plist.ts";

/** Python reads property lists on every system. */
function read(text: string): Record<string, unknown> {
  const program = "import json,plistlib,sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))";
  const { stdout, stderr } = spawnSync("python3", ["-c", program], { input: text, encoding: "utf8" });
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

test("the job starts the daemon at boot and after a failure, and lets it end", () => {
  const name = interfaceName("wg0", "--iface");
  const programs = { node: "/usr/local/bin/node", wgmeshd: "/opt/<a> & b/wgmeshd.js" };
  const job = read(plistText(name, programs, "/etc/wgmesh/wg0.secret"));
  expect(job).toMatchObject({
    Label: jobLabel(name),
    RunAtLoad: true,
    KeepAlive: { SuccessfulExit: false },
    Umask: 0o077,
    HardResourceLimits: { Core: 0 },
  });
  const words = job.ProgramArguments as string[];
  expect(words.filter((word) => word.startsWith("/"))).toEqual([
    "/usr/local/bin/node",
    "/opt/<a> & b/wgmeshd.js",
    "/etc/wgmesh/wg0.secret",
    "/var/log/wgmesh.wg0.log",
  ]);
  expect(words).toContain("--secret-file");
});
