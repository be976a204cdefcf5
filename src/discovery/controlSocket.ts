/**
 * The control socket: UDP on the gossip port, IPv6 and IPv4 in one (PROTOCOL.md section 2, "Ports and groups").
 */
import { WgmeshError } from "../core/errors.ts";
import { type Endpoint, parseIp } from "../core/types.ts";
import type { DatagramSocket } from "./stun/client.ts";
import { looksLikeStun } from "./stun/message.ts";
import type { UdpHandlers, UdpSocket, UdpSocketFactory, UdpSource } from "./udpSocket.ts";

export interface ControlSocketOptions {
  readonly bind: UdpSocketFactory;
  readonly port: number;
  /** `--no-ipv6`, or a test on IPv4 alone. */
  readonly noIpv6: boolean;
  /** A datagram from a canonical address, IPv4-mapped ones as IPv4. */
  datagram(data: Buffer, source: Endpoint): void;
  /** A datagram that could not be sent, or an error of the socket itself. */
  failed(error: Error): void;
}

export class ControlSocket {
  readonly #socket: UdpSocket;
  readonly #dualStack: boolean;
  readonly #options: ControlSocketOptions;
  readonly #stunListeners: Set<(data: Buffer, from: Endpoint) => void>;

  private constructor(
    socket: UdpSocket,
    dualStack: boolean,
    options: ControlSocketOptions,
    stunListeners: Set<(data: Buffer, from: Endpoint) => void>,
  ) {
    this.#stunListeners = stunListeners;
    this.#socket = socket;
    this.#dualStack = dualStack;
    this.#options = options;
  }

  /** Binds; hosts without IPv6 get IPv4 alone. Rejects with ERR_CONTROL_PORT when another program has the port. */
  static async open(options: ControlSocketOptions): Promise<ControlSocket> {
    const stunListeners = new Set<(data: Buffer, from: Endpoint) => void>();
    const handlers: UdpHandlers = {
      datagram(data, source) {
        const from = canonicalSource(source);
        if (from === null) return;
        if (!looksLikeStun(data)) options.datagram(data, from);
        else for (const listener of stunListeners) listener(data, from);
      },
      error: (error) => options.failed(error),
    };
    try {
      if (!options.noIpv6) {
        const socket = await bindUnlessMissing(options, handlers);
        if (socket) return new ControlSocket(socket, true, options, stunListeners);
      }
      const socket = await options.bind({ family: "udp4", address: "0.0.0.0", port: options.port }, handlers);
      return new ControlSocket(socket, false, options, stunListeners);
    } catch (error) {
      if (codeOf(error) !== "EADDRINUSE") throw error;
      throw new WgmeshError("ERR_CONTROL_PORT", `UDP port ${options.port} is in use by another program`, {
        cause: error,
      });
    }
  }

  /** Sends to an IP literal. Errors (no route, too long) are reported to `failed` and touch nothing else. */
  send(data: Uint8Array, to: Endpoint): void {
    this.#send(data, to, (error) => this.#options.failed(error));
  }

  /** The socket as STUN uses it: its datagrams alone; that one cannot be sent is no trouble of the control socket. */
  forStun(): DatagramSocket {
    return {
      send: (data, to) => this.#send(data, to, () => {}),
      onDatagram: (listener) => {
        this.#stunListeners.add(listener);
        return () => void this.#stunListeners.delete(listener);
      },
    };
  }

  #send(data: Uint8Array, to: Endpoint, failed: (error: Error) => void): void {
    const v6 = to.host.includes(":");
    if (v6 && !this.#dualStack) {
      failed(new Error("no IPv6 on this host"));
      return;
    }
    const address = this.#dualStack && !v6 ? `::ffff:${to.host}` : to.host;
    this.#socket.send(data, to.port, address, (error) => {
      if (error) failed(error);
    });
  }

  close(): void {
    this.#socket.close();
  }
}

/** Null for sources nothing can be sent back to, such as a link-local one with a zone or port 0. */
export function canonicalSource(source: UdpSource): Endpoint | null {
  const host = parseIp(source.address);
  return host === null || source.port === 0 ? null : { host, port: source.port };
}

async function bindUnlessMissing(
  options: ControlSocketOptions,
  handlers: UdpHandlers,
): Promise<UdpSocket | null> {
  try {
    return await options.bind({ family: "udp6", address: "::", port: options.port }, handlers);
  } catch (error) {
    if (["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL"].includes(codeOf(error))) return null;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
