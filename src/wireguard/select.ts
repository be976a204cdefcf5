/**
 * Which backend moves the packets (row C7).
 */
import { type BackendKind, WireGuardDevice } from "@wgmesh/native";
import { type ErrorCode, WgmeshError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { InterfaceName } from "../core/types.ts";
import type { Backend } from "./backend.ts";
import { type Keys, NativeBackend } from "./nativeBackend.ts";
import { fromNative, nativeCode } from "./nativeErrors.ts";

export type BackendChoice = "auto" | BackendKind;

export interface BackendRequest {
  readonly choice: BackendChoice;
  readonly interfaceName: InterfaceName;
  /** Bytes; 0 leaves what is there, or WireGuard's 1420. */
  readonly mtu: number;
  readonly keys: Keys;
  readonly log: Log;
}

/** Opens a device of the addon; tests give their own. */
export type OpenDevice = (kind: BackendKind, name: string, mtu: number) => WireGuardDevice;

/** What codes mean when the kernel's interface is opened. */
const kernelCodes: Readonly<Record<string, ErrorCode>> = { EOPNOTSUPP: "ERR_NO_BACKEND" };

/** /dev/net/tun: not there; there without a driver; not ours to open; the name taken by another link. */
const embeddedCodes: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "ERR_NO_TUN",
  ENXIO: "ERR_NO_TUN",
  ENODEV: "ERR_NO_TUN",
  EACCES: "ERR_PERMISSION",
  EEXIST: "ERR_NOT_WIREGUARD",
};

/**
 * Creates the interface, or adopts the kernel's WireGuard link of that name. `auto` takes the kernel when it works, else the
 * embedded engine; which one, and why, is one line of the log.
 *
 * Throws ERR_PERMISSION (no CAP_NET_ADMIN), ERR_NOT_WIREGUARD (the name is taken), ERR_NO_TUN (embedded chosen),
 * ERR_NO_BACKEND (kernel chosen, or neither works), ERR_SYSTEM.
 */
export function openBackend(request: BackendRequest, open: OpenDevice = openNative): Backend {
  const { choice } = request;
  return choice === "auto" ? openFirst(request, open) : openOne(request, choice, "chosen", open);
}

function openNative(kind: BackendKind, name: string, mtu: number): WireGuardDevice {
  return WireGuardDevice.open(kind, name, mtu);
}

function openFirst(request: BackendRequest, open: OpenDevice): Backend {
  let missing: WgmeshError;
  try {
    return openOne(request, "kernel", "the kernel has WireGuard", open);
  } catch (error) {
    // Without the right, or with the name taken, the embedded engine could not do better.
    if (!(error instanceof WgmeshError) || isFinal(error)) throw error;
    missing = error;
  }
  const reason = nativeCode(missing.cause) === "EOPNOTSUPP" ? "the kernel has no WireGuard" : missing.message;
  try {
    return openOne(request, "embedded", reason, open);
  } catch (error) {
    if (!(error instanceof WgmeshError) || error.code !== "ERR_NO_TUN") throw error;
    const message = `no backend works: kernel: ${missing.message}; embedded: ${error.message}`;
    throw new WgmeshError("ERR_NO_BACKEND", message, { cause: error });
  }
}

function isFinal(error: WgmeshError): boolean {
  return error.code === "ERR_PERMISSION" || error.code === "ERR_NOT_WIREGUARD";
}

function openOne(request: BackendRequest, kind: BackendKind, reason: string, open: OpenDevice): Backend {
  const { interfaceName, mtu, keys, log } = request;
  try {
    const backend = new NativeBackend(open(kind, interfaceName, mtu), keys);
    log.info({ backend: kind, reason }, "backend selected");
    return backend;
  } catch (error) {
    throw fromNative(error, kind === "kernel" ? kernelCodes : embeddedCodes);
  }
}
