import { expect, test } from "vitest";
import { daemonOptions, notBuiltFlags, type OptionRow, secretOptions } from "../../../src/config/options.ts";

/** docs/flags.md, made from the tables. `npx vitest run flagsDoc -u` rewrites the file. */
function flagsDocument(): string {
  const rows: OptionRow<unknown>[] = [...Object.values(daemonOptions), ...Object.values(secretOptions)];
  const groups = [...new Set(rows.map(({ group }) => group))];
  const line = ({ flag, alias, form, help, defaultText, env, live }: OptionRow<unknown>): string => {
    const names = [flag, alias].filter((name) => name !== undefined).map((name) => `\`${name}\``);
    const argument = form.kind === "switch" ? "" : ` \`${form.placeholder.replaceAll("|", "\\|")}\``;
    const cells = [defaultText ?? "", env === undefined ? "" : `\`$${env}\``, live ? "yes" : ""];
    return `| ${names.join(", ")}${argument} | ${help.replaceAll("|", "\\|").replaceAll("<", "&lt;")} | ${cells.join(" | ")} |`;
  };
  const section = (group: string): string =>
    [
      `## ${group}`,
      "",
      "| Flag | Meaning | Default | Variable | Reload |",
      "|---|---|---|---|---|",
      ...rows.filter((row) => row.group === group).map(line),
      "",
    ].join("\n");
  return [
    "# Flags of `wgmeshd`",
    "",
    "A flag wins over its variable, a variable over the default. Those marked *Reload* can be changed while the daemon runs. This",
    "file is made from the tables in `src/config/options.ts`.",
    "",
    ...groups.map(section),
    "## Not in this release",
    "",
    `Refused rather than ignored: ${notBuiltFlags.map(({ flag }) => `\`${flag}\``).join(", ")}.`,
    "",
  ].join("\n");
}

test("docs/flags.md says what the tables say", async () => {
  await expect(flagsDocument()).toMatchFileSnapshot("../../../docs/flags.md");
});
