import type { BackendKind, NodeIdentity, PresharedKey, WireGuardDevice } from "@wgmesh/native";
import type { Keys } from "../../../src/wireguard/nativeBackend.ts";

/** An error as the addon throws it. */
export function nativeError(code: string, text = "cannot open wg0: because"): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}

/** Handles that nothing looks into. */
export const keys: Keys = { identity: {} as NodeIdentity, presharedKey: {} as PresharedKey };

/** A device that does nothing but what `parts` say. */
export function fakeDevice(kind: BackendKind, parts: Partial<WireGuardDevice> = {}): WireGuardDevice {
  const nothing: Omit<WireGuardDevice, "kind"> = {
    name: "wg0",
    index: 7,
    adopted: false,
    listenPort: () => 51820,
    reset: async () => {},
    configure() {},
    up() {},
    apply: async () => [],
    read: async () => ({ publicKey: null, listenPort: 0, fwmark: 0, peers: [] }),
    onEvent() {},
    onDatagram() {},
    sendDatagram: () => true,
    datagramCounters: () => ({ received: 0, dropped: 0, sent: 0, sendErrors: 0 }),
    close() {},
  };
  return { kind, ...nothing, ...parts } as WireGuardDevice;
}
