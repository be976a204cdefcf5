import { expect, test } from "vitest";
import { daemonOptions, fileOptions, notBuiltFlags, secretOptions } from "../../../src/config/options.ts";
import { rowsOf, type SchemaRow } from "../../../src/config/schema.ts";

/** docs/flags.md, made from the tables. `npx vitest run flagsDoc -u` rewrites the file. */
function flagsDocument(): string {
  const rows = [...rowsOf(daemonOptions), ...rowsOf(fileOptions), ...rowsOf(secretOptions)].map(
    ([, row]) => row,
  );
  const groups = [...new Set(rows.map(({ row }) => row.group))];
  const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
  const code = (text: string | undefined): string => (text === undefined ? "" : `\`${text}\``);
  const line = ({ row, key, variable, reload }: SchemaRow): string[] => {
    const { flag, alias, form, help, defaultText, env, flagOnly } = row;
    const names = [code(flag), code(alias)].filter((name) => name !== "").join(", ");
    const argument = "placeholder" in form ? ` \`${form.placeholder.replaceAll("|", "\\|")}\`` : "";
    const given = flagOnly === undefined ? [code(key), code(`$${variable}`)] : ["", ""];
    const older = env === undefined ? "" : `, ${code(`$${env}`)}`;
    const cells = [defaultText ?? "", given[0], `${given[1]}${older}`, flagOnly === undefined ? reload : ""];
    const main = `| ${names}${argument} | ${cell(help)} | ${cells.join(" | ")} |`;
    if (form.kind !== "pair") return [main];
    return [main, `| ${code(`--no-${key}`)} | ${cell(form.contraryHelp)} |  | ${code(key)} |  | ${reload} |`];
  };
  const section = (group: string): string =>
    [
      `## ${group}`,
      "",
      "| Flag | Meaning | Default | Key | Variable | Change |",
      "|---|---|---|---|---|---|",
      ...rows.filter(({ row }) => row.group === group).flatMap(line),
      "",
    ].join("\n");
  return [
    "# Options of `wgmeshd`",
    "",
    "A flag wins over a variable, a variable over a kept setting (`wgmesh config set --keep`), that over the configuration file, the",
    "file over the default. *Key* is the name in the file, where it stands in the table of its group (`[interface]`, `[discovery]`,",
    "…), and for `wgmesh config set`; switches are `true` or `false` there. *Change* says when a new value counts: `live` at once,",
    "`restart` from the next start on, `fixed` cannot be kept by `config set`. [operations.md](operations.md) has examples. This file",
    "is made from the tables in `src/config/options.ts`.",
    "",
    ...groups.map(section),
    "## Not in this release",
    "",
    `Refused rather than ignored: ${notBuiltFlags.map(({ flag }) => code(flag)).join(", ")}.`,
    "",
  ].join("\n");
}

test("docs/flags.md says what the tables say", async () => {
  await expect(flagsDocument()).toMatchFileSnapshot("../../../docs/flags.md");
});
