import { lookup, Resolver } from "node:dns/promises";
import { messageOf } from "../core/errors.ts";

/** Once more takes twice as long, and who asks waits for 3 s. */
const TRY_WITHIN_MS = 1_000;
const TRIES = 2;
/** What a name server says that has answered, or that is not there: the name may still stand in the hosts file. */
const ANSWERED = new Set(["ENOTFOUND", "ENODATA", "ECONNREFUSED"]);

export interface Question {
  /** Which kinds of addresses are wanted; both when absent. */
  readonly families?: readonly (4 | 6)[];
  /** Ends the question, which then rejects. */
  readonly signal?: AbortSignal;
  /** `address:port` of the DNS servers; those of resolv.conf as it is now when absent. */
  readonly servers?: readonly string[];
}

/**
 * The addresses of a public name. Rejects when there are none, or nobody answers.
 *
 * Asks by datagrams of its own and not through the system's resolver: that holds one of the few threads that files and WireGuard
 * are waiting for, for as long as a dead DNS server takes (up to a minute). A name that the servers do not know is looked for in the
 * hosts file afterwards.
 */
export async function resolveByDns(name: string, question: Question = {}): Promise<string[]> {
  const { families = [4, 6], signal, servers } = question;
  const resolver = new Resolver({ timeout: TRY_WITHIN_MS, tries: TRIES });
  if (servers !== undefined) resolver.setServers(servers);
  signal?.throwIfAborted();
  const cancel = (): void => resolver.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    const asked = families.map((family) =>
      family === 4 ? resolver.resolve4(name) : resolver.resolve6(name),
    );
    const answers = await Promise.allSettled(asked);
    const addresses = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    if (addresses.length > 0) return addresses;
    const errors: NodeJS.ErrnoException[] = answers.flatMap((answer) =>
      answer.status === "rejected" ? [answer.reason] : [],
    );
    const silence = errors.find(({ code = "" }) => !ANSWERED.has(code));
    if (signal?.aborted || silence !== undefined) throw new Error(messageOf(silence ?? signal?.reason));
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
  const [only = 0, second] = families;
  const known = await lookup(name, { all: true, family: second === undefined ? only : 0 });
  return known.map(({ address }) => address);
}

/** All addresses of a name as the system's resolver knows it: also one of the hosts file. */
export async function resolveAll(host: string): Promise<string[]> {
  const answers = await lookup(host, { all: true });
  return answers.map(({ address }) => address);
}
