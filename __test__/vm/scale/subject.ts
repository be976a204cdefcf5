/** The daemon's own way from wanted peers to the interface: read, difference, apply; without the daemon around it. */
import assert from "node:assert/strict";
import { NodeIdentity, PresharedKey, WireGuardDevice } from "@wgmesh/native";
import type { PublicKey } from "../../../src/core/types.ts";
import { difference } from "../../../src/mesh/difference.ts";
import type { WantedPeer } from "../../../src/wireguard/backend.ts";
import { NativeBackend } from "../../../src/wireguard/nativeBackend.ts";

const keys = {
  presharedKey: PresharedKey.generate(),
  identity: NodeIdentity.load("/run/not-there.json"),
};

export class Subject {
  /** Of every peer. */
  readonly presharedKey = keys.presharedKey;
  readonly name: string;
  readonly backend: NativeBackend;
  #applied: ReadonlyMap<PublicKey, WantedPeer> = new Map();

  /** A new interface of the kernel with key and a port of its own choice, down. */
  constructor(name: string) {
    this.name = name;
    this.backend = new NativeBackend(WireGuardDevice.open("kernel", name, 0), keys);
    this.backend.configure(0);
  }

  /** How many changes it took. */
  async sync(wanted: readonly WantedPeer[]): Promise<number> {
    const { peers } = await this.backend.read();
    const { changes, foreign } = difference(wanted, peers, this.#applied);
    assert.deepEqual(foreign, [], "nobody else changes the interface");
    if (changes.length > 0) assert.deepEqual(await this.backend.apply(changes), []);
    this.#applied = new Map(wanted.map((peer) => [peer.publicKey, peer]));
    return changes.length;
  }

  async empty(): Promise<void> {
    await this.backend.reset();
    this.#applied = new Map();
  }

  close(): void {
    this.backend.close(true);
  }
}
