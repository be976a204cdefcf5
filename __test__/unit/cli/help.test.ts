/** The help of every command: what a new user reads first, and what the completions are made from. */
import { beforeAll, expect, test } from "vitest";
import { ExitCode } from "../../../src/core/errors.ts";
import { readRepositoryFile } from "../layout/repository.ts";
import { wgmesh } from "./run.ts";

interface Help {
  /** `peers list` */
  readonly path: string;
  readonly text: string;
  readonly commands: readonly string[];
  readonly options: readonly { readonly flag: string; readonly help: string }[];
}

/** The entries of a section: a term, and its words, which may go on in lines that are indented further. */
function entriesOf(text: string, section: string): [term: string, words: string][] {
  const block = text.split(`\n${section}:\n`)[1]?.split(/\n(?=\S)/)[0] ?? "";
  const joined = block.replaceAll(/\n {4,}(?=\S)/g, "   ");
  return joined
    .split("\n")
    .map((line) => /^ {2}(\S.*?)(?: {2,}(.*))?$/.exec(line))
    .filter((match) => match !== null)
    .map(([, term = "", words = ""]) => [term, words.trim()]);
}

async function helpOf(path: readonly string[]): Promise<Help[]> {
  const { code, out, err } = await wgmesh([...path, "--help"]);
  expect({ path, code, err }).toEqual({ path, code: 0, err: "" });
  const names = entriesOf(out, "Commands").map(([term]) => term.split(/[ |]/)[0] ?? "");
  const commands = names.filter((name) => name !== "help");
  const options = entriesOf(out, "Options").map(([flag, help]) => ({ flag, help }));
  const below = await Promise.all(commands.map((name) => helpOf([...path, name])));
  return [{ path: path.join(" "), text: out, commands, options }, ...below.flat()];
}

let all: Help[];

beforeAll(async () => {
  all = await helpOf([]);
});

test("every command says how it is used, what it does, and what each option means", () => {
  expect(all.length).toBeGreaterThan(40);
  for (const { path, text, options } of all) {
    expect(text, path).toMatch(new RegExp(`^Usage: ${["wgmesh", path].join(" ").trim()}( |\n)`));
    const [, , description = ""] = text.split("\n");
    expect(description.length, path).toBeGreaterThan(8);
    expect(
      options.map(({ flag }) => flag).some((flag) => flag.includes("--help")),
      path,
    ).toBe(true);
    for (const { flag, help } of options) expect(help.length, `${path} ${flag}`).toBeGreaterThan(4);
  }
});

test("the exit codes of the help are those that there are", () => {
  const [top] = all;
  const told = [...(top?.text ?? "").matchAll(/(?:^|\s)(\d{1,3})[ :=]/gm)].map(([, code]) => Number(code));
  for (const code of Object.values(ExitCode)) expect(told, `exit code ${code}`).toContain(code);
});

test.each(["bash", "zsh", "fish"])(
  "the completion for %s has every command and every option",
  async (shell) => {
    const { out } = await wgmesh(["completion", shell]);
    for (const { path, commands, options } of all) {
      for (const command of commands)
        expect(out, `${path} ${command}`).toMatch(new RegExp(`\\b${command}\\b`));
      for (const { flag } of options) {
        const [, long = ""] = /--([a-z0-9-]+)/.exec(flag) ?? [];
        // fish writes a long option without its dashes.
        expect(out, `${path} ${flag}`).toContain(shell === "fish" ? long : `--${long}`);
      }
    }
  },
);

test("every verb is in the documentation for operators", () => {
  const documents = ["docs/operations.md", "docs/rotation.md", "README.md"]
    .map(readRepositoryFile)
    .join("\n");
  const missing = (all[0]?.commands ?? []).filter((verb) => !new RegExp(`wgmesh ${verb}\\b`).test(documents));
  expect(missing).toEqual([]);
});
