/**
 * One backend for the whole life of a daemon, though the interface below it may be lost and made anew.
 */
import { WgmeshError } from "../core/errors.ts";
import type { InterfaceName } from "../core/types.ts";
import type { ActualDevice, Backend, BackendEvent, BackendName, PeerChange, PeerFailure } from "./backend.ts";
import { LastingWireguardPort, type WireguardPort } from "./wireguardPort.ts";

/**
 * Hands every call to the backend it has now. Who holds it never holds an old one: name, index and port are those of the
 * present interface, or of the last one while there is none. Events of one that was given up are not passed on.
 */
export class ReplaceableBackend implements Backend {
  readonly interfaceName: InterfaceName;
  readonly #listeners: ((event: BackendEvent) => void)[] = [];
  readonly #wireguardPort = new LastingWireguardPort();
  #current: Backend | null = null;
  #last: Backend | null = null;
  #lastPort = 0;
  #closed = false;

  constructor(interfaceName: InterfaceName) {
    this.interfaceName = interfaceName;
  }

  /** False before the first `open`, after `discard`, and after `close`. */
  get isOpen(): boolean {
    return this.#current !== null;
  }

  get name(): BackendName {
    return this.#latest().name;
  }

  get interfaceIndex(): number {
    return this.#latest().interfaceIndex;
  }

  get adopted(): boolean {
    return this.#latest().adopted;
  }

  get fwmark(): number {
    return this.#latest().fwmark;
  }

  /** One and the same for all interfaces; null while that of the present one, or of the last, cannot be used. */
  get wireguardPort(): WireguardPort | null {
    return this.#last?.wireguardPort == null ? null : this.#wireguardPort;
  }

  /**
   * Gives the present interface up, if there is one, and takes the one that `open` makes. Rejects with what `open` threw;
   * there is none then. After `close` the new one is removed at once.
   */
  async open(open: () => Promise<Backend>): Promise<void> {
    this.discard();
    const opened = await open();
    if (this.#closed) {
      opened.close(true);
      throw new WgmeshError("ERR_SYSTEM", `interface ${this.interfaceName} was closed while it was made`);
    }
    this.#current = opened;
    this.#last = opened;
    this.#wireguardPort.follow(opened.wireguardPort);
    if (this.#listeners.length > 0) this.#listen(opened);
  }

  /** Ends and removes what is left of the present interface. Returns what could not be done, or null. */
  discard(): unknown {
    const current = this.#current;
    this.#current = null;
    this.#wireguardPort.follow(null);
    try {
      current?.close(true);
      return null;
    } catch (error) {
      return error;
    }
  }

  listenPort(): number {
    if (this.#current !== null) this.#lastPort = this.#current.listenPort();
    return this.#lastPort;
  }

  reset(): Promise<void> {
    return this.#present().reset();
  }

  configure(listenPort: number): void {
    this.#present().configure(listenPort);
    this.#lastPort = listenPort;
  }

  up(): void {
    this.#present().up();
  }

  async apply(changes: readonly PeerChange[]): Promise<PeerFailure[]> {
    return await this.#present().apply(changes);
  }

  async read(): Promise<ActualDevice> {
    return await this.#present().read();
  }

  onEvent(listener: (event: BackendEvent) => void): void {
    this.#listeners.push(listener);
    if (this.#listeners.length === 1 && this.#current !== null) this.#listen(this.#current);
  }

  close(remove: boolean): void {
    const current = this.#current;
    this.#closed = true;
    this.#current = null;
    this.#wireguardPort.follow(null);
    current?.close(remove);
  }

  /** Once for each interface, and only when somebody listens: a backend keeps its first events until then. */
  #listen(backend: Backend): void {
    backend.onEvent((event) => {
      if (backend !== this.#current) return;
      for (const listener of this.#listeners) listener(event);
    });
  }

  #present(): Backend {
    if (this.#current !== null) return this.#current;
    throw new WgmeshError("ERR_SYSTEM", `interface ${this.interfaceName} is not there`);
  }

  #latest(): Backend {
    if (this.#last !== null) return this.#last;
    throw new TypeError(`interface ${this.interfaceName} was never opened`);
  }
}
