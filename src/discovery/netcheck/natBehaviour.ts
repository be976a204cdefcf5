/**
 * How the NATs and firewalls before a socket behave (RFC 5780 section 4), found out by STUN.
 */
import type { NetFiltering, NetMapping, SocketReport } from "../../core/netReport.ts";
import { type Endpoint, endpointText } from "../../core/types.ts";
import type { StunClient, StunOutcome } from "../stun/client.ts";
import { judge, type Verdict } from "../stun/verdict.ts";

export interface SocketQuestion {
  readonly name: SocketReport["socket"];
  readonly family: SocketReport["family"];
  readonly client: StunClient;
  /** Servers of that family. */
  readonly servers: readonly Endpoint[];
  isOwn(mapped: Endpoint): boolean;
  /** A socket that nobody else uses may speak to a server's second address, which spoils later questions about filtering. */
  readonly mayTouchOther: boolean;
}

export interface SocketAnswer {
  readonly report: SocketReport;
  readonly outcomes: readonly { readonly server: Endpoint; readonly outcome: StunOutcome }[];
  /** Server and second address that told about filtering; null when none offered it. */
  readonly other: Endpoint | null;
  /** Whether that second address answers at all, where it was asked. */
  readonly otherAnswers: boolean | null;
}

/** A server that can answer from elsewhere (RFC 5780 section 6). */
interface TwoAddresses {
  readonly server: Endpoint;
  readonly other: Endpoint;
  readonly mapped: Endpoint;
}

export async function examineSocket(question: SocketQuestion): Promise<SocketAnswer> {
  const { client, family, isOwn, mayTouchOther, name, servers } = question;
  const outcomes = await Promise.all(
    servers.map(async (server) => ({ server, outcome: await client.request(server) })),
  );
  const sights = outcomes.flatMap(({ server, outcome }) =>
    outcome.ok ? [{ server, mapped: outcome.mapped }] : [],
  );
  const verdict = judge(sights, isOwn);
  const pair = twoAddresses(outcomes, servers);
  // In this order: once we spoke to the second address ourselves, its packets come in through any filter.
  const filtering = pair === null ? "unknown" : await filteringOf(client, pair);
  const refined = pair !== null && mayTouchOther ? await refine(client, pair, verdict) : null;
  return {
    report: {
      socket: name,
      family,
      mapped: verdict && endpointText(verdict.mapped),
      mapping: refined?.mapping ?? verdict?.mapping ?? "unknown",
      filtering: refined?.otherAnswers === false ? "unknown" : filtering,
    },
    outcomes,
    other: pair?.other ?? null,
    otherAnswers: refined?.otherAnswers ?? null,
  };
}

/** The first whose second address is none of those this socket has written to. */
function twoAddresses(outcomes: SocketAnswer["outcomes"], servers: readonly Endpoint[]): TwoAddresses | null {
  for (const { server, outcome } of outcomes) {
    if (!outcome.ok || outcome.otherAddress === null) continue;
    const { mapped, otherAddress: other } = outcome;
    const sameFamily = other.host.includes(":") === server.host.includes(":");
    const fresh = servers.every(({ host }) => host !== other.host) && other.port !== server.port;
    if (sameFamily && fresh) return { server, other, mapped };
  }
  return null;
}

/** RFC 5780 section 4.4; both tests at once, since neither opens anything for the other. */
async function filteringOf(client: StunClient, { server, other }: TwoAddresses): Promise<NetFiltering> {
  const [elsewhere, otherPort] = await Promise.all([
    client.request(server, { change: { ip: true, port: true }, answerFrom: other }),
    client.request(server, {
      change: { ip: false, port: true },
      answerFrom: { host: server.host, port: other.port },
    }),
  ]);
  if (elsewhere.ok) return "independent";
  if (otherPort.ok) return "address";
  // An error is the word of a server that does not do this.
  const silent = [elsewhere, otherPort].every((outcome) => !outcome.ok && outcome.reason === "no answer");
  return silent ? "port" : "unknown";
}

/** RFC 5780 section 4.3. */
async function refine(
  client: StunClient,
  { server, other, mapped }: TwoAddresses,
  verdict: Verdict | null,
): Promise<{ readonly mapping: NetMapping; readonly otherAnswers: boolean }> {
  const known = verdict?.mapping ?? "unknown";
  const second = await client.request({ host: other.host, port: server.port });
  if (!second.ok) return { mapping: known, otherAnswers: false };
  if (known === "none") return { mapping: known, otherAnswers: true };
  const text = endpointText(second.mapped);
  if (text === endpointText(mapped)) return { mapping: "independent", otherAnswers: true };
  const third = await client.request(other);
  if (!third.ok) return { mapping: "dependent", otherAnswers: true };
  return { mapping: text === endpointText(third.mapped) ? "address" : "port", otherAnswers: true };
}
