/**
 * The NAT part of a check of the network: every socket at once, each asked over IPv4 and IPv6.
 */
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { NatReport, ServerReport } from "../../core/netReport.ts";
import type { Random } from "../../core/random.ts";
import { type Endpoint, endpointText } from "../../core/types.ts";
import { type DatagramSocket, StunClient } from "../stun/client.ts";
import type { ServerAddress, StunServers } from "../stun/servers.ts";
import { natTypeOf } from "../stun/verdict.ts";
import { examineSocket, type SocketAnswer } from "./natBehaviour.ts";

export interface ExaminedSocket {
  readonly name: "control" | "wireguard" | "probe";
  readonly socket: DatagramSocket;
  /** The port it is bound to, null when that is not known. */
  readonly port: number | null;
}

export interface ExamineOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly sockets: readonly ExaminedSocket[];
  readonly servers: StunServers;
  /** Of the host's links, canonical. */
  readonly ownAddresses: readonly string[];
  readonly signal: AbortSignal;
}

interface Resolved {
  readonly server: string;
  readonly addresses: readonly ServerAddress[];
  readonly error: string | null;
}

/** Takes up to about ten seconds, most of them where answers are filtered; ends early, its report without worth, with its signal. */
export async function examine(options: ExamineOptions): Promise<NatReport> {
  const { clock, ownAddresses, random, signal, sockets } = options;
  const resolved = await Promise.all(options.servers.servers.map((server) => resolve(server, options)));
  const all = resolved.flatMap(({ addresses }) => addresses.map(({ address }) => address));
  const hasIpv6 = ownAddresses.some((ip) => ip.includes(":"));
  const clients = sockets.map(({ socket }) => new StunClient({ clock, random, socket }));
  const close = (): void => {
    for (const client of clients) client.close();
  };
  // What is asked then ends without an answer, at once.
  signal.addEventListener("abort", close, { once: true });
  if (signal.aborted) close();
  try {
    const answers = await Promise.all(
      sockets.flatMap(({ name, port }, index) =>
        (hasIpv6 ? (["ipv4", "ipv6"] as const) : (["ipv4"] as const)).map((family) =>
          examineSocket({
            ...{ name, family },
            client: clients[index] as StunClient,
            servers: all.filter(({ host }) => host.includes(":") === (family === "ipv6")),
            isOwn: (mapped) => ownAddresses.includes(mapped.host) && (port === null || mapped.port === port),
            mayTouchOther: name === "probe",
          }),
        ),
      ),
    );
    return reportOf(answers, resolved);
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

async function resolve(server: Endpoint, { servers, signal }: ExamineOptions): Promise<Resolved> {
  const name = endpointText(server);
  try {
    return { server: name, addresses: await servers.addresses(server, signal), error: null };
  } catch (error) {
    return { server: name, addresses: [], error: messageOf(error) };
  }
}

function reportOf(answers: readonly SocketAnswer[], resolved: readonly Resolved[]): NatReport {
  // A second address that nobody reaches makes every filter look closed.
  const dead = new Set(
    answers.flatMap(({ other, otherAnswers }) =>
      other !== null && otherAnswers === false ? [endpointText(other)] : [],
    ),
  );
  const sockets = answers.map(({ report, other }) =>
    other !== null && dead.has(endpointText(other)) ? { ...report, filtering: "unknown" as const } : report,
  );
  const outcomes = answers.flatMap((answer) => answer.outcomes);
  const servers = resolved.flatMap(({ server, addresses, error }): ServerReport[] =>
    addresses.length === 0
      ? [{ server, address: null, after_ms: null, error }]
      : addresses.map(({ address }) => serverReport(server, address, outcomes)),
  );
  return { nat_type: natTypeIn(sockets), sockets, servers };
}

function serverReport(server: string, address: Endpoint, outcomes: SocketAnswer["outcomes"]): ServerReport {
  const text = endpointText(address);
  const mine = outcomes.filter((entry) => endpointText(entry.server) === text).map(({ outcome }) => outcome);
  const times = mine.flatMap((outcome) => (outcome.ok ? [outcome.durationMs] : []));
  const failures = mine.flatMap((outcome) => (outcome.ok ? [] : [outcome.reason]));
  const afterMs = times.length === 0 ? null : Math.round(Math.min(...times) * 10) / 10;
  const error = afterMs === null ? (failures[0] ?? "not asked: this host has no IPv6 address") : null;
  return { server, address: text, after_ms: afterMs, error };
}

/** Of WireGuard's port where it could be asked from, of IPv4 where there is any. */
function natTypeIn(sockets: NatReport["sockets"]): string {
  const order = ["wireguard", "control", "probe"];
  const told = sockets
    .filter(({ mapping }) => mapping !== "unknown")
    .sort((a, b) => a.family.localeCompare(b.family) || order.indexOf(a.socket) - order.indexOf(b.socket));
  const mapping = told[0]?.mapping;
  return natTypeOf(mapping === "address" || mapping === "port" ? "dependent" : mapping);
}
