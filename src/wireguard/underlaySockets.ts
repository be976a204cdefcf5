import type { IpAddress } from "../core/types.ts";

/** What all sockets have in common that speak to other hosts (`--fwmark`, `--listen-address`). */
export interface UnderlaySockets {
  /** SO_MARK of what they send, 0 for none. */
  readonly fwmark: number;
  /** At most one of each family; empty for all of the host. */
  readonly addresses: readonly IpAddress[];
}

/** Every address, no mark. */
export const anyUnderlay: UnderlaySockets = { fwmark: 0, addresses: [] };
