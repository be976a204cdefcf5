import { gzipSync } from "node:zlib";
import type { Command } from "commander";
import { messageOf } from "../../core/errors.ts";
import { redact } from "../../core/redact.ts";
import { tarOf } from "../../core/tar.ts";
import { version } from "../../core/version.ts";
import { type MethodName, type Params, RpcClient } from "../../rpc/client.ts";
import { withoutClients } from "../bugreportClients.ts";
import { addLocation, type Location, readLocation } from "../location.ts";
import { withProgress } from "../progress.ts";
import { byteText, jsonText, tableText } from "../render.ts";
import type { Terminal } from "../terminal.ts";
import { writeNew } from "./debug.ts";

interface Part {
  readonly file: string;
  readonly about: string;
  readonly method: MethodName;
  readonly params?: Params;
}

const PARTS: readonly Part[] = [
  {
    file: "status.json",
    about: "state of the daemon, its addresses, layers, tasks",
    method: "daemon.status",
  },
  { file: "health.json", about: "its own checks", method: "health.get" },
  { file: "peers.json", about: "active peers: names, keys, addresses, traffic", method: "peers.list" },
  { file: "events.json", about: "what happened since the start", method: "events.list" },
  { file: "log.json", about: "the last lines of the log", method: "logs.list", params: { limit: 2_000 } },
  {
    file: "audit.json",
    about: "who changed what, the last of it",
    method: "audit.list",
    params: { limit: 500 },
  },
  { file: "config.json", about: "every setting, and where it comes from", method: "config.get" },
  { file: "netcheck.json", about: "what the network does to the node", method: "net.check" },
  { file: "metrics.json", about: "counters and measurements", method: "metrics.get" },
  { file: "operations.json", about: "long operations", method: "operations.list" },
  { file: "state.json", about: "all that the daemon knows, for debugging", method: "debug.dump" },
];

/** `netcheck` takes longest. */
const TIMEOUT_MS = 30_000;

/** `wgmesh bugreport` (row G7): what somebody else needs to look for a fault, and nothing secret. */
export function addBugreport(program: Command, terminal: Terminal): void {
  const command = program
    .command("bugreport")
    .description(
      "pack what somebody needs who looks for a fault into one file, without secrets; says first what",
    )
    .option("-o, --output <file>", "a new file (default: wgmesh-bugreport-<iface>-<time>.tar.gz)")
    .option("--list", "say what would be inside, and stop")
    .action(async () => {
      const location = readLocation(command, terminal);
      const { output, list } = command.opts<{ output?: string; list?: true }>();
      const rows = [
        ["versions.json", "wgmesh, node, the system"],
        ...PARTS.map(({ file, about }) => [file, about]),
      ];
      const inside = tableText(["FILE", "WHAT IS IN IT"], rows, terminal.columns);
      if (list === true)
        return terminal.out(location.json ? jsonText({ files: rows.map(([file]) => file) }) : inside);
      if (!location.json) {
        terminal.out(
          `${inside}\nNo secret and no private key is inside; names, keys and addresses of peers are.\n`,
        );
      }
      const nowMs = terminal.clock.wallMs();
      const files = await withProgress(terminal, "collecting", () => collect(location, nowMs));
      const stamp = new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
      const path = output ?? `wgmesh-bugreport-${location.interfaceName}-${stamp}.tar.gz`;
      const folder = `wgmesh-bugreport-${stamp}`;
      const archive = gzipSync(
        tarOf(
          files.map(([file, text]) => [`${folder}/${file}`, text]),
          nowMs,
        ),
      );
      writeNew(path, archive);
      terminal.out(
        location.json
          ? jsonText({ file: path, files: files.map(([file]) => file) })
          : `${path}: ${byteText(archive.length)}\n`,
      );
    });
  addLocation(command);
}

/** What cannot be had is told in its place: a report on a daemon that does not answer is one too. */
async function collect(location: Location, nowMs: number): Promise<[string, string][]> {
  const { platform, arch, versions } = process;
  const about = { at: new Date(nowMs).toISOString(), wgmesh: version, platform, arch, node: versions.node };
  const files: [string, string][] = [["versions.json", jsonText(about)]];
  const client = await RpcClient.connect({ ...location.client, timeoutMs: TIMEOUT_MS }).catch(
    (error: unknown) => {
      files.push(["daemon.json", jsonText({ error: messageOf(error) })]);
      return null;
    },
  );
  if (client === null) return files;
  try {
    for (const { file, method, params } of PARTS) {
      const answer: unknown = await client
        .call(method, params)
        .catch((error: unknown) => ({ error: messageOf(error) }));
      // Once more, whatever the daemon has done: it may be an older one.
      files.push([file, jsonText(withoutClients(method, JSON.parse(redact(JSON.stringify(answer)))))]);
    }
  } finally {
    client.close();
  }
  return files;
}
