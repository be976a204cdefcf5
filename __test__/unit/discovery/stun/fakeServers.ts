import type { Clock } from "../../../../src/core/clock.ts";
import { type Endpoint, endpointText } from "../../../../src/core/types.ts";
import type { DatagramSocket } from "../../../../src/discovery/stun/client.ts";
import { decodeMessage, encodeMessage } from "../../../../src/discovery/stun/message.ts";

/** How a NAT shows a socket to one destination; null loses the datagram. */
export type Nat = (own: Endpoint, to: Endpoint) => Endpoint | null;

/** Everybody sees the same. */
export const cone =
  (mapped: Endpoint): Nat =>
  () =>
    mapped;

/** Another port for each destination. */
export function symmetric(host: string, firstPort = 40_000): Nat {
  const ports = new Map<string, number>();
  return (own, to) => {
    const flow = `${own.port} ${endpointText(to)}`;
    const port = ports.get(flow) ?? firstPort + ports.size;
    ports.set(flow, port);
    return { host, port };
  };
}

/** Servers on a network in memory, asked through a NAT. */
export class FakeServers {
  readonly #clock: Clock;
  readonly #servers = new Map<string, { delayMs: number; answers: boolean }>();
  /** `from to` of every request, with its time. */
  readonly requests: { readonly atMs: number; readonly from: number; readonly to: string }[] = [];
  nat: Nat;
  /** What a server says in place of the truth. */
  lie: ((to: Endpoint) => Endpoint | null) | null = null;

  constructor(clock: Clock, nat: Nat) {
    this.#clock = clock;
    this.nat = nat;
  }

  add(address: Endpoint, delayMs = 20): Endpoint {
    this.#servers.set(endpointText(address), { delayMs, answers: true });
    return address;
  }

  setAnswers(answers: boolean, address?: Endpoint): void {
    for (const [text, server] of this.#servers) {
      if (address === undefined || text === endpointText(address)) server.answers = answers;
    }
  }

  /** A socket of the host; `port` is read at each use. */
  socket(host: string, port: () => number): DatagramSocket {
    const listeners = new Set<(data: Buffer, from: Endpoint) => void>();
    return {
      send: (data, to) => {
        this.requests.push({ atMs: this.#clock.monotonicMs(), from: port(), to: endpointText(to) });
        const server = this.#servers.get(endpointText(to));
        const mapped = this.lie?.(to) ?? this.nat({ host, port: port() }, to);
        const request = decodeMessage(Buffer.from(data));
        if (!server?.answers || mapped === null || request === null) return;
        const answer = encodeMessage("success", request.transactionId, { mapped });
        this.#clock.after(server.delayMs, () => {
          for (const listener of listeners) listener(answer, to);
        });
      },
      onDatagram: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    };
  }
}
