import { lookup, Resolver } from "node:dns/promises";
import type { NameResolver } from "./bootstrap.ts";

const TIMEOUT_MS = 1_200;
const TRIES = 2;
/** What a name server says that has answered: the name may still stand in the hosts file. */
const ANSWERED = new Set(["ENOTFOUND", "ENODATA", "ECONNREFUSED"]);

/**
 * Asks the name servers by datagrams of its own: `lookup` would hold a thread of libuv's pool for each name that a black-holed
 * resolver does not answer, and files and WireGuard are waiting for those threads. The hosts file is looked at afterwards.
 */
export const resolveName: NameResolver = async (name, signal) => {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  const cancel = (): void => resolver.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return await resolver.resolve4(name);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (signal.aborted || !ANSWERED.has(code)) throw error;
    return (await lookup(name, { family: 4, all: true })).map(({ address }) => address);
  } finally {
    signal.removeEventListener("abort", cancel);
  }
};
