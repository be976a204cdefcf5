import { messageOf } from "../core/errors.ts";
import type { Endpoint } from "../core/types.ts";
import { canonicalSource } from "./controlSocket.ts";
import type { Counters } from "./counters.ts";
import type { UnderlayLink } from "./seams.ts";
import type { UdpHandlers, UdpSocket, UdpSocketFactory } from "./udpSocket.ts";

export interface LanSocketsOptions {
  readonly bind: UdpSocketFactory;
  readonly group: string;
  readonly port: number;
  readonly counters: Counters;
  datagram(data: Buffer, source: Endpoint): void;
}

/** A link of a home or a container host away at most: routers must not pass it on. */
const TTL = 1;

/**
 * The sockets of LAN discovery: one that listens, a member of the group on each link, and one for each link that sends,
 * since the system's default interface is only one of them.
 */
export class LanSockets {
  readonly #options: LanSocketsOptions;
  #listener: UdpSocket | null = null;
  readonly #senders = new Map<string, { readonly socket: UdpSocket; readonly link: UnderlayLink }>();
  #lastError: string | null = null;

  constructor(options: LanSocketsOptions) {
    this.#options = options;
  }

  /** Names of the links in use. */
  get links(): string[] {
    return Array.from(this.#senders.values(), ({ link }) => link.name);
  }

  /** What failed since the links were followed last, null for nothing. */
  get lastError(): string | null {
    return this.#lastError;
  }

  /**
   * Makes the sockets fit the links; resolves to the names of those that are new. A device that was made again has a new
   * index and no membership, whatever its name: the listener is made anew with every change. Rejects when it cannot be.
   */
  async follow(links: readonly UnderlayLink[]): Promise<string[]> {
    const wanted = new Map(links.filter(({ ipv4 }) => ipv4.length > 0).map((link) => [identity(link), link]));
    const gone = [...this.#senders.keys()].filter((key) => !wanted.has(key));
    const appeared = [...wanted].filter(([key]) => !this.#senders.has(key));
    if (this.#listener && gone.length === 0 && appeared.length === 0) return [];
    this.#lastError = null;
    for (const key of gone) {
      this.#senders.get(key)?.socket.close();
      this.#senders.delete(key);
    }
    await this.#listen([...wanted.values()]);
    const names: string[] = [];
    for (const [key, link] of appeared) {
      const socket = await this.#openSender(link);
      if (!socket) continue;
      this.#senders.set(key, { socket, link });
      names.push(link.name);
    }
    return names;
  }

  /** Sends on every link; a link that fails does not stop the others. */
  send(data: Uint8Array): void {
    const { counters, group, port } = this.#options;
    for (const { socket, link } of this.#senders.values()) {
      socket.send(data, port, group, (error) => {
        counters.add(error ? "sendErrors" : "sent");
        if (error) this.#lastError = `${link.name}: ${error.message}`;
      });
    }
  }

  close(): void {
    this.#listener?.close();
    this.#listener = null;
    for (const { socket } of this.#senders.values()) socket.close();
    this.#senders.clear();
  }

  async #listen(links: readonly UnderlayLink[]): Promise<void> {
    const { group, port, bind } = this.#options;
    // Bound to the group, so that unicast to the port and groups of other meshes on this host stay out.
    const before = this.#listener;
    try {
      this.#listener = await bind(
        { family: "udp4", address: group, port, reuseAddress: true },
        this.#handlers(),
      );
    } catch (error) {
      this.#lastError = messageOf(error);
      throw error;
    }
    for (const link of links) {
      try {
        this.#listener.joinGroup(group, address(link));
      } catch (error) {
        this.#lastError = `${link.name}: ${messageOf(error)}`;
      }
    }
    // Closed last: what arrives twice in between has the same nonce.
    before?.close();
  }

  async #openSender(link: UnderlayLink): Promise<UdpSocket | null> {
    let socket: UdpSocket | null = null;
    try {
      const handlers = { ...this.#handlers(), datagram() {} };
      socket = await this.#options.bind({ family: "udp4", address: address(link), port: 0 }, handlers);
      socket.sendMulticastVia(address(link), TTL);
      return socket;
    } catch (error) {
      socket?.close();
      this.#lastError = `${link.name}: ${messageOf(error)}`;
      return null;
    }
  }

  #handlers(): UdpHandlers {
    return {
      datagram: (data, source) => {
        const from = canonicalSource(source);
        if (from) this.#options.datagram(data, from);
      },
      error: (error) => {
        this.#lastError = error.message;
      },
    };
  }
}

function identity(link: UnderlayLink): string {
  return `${link.index} ${address(link)}`;
}

function address(link: UnderlayLink): string {
  return link.ipv4[0] ?? "0.0.0.0";
}
