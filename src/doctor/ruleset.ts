/**
 * What a packet filter does with a packet that begins a conversation, read from `nft --json list ruleset`, in which the rules of iptables
 * stand too where nft made them. Pure.
 *
 * A rule that asks for more than is known here (a source address, a set, a mark) may match or not: where that decides, the answer is `unclear`.
 */
export type Hook = "input" | "forward";

export interface Packet {
  readonly hook: Hook;
  readonly family: "ip" | "ip6";
  /** Of UDP; null for any packet that is forwarded. */
  readonly udpPort: number | null;
  /** The link it comes in by. */
  readonly iifname: string;
  /** The one it leaves by; "" where it does not. */
  readonly oifname: string;
}

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly prio?: number;
  readonly policy?: string;
  readonly type?: string;
}

interface Rule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly expr: readonly unknown[];
}

/** The chains and rules of a packet filter. */
export interface Ruleset {
  readonly chains: readonly Chain[];
  readonly rules: readonly Rule[];
}

export interface Fate {
  readonly verdict: "accept" | "drop" | "unclear";
  /** The chain that drops it: `ip filter FORWARD`. */
  readonly chain: string | null;
}

/** Throws for what is not such JSON. */
export function parseRuleset(text: string): Ruleset {
  const { nftables } = JSON.parse(text) as { nftables: readonly { chain?: Chain; rule?: Rule }[] };
  return {
    chains: nftables.flatMap(({ chain }) => chain ?? []),
    rules: nftables.flatMap(({ rule }) => rule ?? []),
  };
}

/** A packet passes when every chain of its hook lets it: an accept ends the chain, not the others. */
export function fateOf(ruleset: Ruleset, packet: Packet): Fate {
  let unclear: string | null = null;
  for (const base of ruleset.chains) {
    if (base.hook !== packet.hook || (base.family !== "inet" && base.family !== packet.family)) continue;
    const ends = new Set(
      [...endsOf(ruleset, base, packet, 0)].map((end) => (end === "return" ? base.policy : end)),
    );
    const name = `${base.family} ${base.table} ${base.name}`;
    if (!ends.has("drop")) continue;
    if (ends.size === 1) return { verdict: "drop", chain: name };
    unclear ??= name;
  }
  return { verdict: unclear === null ? "accept" : "unclear", chain: unclear };
}

/** True where Docker has put its chains: it makes the kernel drop what others forward. */
export const hasDocker = ({ chains }: Ruleset): boolean =>
  chains.some(({ name }) => /^DOCKER(-|$)/.test(name));

type End = "accept" | "drop" | "return";
type Fits = "yes" | "no" | "perhaps";

/** Deeper jumps are a circle, which the kernel refuses anyway. */
const MAX_DEPTH = 16;

const ANY_END: readonly End[] = ["accept", "drop", "return"];

/** How the packet may leave the chain; `return` by its end too. */
function endsOf(ruleset: Ruleset, chain: Chain, packet: Packet, depth: number): Set<End> {
  const ends = new Set<End>();
  for (const { chain: of, table, family, expr } of ruleset.rules) {
    if (of !== chain.name || table !== chain.table || family !== chain.family) continue;
    const fits = fitsAll(expr, packet);
    if (fits === "no") continue;
    const verdict = verdictOf(ruleset, chain, expr, packet, depth);
    for (const end of verdict.ends) ends.add(end);
    if (fits === "yes" && !verdict.goesOn) return ends;
  }
  return ends.add("return");
}

interface Verdict {
  readonly ends: readonly End[];
  /** The next rule may have its turn. */
  readonly goesOn: boolean;
}

/** What a rule does with what it matches: nothing, when it only counts, logs or marks. */
function verdictOf(
  ruleset: Ruleset,
  chain: Chain,
  expr: readonly unknown[],
  packet: Packet,
  depth: number,
): Verdict {
  for (const part of expr) {
    if (has(part, "accept")) return { ends: ["accept"], goesOn: false };
    if (has(part, "drop") || has(part, "reject")) return { ends: ["drop"], goesOn: false };
    if (has(part, "return")) return { ends: ["return"], goesOn: false };
    if (has(part, "vmap") || has(part, "queue") || isUnknownTarget(part))
      return { ends: ANY_END, goesOn: true };
    const target = targetOf(part);
    if (target === null) continue;
    const next = ruleset.chains.find(
      ({ name, table, family }) => name === target && table === chain.table && family === chain.family,
    );
    if (next === undefined || depth >= MAX_DEPTH) return { ends: ANY_END, goesOn: true };
    const ends = [...endsOf(ruleset, next, packet, depth + 1)];
    if (has(part, "goto")) return { ends, goesOn: false };
    return { ends: ends.filter((end) => end !== "return"), goesOn: ends.includes("return") };
  }
  return { ends: [], goesOn: true };
}

const has = (part: unknown, name: string): boolean =>
  typeof part === "object" && part !== null && name in part;

function targetOf(part: unknown): string | null {
  const { jump, goto } = part as { jump?: { target?: string }; goto?: { target?: string } };
  return jump?.target ?? goto?.target ?? null;
}

/** A target of iptables that nft cannot say in its own words. */
function isUnknownTarget(part: unknown): boolean {
  const { xt } = part as { xt?: { type?: string; name?: string } };
  return xt?.type === "target" && xt.name !== "LOG";
}

function fitsAll(expr: readonly unknown[], packet: Packet): Fits {
  const fits = expr.map((part) => fitsExpression(part, packet));
  if (fits.includes("no")) return "no";
  return fits.includes("perhaps") ? "perhaps" : "yes";
}

interface Match {
  readonly op: string;
  readonly left: {
    readonly payload?: { readonly protocol?: string; readonly field?: string };
    readonly meta?: { readonly key?: string };
    readonly ct?: { readonly key?: string };
  };
  readonly right: unknown;
}

function fitsExpression(part: unknown, packet: Packet): Fits {
  if (has(part, "xt")) {
    const { xt } = part as { xt: { type?: string; name?: string } };
    return xt.type === "match" && xt.name !== "comment" ? "perhaps" : "yes";
  }
  if (has(part, "limit")) return "perhaps";
  if (!has(part, "match")) return "yes";
  const { match } = part as { match: Match };
  const value = partOfPacket(match.left, packet);
  if (value === undefined) return "perhaps";
  if (value === null) return match.op === "!=" ? "perhaps" : "no";
  const hit = holds(match.right, value);
  if (hit === null) return "perhaps";
  return hit === (match.op !== "!=") ? "yes" : "no";
}

/** What the packet has there: null for nothing, undefined for what is not known. */
function partOfPacket(
  { payload, meta, ct }: Match["left"],
  packet: Packet,
): string | number | null | undefined {
  // The first packet of a conversation: what is let in as part of one does not let it in.
  if (ct?.key === "state") return "new";
  switch (meta?.key) {
    case "l4proto":
      return packet.udpPort === null ? undefined : "udp";
    case "iifname":
    case "iif":
      return packet.iifname;
    case "oifname":
    case "oif":
      return packet.oifname;
    case "nfproto":
      return packet.family === "ip" ? "ipv4" : "ipv6";
  }
  if (payload === undefined) return undefined;
  const { protocol, field } = payload;
  if (packet.udpPort === null) return undefined;
  if (protocol === "udp" || protocol === "th") return field === "dport" ? packet.udpPort : undefined;
  if (protocol === "ip" || protocol === "ip6") {
    if (field === "protocol" || field === "nexthdr") return "udp";
    return protocol === packet.family ? undefined : null;
  }
  return ["tcp", "icmp", "icmpv6", "sctp", "dccp"].includes(protocol ?? "") ? null : undefined;
}

/** Whether the right side names the value; null where it cannot be told, as with named sets. */
function holds(right: unknown, value: string | number): boolean | null {
  if (Array.isArray(right)) return some(right, value);
  if (typeof right === "string" && /^@|\*$/.test(right)) return null;
  if (typeof right !== "object" || right === null) return right === value;
  const { set, range } = right as { set?: unknown; range?: readonly [number, number] };
  if (Array.isArray(set)) return some(set, value);
  if (range !== undefined && typeof value === "number") return value >= range[0] && value <= range[1];
  return null;
}

function some(entries: readonly unknown[], value: string | number): boolean | null {
  const found = entries.map((entry) => holds(entry, value));
  if (found.includes(true)) return true;
  return found.includes(null) ? null : false;
}
