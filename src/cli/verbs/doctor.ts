import type { Command } from "commander";
import { loadConfiguration } from "../../config/configuration.ts";
import { addOptions, flagLayer } from "../../config/flags.ts";
import {
  type DaemonOptions,
  daemonOptions,
  fileOptions,
  type LocationOptions,
  locationOptions,
  type OptionTable,
  type SecretOptions,
  secretOptions,
} from "../../config/options.ts";
import { unknownVariables } from "../../config/variables.ts";
import { ExitCode } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import type { DoctorReport } from "../../daemon/door.ts";
import { EndWith } from "../command.ts";
import { configFileOf, jsonAsked } from "../location.ts";
import { withProgress } from "../progress.ts";
import { jsonText, tableText } from "../render.ts";
import { trustedUids } from "../serviceUser.ts";
import type { Terminal } from "../terminal.ts";
import { wrapped } from "../width.ts";

type DoctorOptions = LocationOptions & Pick<DaemonOptions, "stateDir"> & Pick<SecretOptions, "secretFile">;
type Result = DoctorReport["checks"][number];

const options: OptionTable<DoctorOptions> = {
  ...locationOptions,
  stateDir: daemonOptions.stateDir,
  secretFile: secretOptions.secretFile,
};

/** What ends otherwise than with 0: notes, and what is not known, are no reason to wake anybody. */
const EXIT_CODES: Readonly<Partial<Record<DoctorReport["severity"], ExitCode>>> = {
  warning: ExitCode.doctorWarning,
  error: ExitCode.doctorError,
};

/** `wgmesh doctor` (row G7): what usually breaks, each with a remedy; with and without a daemon. */
export function addDoctor(program: Command, terminal: Terminal): void {
  const command = program
    .command("doctor")
    .description(
      "check this machine and its node for what usually breaks, and say what to do; ends with 12 for warnings, 13 for errors",
    )
    .option("--check <id>", "only this one; may be repeated", (id: string, before?: string[]) => [
      ...(before ?? []),
      id,
    ])
    .option("--json", "print JSON")
    .action(async () => {
      const { env } = terminal;
      const configuration = loadConfiguration({
        flags: flagLayer(command, options),
        env,
        configFile: configFileOf(command, env),
        othersToo: true,
      });
      const { check } = command.opts<{ check?: string[] }>();
      const request = { configuration, warnings: unknownVariables(env), env, trustedUids: trustedUids() };
      const report = await withProgress(terminal, "examining", async () => {
        const { doctor } = await import("../../daemon/door.ts");
        return await doctor(request, check ?? []);
      });
      terminal.out(jsonAsked(command) ? jsonText(report) : reportText(report, terminal.columns));
      const exitCode = EXIT_CODES[report.severity];
      if (exitCode !== undefined) throw new EndWith(exitCode);
    });
  addOptions(command, options);
  addOptions(command, fileOptions);
}

function reportText(report: DoctorReport, columns: number | null): string {
  const rows = report.checks.map(({ id, severity, seen }) => [id, severity, seen]);
  const told = report.checks.filter(({ severity }) => severity !== "ok");
  const daemon = report.daemon === null ? "no daemon runs" : `daemon PID ${report.daemon}`;
  return [
    `${report.interface}: ${daemon}\n\n`,
    tableText(["CHECK", "STATE", "SEEN"], rows, columns),
    ...told.filter(({ remedy }) => remedy !== null).map((result) => remedyText(result, columns)),
    `\n${summary(report.checks)}\n`,
  ].join("");
}

/** Whole, over as many lines as it takes: the table may have cut what was seen. */
function remedyText({ id, severity, seen, remedy }: Result, columns: number | null): string {
  const lines = [`${severity}: ${id}: ${seen}`, `remedy: ${remedy ?? ""}`];
  return `\n${lines.map((line) => wrapped(printable(line), columns, "  ")).join("")}`;
}

function summary(checks: readonly Result[]): string {
  const count = (severity: Result["severity"]): number =>
    checks.filter((entry) => entry.severity === severity).length;
  const parts = (["error", "warning", "note", "unknown"] as const).flatMap((severity) => {
    const found = count(severity);
    if (found === 0) return [];
    return [severity === "unknown" ? `${found} unknown` : `${found} ${severity}${found === 1 ? "" : "s"}`];
  });
  return [`${count("ok")} of ${checks.length} checks are well`, ...parts].join(", ");
}
