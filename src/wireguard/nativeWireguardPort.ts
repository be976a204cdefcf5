/**
 * WireGuard's port as the addon offers it: the embedded engine's own sockets, or raw ones beside another WireGuard's.
 */
import type { WireGuardDevice } from "@wgmesh/native";
import type { Endpoint } from "../core/types.ts";
import type { DatagramListener, WireguardPort } from "./wireguardPort.ts";

export class NativeWireguardPort implements WireguardPort {
  readonly #device: WireGuardDevice;
  readonly #listeners = new Set<DatagramListener>();

  /** Throws the addon's error: EPERM without CAP_NET_RAW (kernel, wireguard-go), ENOTSUP where there is no such thing. */
  constructor(device: WireGuardDevice) {
    this.#device = device;
    device.onDatagram(({ data, host, port }) => {
      for (const listener of this.#listeners) listener(data, { host, port });
    });
  }

  send(data: Uint8Array, to: Endpoint): void {
    try {
      this.#device.sendDatagram(to.host, to.port, data);
    } catch {
      // A name, where only addresses can be sent to: lost like what the kernel refuses.
    }
  }

  onDatagram(listener: DatagramListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
