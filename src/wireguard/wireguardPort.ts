/**
 * WireGuard's own UDP port, used beside WireGuard: what a NAT shows of this port cannot be learned from any other one
 * (PROTOCOL.md weak point 22).
 */
import type { Endpoint } from "../core/types.ts";

export type DatagramListener = (data: Buffer, from: Endpoint) => void;

/** What is sent here leaves from WireGuard's address and port, and so gets the NAT mapping that WireGuard's packets get. */
export interface WireguardPort {
  /**
   * Sends one datagram, at most 1,472 bytes, to an IP literal. Never throws: what cannot be sent is counted and lost, as on any
   * network. Neither may it look like a message of WireGuard ({@link looksLikeWireguard}), which would be dropped.
   */
  send(data: Uint8Array, to: Endpoint): void;
  /**
   * Datagrams on that port that are not WireGuard's, of senders anybody can be: the source is canonical, the content hostile.
   * Limited to some thousands a second before they get here. The returned function ends it.
   */
  onDatagram(listener: DatagramListener): () => void;
}

/** Whether the first four bytes are the type and reserved bytes of a WireGuard message: 1 to 4, little endian. */
export function looksLikeWireguard(data: Uint8Array): boolean {
  const [type = 0, ...reserved] = data.subarray(0, 4);
  return reserved.length === 3 && type >= 1 && type <= 4 && reserved.every((byte) => byte === 0);
}

/**
 * One port for the whole life of a daemon: listeners stay, though the device below is replaced. While there is none, what is
 * sent is lost.
 */
export class LastingWireguardPort implements WireguardPort {
  readonly #listeners = new Set<DatagramListener>();
  #current: WireguardPort | null = null;
  #leave: () => void = () => {};

  /** From now on this is the port of that device, or of none. */
  follow(port: WireguardPort | null): void {
    if (port === this.#current) return;
    this.#leave();
    this.#current = port;
    const leave = port?.onDatagram((data, from) => {
      if (port === this.#current) for (const listener of this.#listeners) listener(data, from);
    });
    this.#leave = leave ?? (() => {});
  }

  send(data: Uint8Array, to: Endpoint): void {
    this.#current?.send(data, to);
  }

  onDatagram(listener: DatagramListener): () => void {
    // The same function given twice is two listeners.
    const own: DatagramListener = (data, from) => listener(data, from);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }
}
