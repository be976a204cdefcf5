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
import type { UnderlaySockets } from "./underlaySockets.ts";

export type BackendChoice = "auto" | BackendKind;

export interface BackendRequest {
  readonly choice: BackendChoice;
  readonly interfaceName: InterfaceName;
  /** Bytes; 0 leaves what is there, or WireGuard's 1420. */
  readonly mtu: number;
  readonly keys: Keys;
  readonly log: Log;
  /** The program `wireguard-go`; null looks it up. */
  readonly wireguardGo: string | null;
  /** What sockets of WireGuard are bound to, and the mark of what they send. */
  readonly underlay: UnderlaySockets;
  /** Where a child process is written down while it runs. */
  readonly childRecord: string;
  /** That move packets at once, outside of the kernel; null leaves it to the backend. */
  readonly threads: number | null;
}

/** Opens a device of the addon; tests give their own. */
export type OpenDevice = (kind: BackendKind, request: BackendRequest) => WireGuardDevice;

/** What `auto` tries, in this order: the fastest first. */
const order: Readonly<Partial<Record<NodeJS.Platform, readonly BackendKind[]>>> = {
  linux: ["kernel", "embedded", "wireguard-go"],
  darwin: ["wireguard-go"],
};

/** /dev/net/tun: not there; there without a driver; not ours to open; the name taken by another link. */
const tunCodes: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "ERR_NO_TUN",
  ENXIO: "ERR_NO_TUN",
  ENODEV: "ERR_NO_TUN",
  EACCES: "ERR_PERMISSION",
  EEXIST: "ERR_NOT_WIREGUARD",
};

/** What codes mean when a backend opens its interface. */
const codes: Readonly<Record<BackendKind, Readonly<Record<string, ErrorCode>>>> = {
  kernel: { EOPNOTSUPP: "ERR_NO_BACKEND", ENOTSUP: "ERR_NO_BACKEND" },
  embedded: { ...tunCodes, ENOTSUP: "ERR_NO_BACKEND" },
  "wireguard-go": {
    ...tunCodes,
    NO_WIREGUARD_GO: "ERR_NO_WIREGUARD_GO",
    CHILD_FAILED: "ERR_NO_WIREGUARD_GO",
  },
};

/**
 * Creates the interface, or adopts the kernel's WireGuard link of that name. `auto` takes the first backend that works; which
 * one, and why, is one line of the log.
 *
 * Throws ERR_PERMISSION (no CAP_NET_ADMIN), ERR_NOT_WIREGUARD (the name is taken), ERR_NO_TUN and ERR_NO_WIREGUARD_GO (a backend
 * chosen by name lacks it), ERR_NO_BACKEND (kernel chosen, or none works), ERR_SYSTEM.
 */
export function openBackend(
  request: BackendRequest,
  open: OpenDevice = openNative,
  platform: NodeJS.Platform = process.platform,
): Backend {
  const { choice } = request;
  if (choice !== "auto") return openOne(request, choice, "chosen", open);
  return openFirst(request, order[platform] ?? [], open);
}

function openNative(kind: BackendKind, request: BackendRequest): WireGuardDevice {
  const { interfaceName, mtu, wireguardGo, childRecord, threads, underlay } = request;
  const { addresses } = underlay;
  const options = {
    ...{ childRecord, addresses },
    ...(threads === null ? {} : { threads }),
    ...(wireguardGo === null ? {} : { program: wireguardGo }),
  };
  return WireGuardDevice.open(kind, interfaceName, mtu, options);
}

function openFirst(request: BackendRequest, kinds: readonly BackendKind[], open: OpenDevice): Backend {
  const missing: { readonly kind: BackendKind; readonly error: WgmeshError }[] = [];
  for (const kind of kinds) {
    const reasons = missing.map((entry) => reasonOf(entry.kind, entry.error));
    const reason = reasons.join("; ") || (kind === "kernel" ? "the kernel has WireGuard" : "the default");
    try {
      return openOne(request, kind, reason, open);
    } catch (error) {
      // Without the right, or with the name taken, the next one could not do better.
      if (!(error instanceof WgmeshError) || isFinal(error)) throw error;
      missing.push({ kind, error });
    }
  }
  const [only] = missing;
  // Where there is one backend, its own error says more.
  if (only !== undefined && kinds.length === 1) throw only.error;
  const each = missing.map(({ kind, error }) => `${kind}: ${error.message}`).join("; ");
  throw new WgmeshError("ERR_NO_BACKEND", `no backend works: ${each}`, { cause: missing.at(-1)?.error });
}

function reasonOf(kind: BackendKind, error: WgmeshError): string {
  if (kind === "kernel" && nativeCode(error.cause) === "EOPNOTSUPP") return "the kernel has no WireGuard";
  return error.message;
}

function isFinal(error: WgmeshError): boolean {
  return error.code === "ERR_PERMISSION" || error.code === "ERR_NOT_WIREGUARD";
}

function noticeMissingPort({ name, wireguardPortError: error }: NativeBackend, log: Log): void {
  if (error === null) return;
  const remedy =
    error.code === "ERR_PERMISSION"
      ? "run wgmesh with CAP_NET_RAW, or with --backend embedded"
      : "this system has no remedy";
  const loss = "behind NATs that change ports this node is reached less often";
  log.warn(
    { backend: name, reason: error.message },
    `WireGuard's own port cannot be used for STUN and hole punching, so ${loss}: ${remedy}`,
  );
}

function openOne(request: BackendRequest, kind: BackendKind, reason: string, open: OpenDevice): Backend {
  try {
    const backend = new NativeBackend(open(kind, request), request.keys, request.underlay.fwmark);
    request.log.info({ backend: kind, reason }, "backend selected");
    noticeMissingPort(backend, request.log);
    return backend;
  } catch (error) {
    throw fromNative(error, codes[kind]);
  }
}
