/**
 * The threads of the addon that move relayed packets, as discovery sees them (discovery/relay/plane.ts).
 */
import { Bridge, RelayServer } from "@wgmesh/native";
import { type Endpoint, endpointText } from "../core/types.ts";
import { bridgeEndpoint } from "./bridgeEndpoint.ts";
import { translated } from "./nativeErrors.ts";
import type { UnderlaySockets } from "./underlaySockets.ts";

/** More than discovery/relay/allocations.ts ever asks for. */
const MAX_SESSIONS = 512;

interface BridgeWish {
  readonly relay: Endpoint;
  readonly token: Buffer;
  readonly onDatagram: (data: Buffer) => void;
}

interface Limits {
  readonly limitBytesPerSecond: number;
  readonly pairBytesPerSecond: number;
}

interface ServerWish extends Limits {
  readonly port: number;
}

/**
 * Null where the addon has none: it needs Linux. `wireguardPort` tells where WireGuard listens when a bridge is opened. Only the embedded
 * engine does not follow what is left in a bridge (native/src/wireguard/embedded/tunnel.rs).
 */
export function relayPlane(underlay: UnderlaySockets, wireguardPort: () => number, backend: string) {
  if (process.platform !== "linux") return null;
  return {
    empties: backend === "embedded",
    openBridge: (wish: BridgeWish) => translated(() => openBridge(wish, wireguardPort(), underlay)),
    openServer: (wish: ServerWish) => translated(() => openServer(wish, underlay)),
  };
}

function openBridge(
  { relay, token, onDatagram }: BridgeWish,
  wireguardPort: number,
  underlay: UnderlaySockets,
) {
  const bridge = Bridge.open({ wireguardPort, remote: endpointText(relay), token, ...underlay });
  bridge.setDelivery(false);
  bridge.onDatagram(onDatagram);
  return {
    endpoint: bridgeEndpoint(bridge),
    send: (data: Uint8Array): void => {
      bridge.send(data);
    },
    deliver: (on: boolean): void => bridge.setDelivery(on),
    traffic: () => bridge.counters(),
    close: (): void => bridge.close(),
  };
}

function openServer({ port, ...limits }: ServerWish, underlay: UnderlaySockets) {
  const { limitBytesPerSecond: bytesPerSecond } = limits;
  const server = RelayServer.open({ port, bytesPerSecond, maxSessions: MAX_SESSIONS, ...underlay });
  let { pairBytesPerSecond } = limits;
  const numbers = new Map<string, number>();
  return {
    port: server.port,
    addSession: (id: string, [first, second]: readonly [Buffer, Buffer]): void => {
      const limits = { bytesPerSecond: pairBytesPerSecond };
      numbers.set(
        id,
        translated(() => server.addSession(first, second, limits)),
      );
    },
    setLimits: (changed: Limits): void => {
      pairBytesPerSecond = changed.pairBytesPerSecond;
      const bytesPerSecond = changed.limitBytesPerSecond;
      translated(() => server.setLimits({ bytesPerSecond, sessionBytesPerSecond: pairBytesPerSecond }));
    },
    removeSession: (id: string): void => {
      const number = numbers.get(id);
      if (number !== undefined) server.removeSession(number);
      numbers.delete(id);
    },
    sessions: () => {
      const names = new Map([...numbers].map(([id, number]) => [number, id]));
      return server.sessions().flatMap(({ id, ...state }) => {
        const name = names.get(id);
        return name === undefined ? [] : [{ ...state, id: name }];
      });
    },
    close: (): void => server.close(),
  };
}
