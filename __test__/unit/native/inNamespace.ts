import type { Cases } from "../../vm/cases.ts";
import { finish, testElsewhere } from "../../vm/elsewhere.ts";

const TIMEOUT_SECONDS = 120;

/** One test for every case of `file`, all run in one fresh network namespace (a user namespace as well for users other than root). */
export function testInNamespace(file: string, cases: Cases): void {
  const flags = process.getuid?.() === 0 ? ["--net"] : ["--net", "--map-root-user"];
  const limit = ["timeout", `${TIMEOUT_SECONDS}`];
  testElsewhere(file, cases, TIMEOUT_SECONDS, (script) =>
    finish("unshare", [...flags, ...limit, "node", "--enable-source-maps", script]),
  );
}
