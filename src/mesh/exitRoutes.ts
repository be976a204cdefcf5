/**
 * Sends what has no route of its own into the tunnel, while wgmesh's own packets leave as before (row E3).
 *
 * The main table is not touched: a default route stands in a table of ours, and policy rules lead there past the default routes of main.
 * Routes more specific than these win, so the LAN stays. Rules carry our protocol number and priorities that follow from the
 * interface's name: so what a killed run left is found by its looks, without a record, and foreign rules are never taken for ours.
 */
import type { IpAddress } from "../core/types.ts";
import { nativeCode } from "../wireguard/nativeErrors.ts";
import type { RouteSources } from "./routeSources.ts";

type Family = 4 | 6;

/** A policy rule with our protocol number; null for what it does not look at. */
export interface PolicyRule {
  readonly family: Family;
  /** Lower is asked first. */
  readonly priority: number;
  /** 0 for none: what it matches is unreachable. */
  readonly table: number;
  /** Routes of the table this short or shorter do not count. */
  readonly suppressPrefixLength: number | null;
  readonly fwmark: number | null;
  /** CIDR. */
  readonly source: string | null;
  readonly udpSourcePort: number | null;
}

export interface DefaultRoute {
  readonly family: Family;
  /** The address packets go out from; null where the kernel chooses. */
  readonly source: string | null;
}

/** What is asked of the operating system; every method throws what cannot be done. */
export interface ExitTables {
  /** Of the sockets of wgmesh. */
  readonly mark: number;
  /** Those with our protocol number. */
  rules(): readonly PolicyRule[];
  addRule(rule: PolicyRule): void;
  removeRule(rule: PolicyRule): void;
  /** The default routes of ours out of the link in the table. */
  defaults(linkName: string, table: number): readonly DefaultRoute[];
  /** In place of one with another source, without a moment in which there is none. */
  addDefault(linkName: string, table: number, family: Family, source: string | null): void;
  /** Marks all Internet sockets that this process has now. */
  markSockets(mark: number): void;
}

export interface ExitWish {
  /** WireGuard's: its socket is the kernel's or another process's with some backends. */
  readonly wireguardPort: number;
  /** Of this host, on the network below the tunnel: answers from them leave as before, so it stays reachable. */
  readonly addresses: readonly IpAddress[];
  readonly ipv6: boolean;
  /** What goes into the tunnel goes out from these. */
  readonly sources: RouteSources;
  /** False while there is nobody to lead to, which counts with `only` alone. */
  readonly through: boolean;
  /** What is not led into the tunnel does not leave at all, IPv6 included; that outlasts a crash. */
  readonly only: boolean;
}

/** linux/rtnetlink.h */
const MAIN_TABLE = 254;
/** Before main (32766) and what wg-quick makes of it, after most of what operators number by hand. */
const FIRST_PRIORITY = 20_000;
const FIRST_TABLE = 1_110_000;
const SLOTS = 1_000;
const STEPS = 4;
/** What a rule says that leads nowhere. */
const NO_TABLE = 0;
/** A host with more has them by a program, and few of them are those it is reached at. */
const MAX_ADDRESSES = 64;

/** Two interfaces of one host do not touch each other's rules: where they stand follows from the name (FNV-1a). */
export function placeOf(interfaceName: string): { readonly priority: number; readonly table: number } {
  let hash = 0x811c9dc5;
  for (const character of interfaceName) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  }
  const slot = hash % SLOTS;
  return { priority: FIRST_PRIORITY + STEPS * slot, table: FIRST_TABLE + slot };
}

/** In the order in which they are made: nothing is led into the tunnel before wgmesh's own packets are kept out of it. */
export function wantedRules(interfaceName: string, wish: ExitWish, mark: number): PolicyRule[] {
  const { priority, table } = placeOf(interfaceName);
  const none = { suppressPrefixLength: null, fwmark: null, source: null, udpSourcePort: null };
  const families: Family[] = wish.ipv6 || wish.only ? [4, 6] : [4];
  const addresses = wish.addresses.slice(0, MAX_ADDRESSES);
  return families.flatMap((family) => {
    const past = { ...none, family, priority, table: MAIN_TABLE };
    const sources = addresses
      .filter((address) => address.includes(":") === (family === 6))
      .map((address) => ({ ...past, source: `${address}/${family === 6 ? 128 : 32}` }));
    return [
      { ...past, fwmark: mark },
      { ...past, udpSourcePort: wish.wireguardPort },
      ...sources,
      { ...past, priority: priority + 1, suppressPrefixLength: 0 },
      ...(wish.through && (family === 4 || wish.ipv6)
        ? [{ ...none, family, priority: priority + 2, table }]
        : []),
      ...(wish.only ? [{ ...none, family, priority: priority + 3, table: NO_TABLE }] : []),
    ];
  });
}

/** Owned by the reconciler's cycle: one call at a time. */
export class ExitRoutes {
  readonly #tables: ExitTables;
  readonly #interfaceName: string;
  /** False once a look found nothing of ours, and nothing is wanted. */
  #mayHold = true;

  constructor(tables: ExitTables, interfaceName: string) {
    this.#tables = tables;
    this.#interfaceName = interfaceName;
  }

  /** Makes the rules and routes those of the wish, none for null. Returns how many changes that took; throws the first refusal. */
  sync(wish: ExitWish | null): number {
    if (wish === null) return this.undo();
    const tables = this.#tables;
    const { table } = placeOf(this.#interfaceName);
    tables.markSockets(tables.mark);
    this.#mayHold = true;
    let changes = 0;
    const defaults = new Map(
      tables.defaults(this.#interfaceName, table).map(({ family, source }) => [family, source]),
    );
    for (const family of wish.ipv6 ? ([4, 6] as const) : ([4] as const)) {
      const source = family === 6 ? wish.sources.ipv6 : wish.sources.ipv4;
      if (defaults.has(family) && [null, defaults.get(family)].includes(source)) continue;
      tables.addDefault(this.#interfaceName, table, family, source);
      changes += 1;
    }
    const wanted = new Map(
      wantedRules(this.#interfaceName, wish, tables.mark).map((rule) => [textOf(rule), rule]),
    );
    const obsolete = this.#ours().filter((rule) => !wanted.delete(textOf(rule)));
    for (const rule of wanted.values()) this.#add(rule, wish);
    for (const rule of obsolete) tables.removeRule(rule);
    return changes + wanted.size + obsolete.length;
  }

  /** Removes every rule of ours, those of a killed run too; the table's routes go with the interface and lead nowhere without rules. */
  undo(): number {
    if (!this.#mayHold) return 0;
    // Those that lead into the tunnel first.
    const ours = this.#ours().sort((a, b) => b.priority - a.priority);
    for (const rule of ours) this.#tables.removeRule(rule);
    this.#mayHold = false;
    return ours.length;
  }

  #add(rule: PolicyRule, { ipv6 }: ExitWish): void {
    try {
      this.#tables.addRule(rule);
    } catch (error) {
      // Where the kernel has no IPv6 none leaves.
      const code = error instanceof Error ? nativeCode(error.cause) : null;
      if (ipv6 || rule.family === 4 || code !== "EAFNOSUPPORT") throw error;
    }
  }

  #ours(): PolicyRule[] {
    const { priority } = placeOf(this.#interfaceName);
    return this.#tables
      .rules()
      .filter((rule) => rule.priority >= priority && rule.priority < priority + STEPS);
  }
}

const textOf = (rule: PolicyRule): string =>
  [
    rule.family,
    rule.priority,
    rule.table,
    rule.suppressPrefixLength,
    rule.fwmark,
    rule.source,
    rule.udpSourcePort,
  ].join();
