import { WgmeshError } from "../../../src/core/errors.ts";
import type { InterfaceName } from "../../../src/core/types.ts";
import type { InterfaceAddress, SeenLink } from "../../../src/mesh/interfaceDifference.ts";
import type { InterfaceControl } from "../../../src/mesh/interfaceSync.ts";
import type { Backend } from "../../../src/wireguard/backend.ts";
import { MemoryBackend, type MemoryBackendOptions } from "../../../src/wireguard/memoryBackend.ts";

type MutableLink = { -readonly [Member in keyof SeenLink]: SeenLink[Member] };

/**
 * One name of a host's links, in memory: backends are opened on it, each with an index of its own, and a test does to the
 * link what other programs do. A link loses what the kernel's loses with it.
 */
export class FakeInterface implements InterfaceControl {
  readonly name = "wg0" as InterfaceName;
  /** Every backend that was opened, the oldest first. */
  readonly backends: MemoryBackend[] = [];
  /** What `open` fails with, or null. */
  refuseOpen: Error | null = null;
  /** Steps that fail: `link`, `mtu`, `address <text>`. */
  readonly refuse = new Set<string>();
  /** Addresses whose network has no route. */
  readonly unrouted = new Set<string>();
  present: MutableLink | null = null;
  held: InterfaceAddress[] = [];
  opens = 0;

  readonly #options: Omit<MemoryBackendOptions, "interfaceName">;
  #nextIndex: number;

  constructor(options: Omit<MemoryBackendOptions, "interfaceName">) {
    this.#options = options;
    this.#nextIndex = options.interfaceIndex ?? 7;
  }

  /** The backend that is open, or was last. */
  get backend(): MemoryBackend {
    const last = this.backends.at(-1);
    if (last === undefined) throw new Error("no backend was opened");
    return last;
  }

  async open(): Promise<Backend> {
    this.opens += 1;
    if (this.refuseOpen !== null) throw this.refuseOpen;
    if (this.present !== null) throw new WgmeshError("ERR_NOT_WIREGUARD", "wg0 is taken");
    const interfaceIndex = this.#nextIndex++;
    // A new link has no port; only the first may be one that was adopted.
    const adopted = this.backends.length === 0 ? this.#options : { ...this.#options, boundPort: 0 };
    const backend = new MemoryBackend({ ...adopted, interfaceName: this.name, interfaceIndex });
    this.present = { index: interfaceIndex, kind: "tun", mtu: 1420, up: false };
    this.#observe(backend);
    this.backends.push(backend);
    return backend;
  }

  // ---- InterfaceControl ----

  link(): SeenLink | null {
    this.#check("link");
    return this.present === null ? null : { ...this.present };
  }

  addresses(): InterfaceAddress[] {
    return [...this.held];
  }

  addAddress(address: InterfaceAddress): void {
    this.#check(`address ${address.address}`);
    this.unrouted.delete(address.address);
    this.held.push(address);
  }

  removeAddress({ address, prefixLength }: InterfaceAddress): void {
    this.held = this.held.filter((other) => other.address !== address || other.prefixLength !== prefixLength);
  }

  isRouted({ address }: InterfaceAddress): boolean {
    return !this.unrouted.has(address);
  }

  setMtu(mtu: number): void {
    this.#check("mtu");
    if (this.present !== null) this.present.mtu = mtu;
  }

  // ---- what others do ----

  delete(): void {
    this.present = null;
    this.held = [];
  }

  /** The name is given to a link of another kind. */
  occupy(kind: string): void {
    this.delete();
    this.present = { index: this.#nextIndex++, kind, mtu: 1500, up: true };
  }

  #check(step: string): void {
    if (this.refuse.has(step)) throw new Error(`EPERM: ${step}`);
  }

  #observe(backend: MemoryBackend): void {
    const { up, close } = backend;
    backend.up = () => {
      up.call(backend);
      if (this.present?.index === backend.interfaceIndex) this.present.up = true;
    };
    backend.close = (remove) => {
      close.call(backend, remove);
      if (remove && this.present?.index === backend.interfaceIndex) this.delete();
    };
  }
}
