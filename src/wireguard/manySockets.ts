/**
 * Many UDP sockets of the addon at once, as discovery sees them (discovery/rendezvous/birthday.ts).
 */
import { Bridge } from "@wgmesh/native";
import { type Endpoint, endpointText } from "../core/types.ts";
import { bridgeEndpoint } from "./bridgeEndpoint.ts";
import { translated } from "./nativeErrors.ts";
import type { UnderlaySockets } from "./underlaySockets.ts";

interface Wish {
  readonly to: Endpoint;
  readonly data: Uint8Array;
  readonly sockets: number;
  readonly packetsPerSecond: number;
  readonly onDatagram: (socket: number, data: Buffer, from: Endpoint) => void;
}

/** Null where the addon has none: it needs Linux. `wireguardPort` tells where WireGuard listens when a socket is kept. */
export function manySockets(underlay: UnderlaySockets, wireguardPort: () => number) {
  if (process.platform !== "linux") return null;
  return (wish: Wish) => translated(() => open(wish, wireguardPort, underlay));
}

function open(
  { to, data, sockets, packetsPerSecond, onDatagram }: Wish,
  wireguardPort: () => number,
  underlay: UnderlaySockets,
) {
  const birthday = Bridge.birthday(
    { remote: endpointText(to), data, sockets, packetsPerSecond, ...underlay },
    ({ socket, data: received, host, port }) => onDatagram(socket, received, { host, port }),
  );
  return {
    reply: (socket: number, answer: Uint8Array, remote: Endpoint): void => {
      birthday.reply(socket, answer, endpointText(remote));
    },
    become: (socket: number, remote: Endpoint) =>
      translated(() =>
        bridgeOf(birthday.become(socket, { wireguardPort: wireguardPort(), remote: endpointText(remote) })),
      ),
    close: (): void => birthday.close(),
  };
}

function bridgeOf(bridge: Bridge) {
  return {
    endpoint: bridgeEndpoint(bridge),
    send: (data: Uint8Array): void => {
      bridge.send(data);
    },
    onDatagram: (listener: (data: Buffer) => void): void => bridge.onDatagram(listener),
    close: (): void => bridge.close(),
  };
}
