/** Whether all live nodes see the same mesh, and have it in their interfaces and routes. */
import type { PeerJson } from "../harness/node.ts";
import { allowanceMs, delay, isEmulated, nowMs } from "../harness/time.ts";
import type { Churned } from "./churned.ts";

interface Listed extends PeerJson {
  readonly routable_networks?: readonly string[];
}

interface RouteJson {
  readonly dst: string;
  readonly protocol?: string;
}

const inOrder = (values: Iterable<string>): string => [...values].sort().join(" ");

/** A ping on an emulated machine takes a second to begin. */
const PATIENCE = isEmulated ? ["-w", "5"] : ["-w", "1"];

/** What is not as it should be, in words. */
type Complaints = string[];

function compare(
  complaints: Complaints,
  what: string,
  found: Iterable<string>,
  wanted: Iterable<string>,
): void {
  const [is, should] = [inOrder(found), inOrder(wanted)];
  if (is !== should) complaints.push(`${what}: [${is}], should be [${should}]`);
}

const word = (
  name: string,
  state: string,
  ip: string,
  ipv6: string | null,
  networks: readonly string[],
): string => [name, state, ip, ipv6, ...[...networks].sort()].join(",");

/** `remembered` may be known, but not be connected. */
async function complaintsOf(
  churned: Churned,
  others: readonly Churned[],
  remembered: ReadonlySet<string>,
): Promise<Complaints> {
  const { node, name } = churned;
  const complaints: Complaints = [];
  const nameOf = (key: string): string =>
    others.find(({ known }) => known.pubkey === key)?.name ?? `stranger ${key}`;
  const [{ peers }, rows, routes] = await Promise.all([
    node.rpc<{ peers: Listed[] }>("peers.list"),
    node.wgPeers(),
    node.exec(["ip", "-4", "-j", "route", "show", "dev", node.iface]),
  ]);
  compare(
    complaints,
    `${name}: peers`,
    peers
      .filter(({ pubkey, state }) => state === "connected" || !remembered.has(pubkey))
      .map((peer) =>
        word(nameOf(peer.pubkey), peer.state, peer.mesh_ip, peer.mesh_ipv6, peer.routable_networks ?? []),
      ),
    others.map(({ known, networks, ...other }) =>
      word(other.node.name, "connected", known.mesh_ip, known.mesh_ipv6, networks),
    ),
  );
  compare(
    complaints,
    `${name}: interface`,
    (rows ?? [])
      .filter(({ publicKey }) => !remembered.has(publicKey))
      .map((row) => word(nameOf(row.publicKey), "", "", "", row.allowedIps)),
    others.map(({ known, networks, ...other }) =>
      word(other.node.name, "", "", "", [`${known.mesh_ip}/32`, `${known.mesh_ipv6}/128`, ...networks]),
    ),
  );
  const all = JSON.parse(routes.stdout || "[]") as RouteJson[];
  compare(
    complaints,
    `${name}: routes`,
    all.filter(({ protocol }) => protocol !== "kernel").map(({ dst }) => dst),
    others.flatMap(({ networks }) => networks),
  );
  return complaints;
}

async function unanswered(from: Churned, to: Churned): Promise<Complaints> {
  const { code } = await from.node.exec(["ping", "-n", "-q", "-c", "1", ...PATIENCE, to.known.mesh_ip]);
  return code === 0 ? [] : [`${from.name} gets no answer from ${to.name}`];
}

async function complaints(all: readonly Churned[]): Promise<Complaints> {
  const live = all.filter(({ life }) => life === "live");
  const ended = all.filter(({ life, status }) => life !== "live" && status !== null);
  const pairs = live.map((from) => ({
    from,
    others: live.filter((other) => other !== from),
    remembered: new Set(
      ended.filter((other) => from.mayRemember(other, live)).map(({ known }) => known.pubkey),
    ),
  }));
  const states = await Promise.all(
    pairs.map(({ from, others, remembered }) =>
      complaintsOf(from, others, remembered).catch((error: unknown) => [String(error)]),
    ),
  );
  if (states.flat().length > 0) return states.flat();
  // One node after another: fifty-six pings at once are an event of their own on two cores.
  for (const { from, others } of pairs) {
    const lost = await Promise.all(others.map((to) => unanswered(from, to)));
    if (lost.flat().length > 0) return lost.flat();
  }
  return [];
}

/** Waits until all that live agree; returns the milliseconds that took. Throws what does not when they have not `promisedMs` later (tenfold). */
export async function untilAllAgree(all: readonly Churned[], promisedMs: number): Promise<number> {
  const startMs = nowMs();
  for (;;) {
    const found = await complaints(all);
    if (found.length === 0) return nowMs() - startMs;
    if (nowMs() - startMs > allowanceMs(promisedMs))
      throw new Error(`they do not agree:\n${found.join("\n")}`);
    await delay(200);
  }
}
