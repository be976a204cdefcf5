/**
 * Sockets of one address of each family in place of all addresses (`--listen-address`, row G10).
 *
 * A socket that is bound to an address of the network below the tunnel is not reached through the tunnel, and what it sends there has a
 * source that the other end refuses. So the control socket, which speaks on both, gets sockets of the mesh addresses beside it.
 */
import type { IpAddress } from "../core/types.ts";
import type { LocalNode } from "../peers/localNode.ts";
import { bindNodeUdp } from "./nodeUdp.ts";
import type { Underlay } from "./seams.ts";
import type { UdpBinding, UdpHandlers, UdpSocket, UdpSocketFactory } from "./udpSocket.ts";

type Family = UdpBinding["family"];

const MAPPED = "::ffff:";
const familyOf = (address: string): Family => (address.includes(":") ? "udp6" : "udp4");
const isAny = ({ address }: UdpBinding): boolean => address === "::" || address === "0.0.0.0";

/** Binds to these addresses what asks for all of them; none stands for all. What asks for one gets that one. */
export function listenOn(addresses: readonly IpAddress[], bind: UdpSocketFactory): UdpSocketFactory {
  if (addresses.length === 0) return bind;
  return async (binding, handlers) => {
    if (!isAny(binding)) return bind(binding, handlers);
    const [ipv6, ipv4] = (["udp6", "udp4"] as const).map((family) =>
      addresses.find((address) => familyOf(address) === family),
    );
    const open = (address: IpAddress | undefined): Promise<UdpSocket> | null =>
      address === undefined ? null : bind({ ...binding, family: familyOf(address), address }, handlers);
    if (binding.family === "udp4") return (await open(ipv4)) ?? missing("IPv4");
    // As on a host without IPv6.
    const six = (await open(ipv6)) ?? missing("IPv6");
    try {
      const four = await open(ipv4);
      return four === null ? six : both(six, four);
    } catch (error) {
      six.close();
      throw error;
    }
  };
}

function missing(family: string): never {
  const error = new Error(`no ${family} address is among those of --listen-address`);
  throw Object.assign(error, { code: "EADDRNOTAVAIL" });
}

/** One socket for both families, as one of `::` is: IPv4 addresses are sent to in their mapped form. */
function both(six: UdpSocket, four: UdpSocket): UdpSocket {
  return {
    ...six,
    send(data, port, address, done) {
      if (address.startsWith(MAPPED)) four.send(data, port, address.slice(MAPPED.length), done);
      else six.send(data, port, address, done);
    },
    close() {
      six.close();
      four.close();
    },
  };
}

/** What is asked of a node. */
export interface MeshSide {
  readonly self: Pick<LocalNode, "snapshot" | "subscribe">;
  readonly underlay: Pick<Underlay, "isInsideMesh">;
}

/** The same factory; a socket of a port on all addresses speaks from the mesh addresses too, and hears there. */
export function withMeshSockets(
  addresses: readonly IpAddress[],
  bind: UdpSocketFactory,
  { self, underlay }: MeshSide,
): UdpSocketFactory {
  if (addresses.length === 0) return bind;
  return async (binding, handlers) => {
    const outside = await bind(binding, handlers);
    if (!isAny(binding) || binding.port === 0) return outside;
    const inside = (["udp4", "udp6"] as const).map(
      (family) => new MeshSocket(family, binding.port, handlers, self),
    );
    const follow = (): void => {
      for (const socket of inside) void socket.open();
    };
    const unsubscribe = self.subscribe(follow);
    follow();
    return {
      ...outside,
      send(data, port, address, done) {
        const plain = address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address;
        if (!underlay.isInsideMesh(plain)) return outside.send(data, port, address, done);
        void inside.find(({ family }) => family === familyOf(plain))?.send(data, port, plain, done);
      },
      close() {
        unsubscribe();
        outside.close();
        for (const socket of inside) socket.close();
      },
    };
  };
}

/** The socket of the mesh address of one family: another one once the node has another address. */
class MeshSocket {
  readonly family: Family;
  readonly #port: number;
  readonly #handlers: UdpHandlers;
  readonly #self: Pick<LocalNode, "snapshot">;
  #address: string | null = null;
  #socket: Promise<UdpSocket | Error> | null = null;
  #closed = false;

  constructor(family: Family, port: number, handlers: UdpHandlers, self: Pick<LocalNode, "snapshot">) {
    this.family = family;
    this.#port = port;
    this.#handlers = handlers;
    this.#self = self;
  }

  /** Resolves to why there is none when there is none; asked again, it tries again. */
  async open(): Promise<UdpSocket | Error> {
    const { meshIp, meshIpv6 } = this.#self.snapshot;
    const address = this.family === "udp4" ? meshIp : meshIpv6;
    if (this.#closed || address === null) return new Error("there is no mesh address");
    if (this.#address !== address) {
      this.#shut();
      this.#address = address;
    }
    this.#socket ??= bindNodeUdp({ family: this.family, address, port: this.#port }, this.#handlers).catch(
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    );
    const opening = this.#socket;
    const opened = await opening;
    if (opened instanceof Error && this.#socket === opening) this.#socket = null;
    return opened;
  }

  async send(
    data: Uint8Array,
    port: number,
    address: string,
    done: (error: Error | null) => void,
  ): Promise<void> {
    const opened = await this.open();
    if (opened instanceof Error) done(opened);
    else opened.send(data, port, address, done);
  }

  close(): void {
    this.#closed = true;
    this.#shut();
  }

  #shut(): void {
    const socket = this.#socket;
    this.#socket = null;
    void socket?.then((opened) => opened instanceof Error || opened.close());
  }
}
