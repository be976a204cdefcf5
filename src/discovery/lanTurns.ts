/**
 * Who announces on a calm LAN: each time a few nodes for all (the suppression of Trickle, RFC 6206 section 4.2). One announcement leads a
 * newcomer, or the other half of a LAN that was parted, to a node that tells it of all others; opening those of everybody was
 * most of what an idle node did. Pure.
 */
import type { PublicKey } from "../core/types.ts";

/** So many others that were heard since the last turn speak for us: one more than needed, since datagrams get lost. */
const ENOUGH = 2;
/** Even so each node is heard this often. */
const MAX_SILENT_MS = 60_000;

export class LanTurns {
  readonly #heard = new Set<PublicKey>();
  #spokeAtMs = Number.NEGATIVE_INFINITY;

  /** Another node of the mesh, one that we know, announced itself. */
  heard(publicKey: PublicKey): void {
    if (this.#heard.size < ENOUGH) this.#heard.add(publicKey);
  }

  /** True when this turn may pass in silence; the count begins anew. */
  passes(nowMs: number): boolean {
    const enough = this.#heard.size >= ENOUGH;
    this.#heard.clear();
    return enough && nowMs - this.#spokeAtMs < MAX_SILENT_MS;
  }

  spoke(nowMs: number): void {
    this.#spokeAtMs = nowMs;
  }
}
