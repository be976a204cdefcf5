/**
 * From the interface as it is to be and as the kernel shows it, to what must be done to it. Pure.
 */

/** A link of the interface's name. */
export interface SeenLink {
  readonly index: number;
  /** `wireguard`, `tun`, `dummy`, … or "" for hardware. */
  readonly kind: string;
  /** Bytes. */
  readonly mtu: number;
  readonly up: boolean;
}

/** An address of ours with the length of its network's prefix. */
export interface InterfaceAddress {
  /** Canonical text. */
  readonly address: string;
  readonly prefixLength: number;
}

export type LinkVerdict =
  | { readonly state: "ours" }
  /** It must be made anew. `found` says what others, or its engine, did. */
  | { readonly state: "lost"; readonly found: string }
  /** A link of another kind has the name: it is never touched, and there is nothing to do until it goes. */
  | { readonly state: "occupied"; readonly found: string };

/**
 * @param ownIndex of the interface that we hold, or null when we hold none.
 * @param engineFailure why the engine behind it ended, or null.
 */
export function judgeLink(
  seen: SeenLink | null,
  ownIndex: number | null,
  engineFailure: string | null,
): LinkVerdict {
  if (seen === null) {
    const engine = engineFailure === null ? "" : ` (${engineFailure})`;
    return { state: "lost", found: `interface deleted${engine}` };
  }
  if (seen.index === ownIndex) {
    return engineFailure === null
      ? { state: "ours" }
      : { state: "lost", found: `engine failed: ${engineFailure}` };
  }
  // The kernel's WireGuard links are adopted, as at the start of the daemon (row C2).
  if (seen.kind === "wireguard") return { state: "lost", found: "interface replaced by another" };
  const kind = seen.kind === "" ? "hardware" : seen.kind;
  return { state: "occupied", found: `the name belongs to a link of another program (${kind})` };
}

export interface WantedInterface {
  /** Bytes; null while nothing was decided. */
  readonly mtu: number | null;
  readonly addresses: readonly InterfaceAddress[];
}

export interface SeenInterface extends SeenLink {
  readonly addresses: readonly InterfaceAddress[];
  /** Addresses whose network has no route any more, though they are there. */
  readonly unrouted: readonly InterfaceAddress[];
}

export interface InterfaceRepair {
  /** What it is about, for pauses and failures: `mtu`, `link`, `address 10.1.2.3`. */
  readonly object: string;
  /** What others had done. */
  readonly found: string;
  readonly steps: readonly RepairStep[];
}

export type RepairStep =
  | { readonly kind: "set-mtu"; readonly mtu: number }
  | { readonly kind: "set-up" }
  | { readonly kind: "add-address" | "remove-address"; readonly address: InterfaceAddress };

/**
 * In the order in which they must be done: below an MTU of 1280 the kernel takes all IPv6 from the link, and a link that
 * is down has no routes. Addresses that are not ours stay: somebody may have put them there for a purpose.
 */
export function interfaceRepairs(wanted: WantedInterface, seen: SeenInterface): InterfaceRepair[] {
  const repairs: InterfaceRepair[] = [];
  if (wanted.mtu !== null && seen.mtu !== wanted.mtu) {
    const steps = [{ kind: "set-mtu", mtu: wanted.mtu } as const];
    repairs.push({ object: "mtu", found: `MTU ${seen.mtu}`, steps });
  }
  if (!seen.up) repairs.push({ object: "link", found: "link down", steps: [{ kind: "set-up" }] });
  return [...repairs, ...wanted.addresses.flatMap((address) => addressRepair(address, seen))];
}

function addressRepair(wanted: InterfaceAddress, seen: SeenInterface): InterfaceRepair[] {
  const object = `address ${wanted.address}`;
  const same = seen.addresses.filter(({ address }) => address === wanted.address);
  const others = same.filter(({ prefixLength }) => prefixLength !== wanted.prefixLength);
  const removals = others.map((address) => ({ kind: "remove-address", address }) as const);
  const add = { kind: "add-address", address: wanted } as const;
  if (same.length === others.length) {
    const found = [`missing ${addressText(wanted)}`, ...others.map(addressText)].join(", there is ");
    return [{ object, found, steps: [...removals, add] }];
  }
  if (others.length > 0) return [{ object, found: others.map(addressText).join(", "), steps: removals }];
  // Without the link a route cannot be there either, and comes back with it.
  if (!seen.up || !seen.unrouted.some(({ address }) => address === wanted.address)) return [];
  // The kernel makes the route with the address, so the address is taken and given again.
  const steps = [{ kind: "remove-address", address: wanted } as const, add];
  return [{ object, found: `missing route of ${addressText(wanted)}`, steps }];
}

/** `address 10.1.2.3/16`. */
const addressText = ({ address, prefixLength }: InterfaceAddress): string =>
  `address ${address}/${prefixLength}`;
