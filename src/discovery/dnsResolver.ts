import { Resolver as DnsResolver, lookup } from "node:dns/promises";
import { messageOf } from "../core/errors.ts";

const TRY_WITHIN_MS = 1_000;
const TRIES = 2;

/**
 * All addresses of a public name, asked of the DNS servers of resolv.conf as it is now. Not through the system's resolver: that
 * blocks one of the few threads that files and the addon need, for as long as a dead DNS server takes (up to a minute).
 */
export async function resolveByDns(host: string): Promise<string[]> {
  const resolver = new DnsResolver({ timeout: TRY_WITHIN_MS, tries: TRIES });
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const addresses = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  const [failed] = answers.filter((answer) => answer.status === "rejected");
  if (addresses.length === 0 && failed !== undefined) throw new Error(messageOf(failed.reason));
  return addresses;
}

/** All addresses of a name as the system's resolver knows it: also one of the hosts file. */
export async function resolveAll(host: string): Promise<string[]> {
  const answers = await lookup(host, { all: true });
  return answers.map(({ address }) => address);
}
