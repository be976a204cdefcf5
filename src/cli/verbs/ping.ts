import type { Command } from "commander";
import { sleep } from "../../core/clock.ts";
import { WgmeshError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { type PeerPingResult, RpcClient } from "../../rpc/client.ts";
import { findPeer } from "../findPeer.ts";
import { addLocation, readLocation } from "../location.ts";
import { withProgress } from "../progress.ts";
import { jsonText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

const INTERVAL_MS = 1_000;
const DEFAULT_COUNT = 4;
/** A path that can be punched is, within the first seconds; a relay holds on to the peer meanwhile. */
const UNTIL_DIRECT_COUNT = 30;
const MAX_COUNT = 100_000;

interface PingOptions {
  readonly count?: string;
  readonly untilDirect?: true;
}

/** What a whole run says, for scripts. */
interface PingSummary {
  readonly pubkey: string;
  readonly sent: number;
  readonly received: number;
  /** Whether the last answer came by a direct path. */
  readonly direct: boolean;
  /** Milliseconds; null without an answer. */
  readonly rtt_ms: { readonly min: number; readonly avg: number; readonly max: number } | null;
  readonly pings: readonly PeerPingResult[];
}

/** `wgmesh ping PEER` (row G3): which path the packets take, and how long they need through the tunnel. */
export function addPing(program: Command, terminal: Terminal): void {
  const command = program
    .command("ping <peer>")
    .description("round trips through the tunnel to a peer, by its public key, mesh address or host name")
    .option(
      "-c, --count <n>",
      `how many (default: ${DEFAULT_COUNT}; ${UNTIL_DIRECT_COUNT} with --until-direct)`,
    )
    .option("--until-direct", "until an answer comes by a direct path")
    .action(async (wanted: string) => {
      const { client: place, json } = readLocation(command, terminal);
      const { count, untilDirect } = command.opts<PingOptions>();
      const limit = readCount(count, untilDirect === true ? UNTIL_DIRECT_COUNT : DEFAULT_COUNT);
      const client = await RpcClient.connect(place);
      try {
        const { pubkey } = await findPeer(client, wanted);
        const show = (ping: PeerPingResult): void => {
          if (!json) terminal.out(`${printable(pingText(ping))}\n`);
        };
        const pings = await pingPeer(client, pubkey, limit, untilDirect === true, terminal, show);
        const summary = summaryOf(pubkey, pings);
        terminal.out(json ? jsonText(summary) : summaryText(summary));
        refuse(summary, wanted, untilDirect === true);
      } finally {
        client.close();
      }
    });
  addLocation(command);
}

function readCount(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > MAX_COUNT) {
    throw new WgmeshError("ERR_USAGE", `--count: ${JSON.stringify(text)} is not from 1 to ${MAX_COUNT}`);
  }
  return count;
}

async function pingPeer(
  client: RpcClient,
  pubkey: string,
  limit: number,
  untilDirect: boolean,
  terminal: Terminal,
  show: (ping: PeerPingResult) => void,
): Promise<PeerPingResult[]> {
  const { clock } = terminal;
  const pings: PeerPingResult[] = [];
  for (;;) {
    const startMs = clock.monotonicMs();
    const ping = await withProgress(terminal, untilDirect ? "waiting for a direct path" : "waiting", () =>
      client.call("peers.ping", { pubkey }),
    );
    pings.push(ping);
    show(ping);
    if (pings.length >= limit || (untilDirect && isDirect(ping))) return pings;
    await sleep(clock, Math.max(0, startMs + INTERVAL_MS - clock.monotonicMs()));
  }
}

/** A bridge is a socket of our own: the packets go straight to the peer. */
const isDirect = ({ rtt_ms, path }: PeerPingResult): boolean =>
  rtt_ms !== null && (path === "direct" || path === "bridged");

function summaryOf(pubkey: string, pings: readonly PeerPingResult[]): PingSummary {
  const answered = pings.filter(({ rtt_ms }) => rtt_ms !== null);
  const times = answered.flatMap(({ rtt_ms }) => rtt_ms ?? []);
  const last = answered.at(-1);
  const round = (ms: number): number => Math.round(ms * 1000) / 1000;
  return {
    pubkey,
    sent: pings.length,
    received: answered.length,
    direct: last !== undefined && isDirect(last),
    rtt_ms:
      times.length === 0
        ? null
        : {
            min: Math.min(...times),
            avg: round(times.reduce((sum, time) => sum + time, 0) / times.length),
            max: Math.max(...times),
          },
    pings,
  };
}

function pingText(ping: PeerPingResult): string {
  const name = ping.hostname ?? ping.pubkey;
  if (ping.rtt_ms === null) return `no answer from ${name}: ${pathText(ping)}`;
  return `answer from ${name} (${ping.address}) after ${timeText(ping.rtt_ms)}: ${pathText(ping)}`;
}

function pathText({ path, relay, path_reason, endpoint, state }: PeerPingResult): string {
  if (path === "impossible" || path === "silent") return `no path, ${path_reason}`;
  const via = relay === null ? endpoint || "an unknown address" : relay;
  return `${path} via ${via}${state === "connected" ? "" : ", no tunnel"}`;
}

const timeText = (ms: number): string => `${ms < 9.95 ? ms.toFixed(2) : ms.toFixed(1)} ms`;

function summaryText({ sent, received, rtt_ms }: PingSummary): string {
  const times =
    rtt_ms === null
      ? ""
      : `; least ${timeText(rtt_ms.min)}, average ${timeText(rtt_ms.avg)}, most ${timeText(rtt_ms.max)}`;
  return `${received} of ${sent} answered${times}\n`;
}

function refuse({ received, direct }: PingSummary, wanted: string, untilDirect: boolean): void {
  if (received === 0) throw new WgmeshError("ERR_PEER_SILENT", `${wanted} does not answer`);
  if (untilDirect && !direct) {
    throw new WgmeshError("ERR_PEER_SILENT", `${wanted} does not answer by a direct path`, {
      hint: "'wgmesh netcheck' tells what kind of NAT is in the way",
    });
  }
}
