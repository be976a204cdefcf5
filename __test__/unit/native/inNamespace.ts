import type { Cases } from "../../vm/cases.ts";
import { finish, testElsewhere } from "../../vm/elsewhere.ts";

const TIMEOUT_SECONDS = 120;

export interface Place {
  /** With a /run of its own as well, and so a /var/run/wireguard that nobody else uses. */
  readonly ownRun?: boolean;
  readonly timeoutSeconds?: number;
}

/** One test for every case of `file`, all run in one fresh network namespace (a user namespace as well for users other than root). */
export function testInNamespace(file: string, cases: Cases, place: Place = {}): void {
  const { ownRun = false, timeoutSeconds = TIMEOUT_SECONDS } = place;
  const rights = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const own = ownRun ? ["--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh"] : [];
  const limit = ["timeout", `${timeoutSeconds}`];
  testElsewhere(file, cases, timeoutSeconds, (script) =>
    finish("unshare", ["--net", ...rights, ...own, ...limit, "node", "--enable-source-maps", script]),
  );
}
