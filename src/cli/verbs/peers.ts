import type { Command } from "commander";
import { callOnce, NEVER, type PeerResult, RpcClient } from "../../rpc/client.ts";
import { checkedWord } from "../checkedWord.ts";
import { findPeer } from "../findPeer.ts";
import { addLocation, readLocation } from "../location.ts";
import { choosePeers, departedTable, PATHS, type PeerChoice, peerTable, SORT_KEYS } from "../peerTable.ts";
import { refuseWords } from "../refuseWords.ts";
import { agoText, byteText, factsText, jsonLine, jsonText, tableText } from "../render.ts";
import type { Terminal } from "../terminal.ts";
import { addWatch, drawAgain, readWatch } from "../watch.ts";

interface ListOptions {
  readonly all?: true;
  readonly sort?: string;
  readonly connected?: true;
  readonly path?: string;
  readonly match?: string;
}

/** `wgmesh peers list|get|count` (row G3). */
export function addPeers(program: Command, terminal: Terminal): void {
  const peers = program.command("peers").description("the other nodes").usage("COMMAND [options]");

  const list = peers
    .command("list", { isDefault: true })
    .description("active peers: seen, or with a handshake, in the last 5 minutes")
    .option("--all", "silent ones too, and who left, was evicted or expired in the last 10 minutes")
    .option("--sort <key>", `by ${SORT_KEYS.join(", ")} (default: name)`)
    .option("--connected", "those alone whose tunnel works")
    .option("--path <path>", `those alone that are reached so: ${PATHS.join(", ")}`)
    .option("--match <text>", "those alone whose name, address or key holds the text")
    // So that a word that is no command is called that.
    .allowExcessArguments()
    .action(async () => {
      refuseWords(list);
      const { client, json } = readLocation(list, terminal);
      const choice = readChoice(list.opts<ListOptions>());
      const params = list.opts<ListOptions>().all === true ? { all: true } : {};
      const intervalMs = readWatch(list);
      await drawAgain(terminal, intervalMs, async () => {
        // A connection each time: a daemon that is restarted meanwhile is another one.
        const { peers: all, departed } = await callOnce(client, "peers.list", params);
        const peers = choosePeers(all, choice);
        const answer = { peers, ...(departed === undefined ? {} : { departed }) };
        if (json) return intervalMs === null ? jsonText(answer) : jsonLine(answer);
        const nowMs = terminal.clock.wallMs();
        const table = peerTable(peers, choice.sort, nowMs, terminal.columns);
        return table + departedTable(departed ?? [], nowMs, terminal.columns);
      });
    });
  addWatch(list);
  addLocation(list);

  const get = peers
    .command("get <peer>")
    .description("one peer, by its public key, mesh address or host name")
    .action((wanted: string) =>
      withDaemon(get, terminal, async (client, json) => {
        const peer = await findPeer(client, wanted);
        terminal.out(json ? jsonText(peer) : peerText(peer, terminal));
      }),
    );
  addLocation(get);

  const count = peers
    .command("count")
    .description("how many peers are active, known, and known but silent")
    .action(() =>
      withDaemon(count, terminal, async (client, json) => {
        const result = await client.call("peers.count");
        terminal.out(
          json ? jsonText(result) : `${result.active} active, ${result.total} known, ${result.dead} silent\n`,
        );
      }),
    );
  addLocation(count);
}

async function withDaemon(
  command: Command,
  terminal: Terminal,
  use: (client: RpcClient, json: boolean) => Promise<void>,
): Promise<void> {
  const { client: place, json } = readLocation(command, terminal);
  const client = await RpcClient.connect(place);
  try {
    await use(client, json);
  } finally {
    client.close();
  }
}

function readChoice({ sort, connected, path, match }: ListOptions): PeerChoice {
  return {
    sort: sort === undefined ? "name" : checkedWord(sort, SORT_KEYS, "--sort"),
    connected: connected === true,
    path: path === undefined ? null : checkedWord(path, PATHS, "--path"),
    match: match ?? null,
  };
}

function peerText(peer: PeerResult, { clock, columns }: Terminal): string {
  const nowMs = clock.wallMs();
  const lastSeen = peer.last_seen === NEVER ? null : peer.last_seen;
  const facts: [string, string][] = [
    ["public key", peer.pubkey],
    ["mesh addresses", [peer.mesh_ip, peer.mesh_ipv6].filter(Boolean).join(", ") || "none"],
    ["state", peer.state],
    ["health", peer.health ?? "not judged: no tunnel so far"],
    ["path", pathText(peer)],
    ["endpoint", peer.endpoint || "unknown"],
    ["last handshake", agoText(peer.last_handshake, nowMs)],
    ["last seen", agoText(lastSeen, nowMs)],
    ["traffic", `${byteText(peer.rx_bytes)} received, ${byteText(peer.tx_bytes)} sent`],
    ["round trip", peer.latency_ms === undefined ? "not measured" : `${peer.latency_ms} ms`],
    ["found by", peer.discovered_via?.join(", ") ?? "-"],
    ["networks", peer.routable_networks?.join(", ") ?? "none"],
  ];
  return tableText([peer.hostname ?? "(no host name)"], [], columns) + factsText(facts, columns);
}

function pathText({ path, relay, path_reason }: PeerResult): string {
  if (path_reason !== null) return `${path}: ${path_reason}`;
  return relay === null ? path : `${path} by ${relay}`;
}
