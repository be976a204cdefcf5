import { existsSync } from "node:fs";
import type { Command } from "commander";
import { addOptions } from "../../config/flags.ts";
import { daemonOptions, type OptionTable } from "../../config/options.ts";
import { auditPath } from "../../config/paths.ts";
import { type AuditActor, type AuditEntry, lastAuditEntries } from "../../core/audit.ts";
import { WgmeshError } from "../../core/errors.ts";
import { type ClientOptions, RpcClient } from "../../rpc/client.ts";
import { addLocation, type Location, readDaemonOptions, readLocation } from "../location.ts";
import { jsonText, tableText } from "../render.ts";
import { parseSince } from "../since.ts";
import type { Terminal } from "../terminal.ts";

const options: OptionTable<{ readonly stateDir: string }> = { stateDir: daemonOptions.stateDir };

/** More than anybody reads; the file has them all. */
const LIMIT = 10_000;
const PAGE = 1_000;

/** `wgmesh audit` (row G5): who changed what. Asks the daemon; where none runs it reads the daemon's file. */
export function addAudit(program: Command, terminal: Terminal): void {
  const command = program
    .command("audit")
    .description(
      "every change that somebody asked for: when, who, what, and what became of it; also without a daemon",
    )
    .option("--since <time>", "from then on: 90s, 15m, 2h, 7d, or a time as in RFC 3339")
    .action(async () => {
      const location = readLocation(command, terminal);
      const { since } = command.opts<{ since?: string }>();
      const sinceMs = since === undefined ? 0 : parseSince(since, terminal.clock.wallMs());
      const path = auditPath(readDaemonOptions(command, options, terminal));
      const entries = await readEntries(location, path, sinceMs);
      terminal.out(location.json ? jsonText({ entries }) : entriesText(entries, terminal.columns));
    });
  addLocation(command);
  addOptions(command, options);
}

async function readEntries(
  { client, remote }: Location,
  path: string,
  sinceMs: number,
): Promise<readonly AuditEntry[]> {
  try {
    return await askedEntries(client, sinceMs);
  } catch (error) {
    if (remote || !(error instanceof WgmeshError && error.code === "ERR_NOT_RUNNING")) throw error;
    const { entries } = await lastAuditEntries(path, { sinceMs, beforeMs: null, limit: LIMIT });
    if (entries.length > 0 || existsSync(path)) return entries;
    throw new WgmeshError("ERR_NOT_RUNNING", `no daemon answers, and there is no audit ${path}`, {
      hint: "name the node with --iface, and its folder with --state-dir",
    });
  }
}

/** Page by page, the newest page first. */
async function askedEntries(place: ClientOptions, sinceMs: number): Promise<readonly AuditEntry[]> {
  const client = await RpcClient.connect(place);
  try {
    const params = { since: new Date(sinceMs).toISOString(), limit: PAGE };
    let page = await client.call("audit.list", params);
    let entries = page.entries;
    while (page.more && page.entries[0] !== undefined && entries.length < LIMIT) {
      page = await client.call("audit.list", { ...params, before: page.entries[0].time });
      entries = [...page.entries, ...entries];
    }
    return entries.slice(-LIMIT);
  } finally {
    client.close();
  }
}

function entriesText(entries: readonly AuditEntry[], columns: number | null): string {
  if (entries.length === 0) return "nothing was changed\n";
  const rows = entries.map(({ time, actor, action, params, outcome }) => [
    `${time.slice(0, 19)}Z`,
    actorText(actor),
    action,
    outcome,
    Object.entries(params)
      .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
      .join(" "),
  ]);
  return tableText(["TIME", "WHO", "WHAT", "OUTCOME", "WITH"], rows, columns);
}

function actorText(actor: AuditActor): string {
  switch (actor.kind) {
    case "process": {
      const name = actor.user ?? `uid ${actor.uid}`;
      return `${name}${actor.login === null ? "" : ` (${actor.login})`}, PID ${actor.pid}`;
    }
    case "token":
      return `token ${actor.name}`;
    case "signal":
      return actor.signal;
    case "daemon":
      return "the daemon";
  }
}
