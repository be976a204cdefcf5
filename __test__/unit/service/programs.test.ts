import { expect, test } from "vitest";
import { programProblem } from "../../../src/service/programs.ts";

const modes = (changed: Readonly<Record<string, number>>) => (path: string) => changed[path] ?? 0o755;

test("programs that all can run and only their owner can change are fit", () => {
  expect(programProblem("/usr/lib/wgmesh/wgmeshd.js", modes({}))).toBeNull();
  // Debian's /usr/local/lib.
  expect(programProblem("/usr/local/lib/wgmeshd.js", modes({ "/usr/local/lib": 0o2775 }))).toBeNull();
});

test.each([
  ["/root/.nvm/node", {}, "/root/.nvm/node lies below /root/, which a service does not see"],
  ["/tmp/wgmeshd.js", {}, "/tmp/wgmeshd.js lies below /tmp/, which a service does not see"],
  ["/opt/a/x.js", { "/opt/a/x.js": 0o700 }, "/opt/a/x.js cannot be read by the service's user"],
  ["/opt/a/x.js", { "/opt/a/x.js": 0o666 }, "/opt/a/x.js can be written by everybody"],
  ["/opt/a/x.js", { "/opt": 0o750 }, "/opt cannot be entered by the service's user"],
  ["/opt/a/x.js", { "/opt/a": 0o777 }, "/opt/a can be written by everybody"],
])("%s with %o is not", (path, changed, problem) => {
  expect(programProblem(path, modes(changed))).toBe(problem);
});
