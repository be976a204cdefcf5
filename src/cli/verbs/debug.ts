import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { messageOf, WgmeshError } from "../../core/errors.ts";
import { callOnce } from "../../rpc/client.ts";
import { addLocation, readLocation } from "../location.ts";
import { withProgress } from "../progress.ts";
import { durationText, jsonText, tableText } from "../render.ts";
import type { Terminal } from "../terminal.ts";

const DEFAULT_SECONDS = 5;
const MAX_SECONDS = 25;

/** `wgmesh debug …` (row G7): the daemon from within, for those who look for a fault. */
export function addDebug(program: Command, terminal: Terminal): void {
  const debug = program
    .command("debug")
    .description("the daemon from within, for those who look for a fault")
    .usage("COMMAND [options]");

  const tasks = debug
    .command("tasks")
    .description("background tasks: their policy, state and restarts")
    .action(async () => {
      const { client, json } = readLocation(tasks, terminal);
      const status = await callOnce(client, "daemon.status");
      if (json) return terminal.out(jsonText({ tasks: status.tasks }));
      const rows = status.tasks.map(({ name, policy, state, restarts, since_ms, last_error }) => [
        name,
        policy,
        state,
        durationText(since_ms),
        String(restarts),
        last_error ?? "",
      ]);
      terminal.out(
        tableText(["TASK", "POLICY", "STATE", "SINCE", "RESTARTS", "LAST ERROR"], rows, terminal.columns),
      );
    });
  addLocation(tasks);

  const queue = debug
    .command("queue")
    .description(
      "what waits: contacts for their turn, HELLOs for an answer, failures for another try, operations",
    )
    .action(async () => {
      const { client, json } = readLocation(queue, terminal);
      const result = await callOnce(client, "debug.queues");
      if (json) return terminal.out(jsonText(result));
      const rows = Object.entries(result.queues).map(([name, size]) => [name, String(size)]);
      terminal.out(tableText(["QUEUE", "WAITING"], rows, terminal.columns));
    });
  addLocation(queue);

  const dump = debug
    .command("dump-state")
    .description("all that the daemon knows, as JSON, without secrets; its form may change with each release")
    .action(async () => {
      const { client } = readLocation(dump, terminal);
      terminal.out(jsonText((await callOnce(client, "debug.dump")).state));
    });
  addLocation(dump);

  addProfile(debug, terminal, "cpu", "where the daemon's time goes");
  addProfile(
    debug,
    terminal,
    "heap",
    "where the daemon's memory comes from, by samples of what is allocated",
  );
}

function addProfile(debug: Command, terminal: Terminal, kind: "cpu" | "heap", about: string): void {
  const ending = kind === "cpu" ? "cpuprofile" : "heapprofile";
  const command = debug
    .command(`${kind}-profile`)
    .description(`${about}; names of functions and no values. Open it in the developer tools of a browser`)
    .option("--seconds <n>", `for so long, up to ${MAX_SECONDS} (default: ${DEFAULT_SECONDS})`)
    .option("-o, --output <file>", `a new file (default: wgmesh.${ending})`)
    .action(async () => {
      const { client, json } = readLocation(command, terminal);
      const { seconds: text, output = `wgmesh.${ending}` } = command.opts<{
        seconds?: string;
        output?: string;
      }>();
      const seconds = text === undefined ? DEFAULT_SECONDS : /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
      if (seconds <= 0 || seconds > MAX_SECONDS) {
        throw new WgmeshError(
          "ERR_USAGE",
          `--seconds: ${JSON.stringify(text)} is not from 0 to ${MAX_SECONDS}`,
        );
      }
      const place = { ...client, timeoutMs: seconds * 1_000 + 10_000 };
      const { profile } = await withProgress(terminal, "sampling", () =>
        callOnce(place, "debug.profile", { kind, seconds }),
      );
      writeNew(output, profile);
      terminal.out(json ? jsonText({ file: output }) : `${output}\n`);
    });
  addLocation(command);
}

/** Where others cannot read it, and over nothing that is there. */
export function writeNew(path: string, data: string | Uint8Array): void {
  try {
    writeFileSync(path, data, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    throw new WgmeshError("ERR_USAGE", `--output: cannot make ${path}: ${messageOf(cause)}`, {
      cause,
      hint: "name a file that is not there yet, in a folder that you can write",
    });
  }
}
