/**
 * Kernel routes to the networks behind peers (row E3).
 */

import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type Cidr, parseCidr } from "../core/types.ts";
import type { FailureBook } from "./failures.ts";
import type { MendPacer } from "./mendPacer.ts";
import type { SyncOutcome } from "./peerSync.ts";
import { NO_SOURCES, type RouteSources, routeSources, sourceTo } from "./routeSources.ts";

/** The RTPROT number that marks a route as made by wgmesh; the addon writes it. */
const ROUTE_PROTOCOL = 111;

/**
 * Larger than what DHCP clients and router advertisements give theirs (100 to 1024): wherever the host has a route of its
 * own to the same network, that one wins.
 */
export const ROUTE_METRIC = 2000;

/** A route of the main table that leaves by our interface. */
export interface InterfaceRoute {
  readonly destination: string;
  readonly protocol: number;
  readonly metric: number;
  /** The address packets go out from; null where the kernel chooses. */
  readonly source: string | null;
}

/** The routes of one interface. */
export interface RouteTable {
  list(): readonly InterfaceRoute[];
  /** One of ours that differs in its source alone gets this one, without a moment in which there is none; null leaves it to the kernel. */
  add(destination: string, metric: number, source: string | null): void;
  remove(destination: string, metric: number): void;
  /** The system has no sources of routes: none are asked for. */
  readonly withoutSources?: true;
}

export interface RouteDifference {
  /** Also those that stand there with another source than the wanted one. */
  readonly add: readonly Cidr[];
  readonly remove: readonly InterfaceRoute[];
}

/**
 * Only routes with our protocol number count: others on the interface are somebody else's. Where no source is wanted any is right, so that
 * an interface with one address of a family is left as it is.
 */
export function routeDifference(
  wanted: readonly Cidr[],
  actual: readonly InterfaceRoute[],
  metric: number,
  sources: RouteSources = NO_SOURCES,
): RouteDifference {
  const missing = new Set(wanted);
  const remove: InterfaceRoute[] = [];
  for (const route of actual) {
    if (route.protocol !== ROUTE_PROTOCOL) continue;
    const network = parseCidr(route.destination);
    if (route.metric !== metric || network === null || !missing.has(network)) remove.push(route);
    else if ([null, route.source].includes(sourceTo(network, sources))) missing.delete(network);
  }
  return { add: [...missing], remove };
}

/** Removes every route of ours: what the end of a node means. */
export function removeOurRoutes(table: RouteTable): void {
  const { remove } = routeDifference([], table.list(), ROUTE_METRIC);
  for (const { destination, metric } of remove) table.remove(destination, metric);
}

/** Keeps the routes of the interface equal to what is wanted; each route fails, and is tried again, on its own. */
export class RouteSync {
  readonly #table: RouteTable;
  readonly #failures: FailureBook;
  readonly #pacer: MendPacer;
  readonly #log: Log;
  /**
   * What stood in the table after the last time, and the source it was to have: one of these that is missing was removed by others, unless
   * the source has changed since, for the kernel removes routes with the address that is their source.
   */
  #applied: ReadonlyMap<Cidr, string | null> = new Map();
  /** False once a look at the table found nothing of ours, and nothing is wanted. */
  #mayHold = true;

  constructor(table: RouteTable, failures: FailureBook, pacer: MendPacer, log: Log) {
    this.#table = table;
    this.#failures = failures;
    this.#pacer = pacer;
    this.#log = log;
  }

  /** The interface is a new one: the routes went with the old one, and nobody removed them. */
  interfaceRemade(): void {
    this.#applied = new Map();
    this.#mayHold = true;
  }

  /** @param addresses our mesh addresses, the present ones first. A table that cannot be read throws. */
  sync(wanted: readonly Cidr[], addresses: readonly { readonly address: string }[] = []): SyncOutcome {
    const sources = this.#table.withoutSources === true ? NO_SOURCES : routeSources(addresses);
    const kept = new Set(wanted.map(objectOf));
    this.#failures.retain("route ", (object) => kept.has(object));
    if (wanted.length === 0 && !this.#mayHold) return { changes: 0, found: [] };
    const { add, remove } = routeDifference(wanted, this.#table.list(), ROUTE_METRIC, sources);
    const removed = remove.filter(({ destination, metric }) =>
      this.#try(destination, "route removed", () => this.#table.remove(destination, metric)),
    );
    const added = add.filter((network) =>
      this.#try(network, "route added", () =>
        this.#table.add(network, ROUTE_METRIC, sourceTo(network, sources)),
      ),
    );
    const wasApplied = (network: Cidr): boolean => this.#applied.get(network) === sourceTo(network, sources);
    const mended = added.filter(wasApplied).map(objectOf);
    for (const object of mended) this.#pacer.mended(object);
    const absent = new Set(add.filter((network) => !added.includes(network)));
    // One that waits for its pause is still known as removed by others.
    this.#applied = new Map(
      wanted
        .filter((network) => !absent.has(network) || wasApplied(network))
        .map((network) => [network, sourceTo(network, sources)]),
    );
    this.#mayHold = wanted.length > 0 || removed.length < remove.length;
    return {
      changes: added.length + removed.length,
      found: mended.map((object) => `missing ${object}`),
    };
  }

  #try(network: string, done: string, action: () => void): boolean {
    const object = `route ${network}`;
    if (this.#failures.isPaused(object) || this.#pacer.isPaused(object)) return false;
    try {
      action();
    } catch (error) {
      this.#failures.failed(object, messageOf(error));
      return false;
    }
    this.#failures.succeeded(object);
    this.#log.info({ network }, done);
    return true;
  }
}

const objectOf = (network: Cidr): string => `route ${network}`;
