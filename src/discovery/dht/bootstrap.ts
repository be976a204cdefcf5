/**
 * Whom to ask first: addresses and names that were configured, and nodes met before. Nothing waits for a name that does not
 * resolve, and nothing is asked by the mesh's static id (weak point 12).
 */
import { isIP, isIPv4 } from "node:net";
import { type Clock, sleep } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { type Endpoint, endpointText } from "../../core/types.ts";

/** PROTOCOL.md section 8. */
export const PUBLIC_BOOTSTRAP: readonly Endpoint[] = [
  { host: "router.bittorrent.com", port: 6881 },
  { host: "router.utorrent.com", port: 6881 },
  { host: "dht.transmissionbt.com", port: 6881 },
  { host: "dht.libtorrent.org", port: 25401 },
];

/** The IPv4 addresses of a name. Rejects when there are none, or when the signal fires. */
export type NameResolver = (name: string, signal: AbortSignal) => Promise<readonly string[]>;

export interface BootstrapOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly resolve: NameResolver;
  /** Names or literal addresses. */
  readonly configured: readonly Endpoint[];
}

export interface Bootstrap {
  readonly endpoints: readonly Endpoint[];
  /** Why some of the configured ones are not among them; null when all are. */
  readonly problem: string | null;
}

const RESOLVE_WITHIN_MS = 3_000;
/** Once one name is known, the others have this long. */
const OTHERS_WITHIN_MS = 300;
/** All are asked again for as long as fewer other nodes are known (see DhtNode.open of the addon). */
const MAX_KNOWN = 12;
const MAX_CONFIGURED = 16;

/**
 * What to open the engine with. Literal addresses, and nodes met before when `trustKnown`, are enough: names are then left
 * alone.
 */
export async function gatherBootstrap(
  options: BootstrapOptions,
  known: readonly Endpoint[],
  trustKnown: boolean,
  signal: AbortSignal,
): Promise<Bootstrap> {
  const { configured, random } = options;
  const literals = configured.filter(({ host }) => isIPv4(host)).slice(0, MAX_CONFIGURED);
  const sampled = sample(known, MAX_KNOWN, () => random.unit());
  const names = configured.filter(({ host }) => isIP(host) === 0);
  const ipv6 = configured.find(({ host }) => isIP(host) === 6);
  const others = ipv6 ? `${endpointText(ipv6)}: the DHT engine has IPv4 only` : null;
  const enough = literals.length > 0 || (trustKnown && sampled.length > 0);
  if (enough || names.length === 0)
    return { endpoints: distinct([...literals, ...sampled]), problem: others };
  const resolved = await resolveAll(options, names, signal);
  return { endpoints: distinct([...resolved.endpoints, ...sampled]), problem: resolved.problem ?? others };
}

async function resolveAll(
  { clock, resolve }: BootstrapOptions,
  names: readonly Endpoint[],
  signal: AbortSignal,
): Promise<Bootstrap> {
  const end = new AbortController();
  const either = AbortSignal.any([signal, end.signal]);
  const endpoints: Endpoint[] = [];
  let problem: string | null = null;
  let firstKnown = (): void => {};
  const first = new Promise<void>((done) => {
    firstKnown = done;
  });
  const all = Promise.all(
    names.map(async ({ host, port }) => {
      try {
        // A resolver that ignores the signal must not hold us up.
        const addresses = await Promise.race([resolve(host, either), untilAborted(either)]);
        endpoints.push(...addresses.filter(isIPv4).map((address) => ({ host: address, port })));
        firstKnown();
      } catch (error) {
        problem ??= `${host}: ${either.aborted ? "the name was not resolved in time" : messageOf(error)}`;
      }
    }),
  );
  const late = sleep(clock, RESOLVE_WITHIN_MS, either).catch(() => {});
  const others = first.then(() => sleep(clock, OTHERS_WITHIN_MS, either)).catch(() => {});
  await Promise.race([all, late, others]);
  end.abort(new Error("the name was not resolved in time"));
  return { endpoints: endpoints.slice(0, MAX_CONFIGURED), problem };
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

function distinct(endpoints: readonly Endpoint[]): Endpoint[] {
  return [...new Map(endpoints.map((endpoint) => [endpointText(endpoint), endpoint])).values()];
}

/** Some of them, at random: of the nodes of last week not all are there. */
function sample(endpoints: readonly Endpoint[], count: number, unit: () => number): Endpoint[] {
  const rest = [...endpoints];
  const taken: Endpoint[] = [];
  while (taken.length < count && rest.length > 0) {
    taken.push(...rest.splice(Math.floor(unit() * rest.length), 1));
  }
  return taken;
}
