import type { Command } from "commander";
import { NEVER, type PeerResult, RpcClient } from "../../rpc/client.ts";
import { findPeer } from "../findPeer.ts";
import { addLocation, readLocation } from "../location.ts";
import { agoText, byteText, factsText, jsonText, tableText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

/** `wgmesh peers list|get|count` (row G3). */
export function addPeers(program: Command, terminal: Terminal): void {
  const peers = program.command("peers").description("the other nodes").usage("COMMAND [options]");

  const list = peers
    .command("list", { isDefault: true })
    .description("active peers: seen, or with a handshake, in the last 5 minutes")
    .action(() =>
      withDaemon(list, terminal, async (client, json) => {
        const result = await client.call("peers.list");
        terminal.out(json ? jsonText(result) : listText(result.peers, terminal));
      }),
    );
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

function listText(peers: readonly PeerResult[], { clock, columns }: Terminal): string {
  if (peers.length === 0) return "no active peers\n";
  const nowMs = clock.wallMs();
  const rows = [...peers]
    .sort((a, b) => (a.hostname ?? "").localeCompare(b.hostname ?? "") || a.pubkey.localeCompare(b.pubkey))
    .map((peer) => [
      peer.hostname ?? "-",
      peer.mesh_ip,
      peer.state,
      peer.path,
      peer.endpoint || "-",
      agoText(peer.last_handshake, nowMs),
      peer.pubkey,
    ]);
  return tableText(
    ["HOST", "MESH IP", "STATE", "PATH", "ENDPOINT", "HANDSHAKE", "PUBLIC KEY"],
    rows,
    columns,
  );
}

function peerText(peer: PeerResult, { clock, columns }: Terminal): string {
  const nowMs = clock.wallMs();
  const lastSeen = peer.last_seen === NEVER ? null : peer.last_seen;
  const facts: [string, string][] = [
    ["public key", peer.pubkey],
    ["mesh addresses", [peer.mesh_ip, peer.mesh_ipv6].filter(Boolean).join(", ") || "none"],
    ["state", peer.state],
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
