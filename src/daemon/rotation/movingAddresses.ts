/**
 * The addresses of the interface while this node is in two meshes, and after it has left one of them. They are written down before they are
 * set: the kernel's interface outlives its daemon (`wgmesh restart`, a kill), addresses of another mesh do not follow from the secret that
 * the next run is started with, and what is not ours must stay. So that file alone says which of them a later run takes away.
 */
import { messageOf } from "../../core/errors.ts";
import type { InterfaceAddress } from "../../mesh/interfaceDifference.ts";
import type { InterfaceControl } from "../../mesh/interfaceSync.ts";
import type { InterfaceSteps } from "../interfaceSteps.ts";
import type { NodeParts } from "../parts.ts";
import type { RotationFiles } from "./files.ts";
import type { SecondMesh } from "./secondMesh.ts";

export class MovingAddresses {
  readonly #parts: NodeParts;
  readonly #made: InterfaceSteps;
  readonly #files: RotationFiles;

  constructor(parts: NodeParts, made: InterfaceSteps, files: RotationFiles) {
    this.#parts = parts;
    this.#made = made;
    this.#files = files;
  }

  /** Those of the next mesh beside the present ones. Rejects with ERR_STATE_WRITE, and with what the system says. */
  async add(second: SecondMesh): Promise<void> {
    const present = this.#made.addresses();
    const next = this.#of(second);
    await this.#files.noteAddresses(withoutRepeats([...present, ...next]));
    for (const address of next) if (!isIn(present, address)) this.#control().addAddress(address);
    this.#made.setMore(next);
  }

  /** Undoes {@link add}. `kept` are the present ones. */
  async remove(second: SecondMesh, kept: readonly (string | null)[]): Promise<void> {
    this.#made.setMore([]);
    const next = this.#of(second).filter(({ address }) => !kept.includes(address));
    if (this.#takeAway(next)) await this.#forget();
  }

  /** Of a run before this one, in a mesh that this node is in no more. */
  async removeLeft(): Promise<void> {
    const noted = this.#files.notedAddresses();
    if (noted.length === 0) return;
    const ours = this.#made.addresses();
    const there = this.#control().addresses();
    const left = noted.filter((address) => isIn(there, address) && !isIn(ours, address));
    for (const { address } of left) this.#parts.log.info({ address }, "address of the mesh before removed");
    if (this.#takeAway(left)) await this.#forget();
  }

  /** False when one of them is still there, for a later run to try. */
  #takeAway(addresses: readonly InterfaceAddress[]): boolean {
    let all = true;
    for (const address of addresses) {
      try {
        this.#control().removeAddress(address);
      } catch (error) {
        all = false;
        this.#parts.log.warn({ address: address.address, reason: messageOf(error) }, "address not removed");
      }
    }
    return all;
  }

  async #forget(): Promise<void> {
    // One that stays names nothing that a later run could take away by mistake: what is ours then is not touched.
    await this.#files.dropAddresses().catch((error: unknown) => {
      this.#parts.log.warn({ reason: messageOf(error) }, "list of addresses not removed");
    });
  }

  #of({ self, mesh }: SecondMesh): InterfaceAddress[] {
    const { meshIp, meshIpv6 } = self.snapshot;
    return meshIp === null ? [] : this.#made.addressesOf({ meshIp, meshIpv6 }, mesh.addresses);
  }

  #control(): InterfaceControl {
    return this.#parts.system.interfaceControl(this.#parts.options.interfaceName);
  }
}

const isIn = (list: readonly InterfaceAddress[], { address }: InterfaceAddress): boolean =>
  list.some((one) => one.address === address);

const withoutRepeats = (list: readonly InterfaceAddress[]): InterfaceAddress[] =>
  list.filter((address, index) => list.findIndex((one) => one.address === address.address) === index);
