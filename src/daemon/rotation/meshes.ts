/**
 * The mesh this node is in, and the one it moves to. Others hold the live views, which are always those of the present mesh, so that none
 * of them has to be told when it changes.
 */
import type { MeshIdentity } from "../../identity/meshIdentity.ts";
import type { AddressDerivation } from "../../peers/addresses.ts";
import type { MeshFacts } from "../parts.ts";

export class Meshes {
  #current: MeshIdentity;
  #next: MeshIdentity | null = null;
  readonly facts: MeshFacts;
  readonly addresses: AddressDerivation;

  constructor(current: MeshIdentity) {
    this.#current = current;
    const present = (): MeshIdentity => this.#current;
    this.facts = {
      get networkId() {
        return present().parameters.networkId;
      },
      get gossipPort() {
        return present().parameters.gossipPort;
      },
      get probePort() {
        return present().parameters.probePort;
      },
      get multicastGroup() {
        return present().parameters.multicastGroup;
      },
    };
    this.addresses = {
      get meshSubnet() {
        return present().addresses.meshSubnet;
      },
      get meshIpv6Prefix() {
        return present().addresses.meshIpv6Prefix;
      },
      meshIpv4: (publicKey, nonce) => present().addresses.meshIpv4(publicKey, nonce),
      meshIpv6: (publicKey) => present().addresses.meshIpv6(publicKey),
    };
  }

  get current(): MeshIdentity {
    return this.#current;
  }

  get next(): MeshIdentity | null {
    return this.#next;
  }

  setNext(next: MeshIdentity | null): void {
    this.#next = next;
  }

  /** From now on the next one is the present one. */
  move(): void {
    if (this.#next === null) throw new TypeError("there is no mesh to move to");
    this.#current = this.#next;
    this.#next = null;
  }
}
