/**
 * What an exit node does besides forwarding: what comes from the mesh and leaves for elsewhere gets this host's address (row E3).
 */
import type { Cidr } from "../core/types.ts";

/** A table of the packet filter that is ours alone; every method rejects with what cannot be done. */
export interface Masquerade {
  /** Families that it has something for now. */
  families(interfaceName: string): Promise<readonly (4 | 6)[]>;
  /** Makes it anew. Packets from `sources` are translated where they leave by another link, those to `except` are not. */
  set(interfaceName: string, sources: readonly Cidr[], except: readonly Cidr[]): Promise<void>;
  remove(interfaceName: string): Promise<void>;
}

/** That there may be a table; so a start does not have the kernel load its packet filter to find none. */
export interface OfferRecord {
  exists(): boolean;
  make(): Promise<void>;
  remove(): Promise<void>;
}

export class ExitOffer {
  readonly #interfaceName: string;
  readonly #masquerade: Masquerade;
  readonly #record: OfferRecord;
  /** What the table was made of; null when it is not there, or not known. */
  #made: string | null = null;

  constructor(interfaceName: string, masquerade: Masquerade, record: OfferRecord) {
    this.#interfaceName = interfaceName;
    this.#masquerade = masquerade;
    this.#record = record;
  }

  /**
   * @param sources networks of the mesh
   * @param except networks behind this node, whose hosts see members by their own addresses
   */
  async ensure(sources: readonly Cidr[], except: readonly Cidr[]): Promise<void> {
    const text = `${sources.join()} ${except.join()}`;
    const families = new Set(sources.map((network) => (network.includes(":") ? 6 : 4)));
    // A firewall that loads its rules anew empties everybody's.
    if (
      text === this.#made &&
      (await this.#masquerade.families(this.#interfaceName)).length === families.size
    )
      return;
    if (!this.#record.exists()) await this.#record.make();
    await this.#masquerade.set(this.#interfaceName, sources, except);
    this.#made = text;
  }

  /** Without effect when nothing was made, by this run or one before it. */
  async undo(): Promise<boolean> {
    if (!this.#record.exists()) return false;
    await this.#masquerade.remove(this.#interfaceName);
    this.#made = null;
    await this.#record.remove();
    return true;
  }
}
