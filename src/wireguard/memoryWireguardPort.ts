/**
 * WireGuard's port in memory: keeps what is sent, and receives what a test says.
 */
import type { Endpoint } from "../core/types.ts";
import { type DatagramListener, looksLikeWireguard, type WireguardPort } from "./wireguardPort.ts";

export class MemoryWireguardPort implements WireguardPort {
  readonly sent: { readonly data: Buffer; readonly to: Endpoint }[] = [];
  readonly #listeners = new Set<DatagramListener>();
  /** Called with what is sent: puts the port on a network in memory. */
  deliver: (data: Buffer, to: Endpoint) => void = () => {};

  send(data: Uint8Array, to: Endpoint): void {
    const copy = Buffer.from(data);
    if (looksLikeWireguard(copy)) return;
    this.sent.push({ data: copy, to });
    this.deliver(copy, to);
  }

  onDatagram(listener: DatagramListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A datagram came. WireGuard's own are not handed on. */
  receive(data: Uint8Array, from: Endpoint): void {
    if (looksLikeWireguard(data)) return;
    for (const listener of this.#listeners) listener(Buffer.from(data), from);
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }
}
