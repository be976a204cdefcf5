import type { Command } from "commander";
import { nearest } from "../../config/nearest.ts";
import { WgmeshError } from "../../core/errors.ts";
import { EVENT_TYPES } from "../../core/events.ts";
import { printable } from "../../core/text.ts";
import { parsePublicKey } from "../../core/types.ts";
import { type EventResult, RpcClient } from "../../rpc/client.ts";
import { findPeer } from "../findPeer.ts";
import { printFollowed } from "../follow.ts";
import { addLocation, readLocation } from "../location.ts";
import { jsonText } from "../render.ts";
import { sinceParam } from "../since.ts";
import type { Terminal } from "../terminal.ts";

interface EventsOptions {
  readonly follow?: true;
  readonly type?: readonly string[];
  readonly peer?: string;
  readonly since?: string;
}

const GROUPS = [...new Set(EVENT_TYPES.map((type) => type.slice(0, type.indexOf("."))))];

/** `wgmesh events` (row G5): what happened to the node and its peers, the last thousand since the daemon's start. */
export function addEvents(program: Command, terminal: Terminal): void {
  const command = program
    .command("events")
    .description("what happened: peers that came, went and connected, paths, mended interfaces, warnings")
    .option("-f, --follow", "go on with what happens next, until interrupted")
    .option("--type <types>", "these alone: peer.connected, or peer for all of peer; commas between", words)
    .option("--peer <peer>", "about this peer alone: its public key, mesh address or host name")
    .option("--since <time>", "from then on: now, 90s, 15m, 2h, 7d, or a time as in RFC 3339")
    .addHelpText("after", `\nTypes: ${EVENT_TYPES.join(", ")}\n`)
    .action(async () => {
      const { client: place, json } = readLocation(command, terminal);
      const options = command.opts<EventsOptions>();
      const types = checkedTypes(options.type);
      const client = await RpcClient.connect(place);
      try {
        const since = sinceParam(options.since, terminal.clock.wallMs());
        const peer = options.peer === undefined ? undefined : await keyOf(client, options.peer);
        const params = {
          ...(types === undefined ? {} : { types }),
          ...(peer === undefined ? {} : { peer }),
          ...(since === undefined ? {} : { since }),
        };
        if (options.follow !== true) {
          const result = await client.call("events.list", params);
          return terminal.out(json ? jsonText(result) : result.events.map(eventText).join(""));
        }
        // The daemon's clock may be another, so what is new is not a matter of times.
        const isNew = options.since === "now";
        const { since: _none, ...always } = params;
        const { answer, items } = await client.follow("events.follow", isNew ? always : params);
        await printFollowed([isNew ? [] : answer.events, items], json, terminal, eventText);
      } finally {
        client.close();
      }
    });
  addLocation(command);
}

const words = (text: string, before: readonly string[] = []): string[] => [...before, ...text.split(",")];

function checkedTypes(types: readonly string[] | undefined): readonly string[] | undefined {
  const known: readonly string[] = [...EVENT_TYPES, ...GROUPS];
  const unknown = types?.find((type) => !known.includes(type));
  if (unknown === undefined) return types;
  const like = nearest(unknown, known);
  throw new WgmeshError("ERR_USAGE", `--type: there are no events ${JSON.stringify(unknown)}`, {
    hint: like === null ? "'wgmesh events --help' lists the types" : `did you mean ${like}?`,
  });
}

/** A peer that has left is still known by its key. */
async function keyOf(client: RpcClient, wanted: string): Promise<string> {
  return parsePublicKey(wanted) ?? (await findPeer(client, wanted)).pubkey;
}

/** `2026-01-01T00:00:00Z  peer.path  host-b  from=direct to=relayed relay=…` */
function eventText({ at, type, peer, hostname, data }: EventResult): string {
  const who = peer === null ? "" : `  ${printable(hostname ?? peer)}`;
  const facts = Object.entries(data)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => printable(`${name}=${valueText(value)}`));
  const [time, what] = [printable(at.slice(0, 19)), printable(type)];
  const rest = facts.length === 0 ? "" : `  ${facts.join(" ")}`;
  return `${time}Z  ${what.padEnd(17)}${who}${rest}\n`.replace(/ +\n$/, "\n");
}

function valueText(value: EventResult["data"][string]): string {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(String).join(",");
  const text = String(value);
  return /^[^\s"]+$/.test(text) ? text : JSON.stringify(text);
}
