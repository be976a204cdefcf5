import type { CompletionCommand, Values } from "./model.ts";
import { allCommands, commandPlaces, valuePlaces } from "./script.ts";

/** For `wgmesh completion fish | source`, or a file in ~/.config/fish/completions. */
export function fishScript(roots: readonly CompletionCommand[]): string {
  const commands = allCommands(roots);
  const valued = valuePlaces(commands).map(({ name }) => quoted(name));
  return `# fish completion of wgmesh and wgmeshd
function __wgmesh_at
    set -l words (commandline -opc)
    set -l at (basename -- $words[1])
    set -l position 0
    set -l skip 0
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch "$at $word"
            case ${valued.join(" ")}
                set skip 1
            case '* -*'
            case '*'
                if contains -- "$at/$word" ${commandPlaces(commands).map(quoted).join(" ")}
                    set at "$at/$word"
                    set position 0
                else
                    set position (math $position + 1)
                end
        end
    end
    echo "$at $position"
end
function __wgmesh_is
    string match -q -- $argv[1] (__wgmesh_at)
end
${roots.map(({ name }) => `complete -c ${name} -f\n`).join("")}${commands.map(lines).join("")}`;
}

function lines({ path, options, arguments: places, children }: CompletionCommand): string {
  const [root = ""] = path.split("/");
  const at = (condition: string): string => `complete -c ${root} -n ${quoted(`__wgmesh_is "${condition}"`)}`;
  return [
    ...options.map(({ names, values, description }) => {
      const flags = names.map((name) =>
        name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
      );
      return `${at(`${path} *`)} ${flags.join(" ")}${values === null ? "" : ` ${suggest(values)}`} -d ${quoted(description)}`;
    }),
    ...places.flatMap((values, position) =>
      values.kind === "unknown"
        ? []
        : [`${at(`${path} ${position}`)} ${suggest(values).replace(/^-r -F$/, "-F")}`],
    ),
    ...children.map(
      ({ name, description }) => `${at(`${path} 0`)} -a ${quoted(name)} -d ${quoted(description)}`,
    ),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

function suggest(values: Values): string {
  switch (values.kind) {
    case "words":
      return `-x -a ${quoted(values.words.join(" "))}`;
    case "folders":
      return "-x -a '(__fish_complete_directories)'";
    case "files":
      return "-r -F";
    case "unknown":
      return "-x";
  }
}

/** In fish a backslash counts between single quotes too. */
const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
