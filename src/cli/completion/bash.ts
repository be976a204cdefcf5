import type { CompletionCommand, Values } from "./model.ts";
import {
  allCommands,
  argumentPlaces,
  commandPlaces,
  grouped,
  type Place,
  quoted,
  valuePlaces,
} from "./script.ts";

/** For `source <(wgmesh completion bash)`, or a file in /usr/share/bash-completion/completions. */
export function bashScript(roots: readonly CompletionCommand[]): string {
  const commands = allCommands(roots);
  const valued = valuePlaces(commands).map(({ name }) => quoted(name));
  const suggestions = commands.map(({ path, options, children }) => {
    const flags = options.flatMap(({ names }) => names).join(" ");
    const names = children.map(({ name }) => name).join(" ");
    return `    ${quoted(path)}) flags=${quoted(flags)}; names=${quoted(names)} ;;\n`;
  });
  return `# bash completion of wgmesh and wgmeshd
_wgmesh() {
  local at=\${1##*/} cur=\${COMP_WORDS[COMP_CWORD]} place='' position=0 word i flags='' names=''
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$at $word" in
    ${valued.join("|")})
      # bash makes three words of --option=value.
      [[ \${COMP_WORDS[i + 1]} == = ]] && ((i++))
      ((i++))
      if ((i >= COMP_CWORD)); then
        place="$at $word"
        [[ $cur == = ]] && cur=''
      fi
      ;;
    *' -'*) ;;
    *)
      case "$at/$word" in
      ${commandPlaces(commands).map(quoted).join("|")}) at="$at/$word" position=0 ;;
      *) ((position++)) ;;
      esac
      ;;
    esac
  done
  if [[ -n $place ]]; then
    case "$place" in
${cases(valuePlaces(commands))}    esac
    return
  fi
  case "$at" in
${suggestions.join("")}  esac
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
    return
  fi
  case "$at $position" in
${cases(argumentPlaces(commands))}  *) mapfile -t COMPREPLY < <(compgen -W "$names" -- "$cur") ;;
  esac
}
complete -F _wgmesh ${roots.map(({ name }) => name).join(" ")}
`;
}

function cases(places: readonly Place[]): string {
  return grouped(places)
    .filter(({ values }) => values.kind !== "unknown")
    .map(({ names, values }) => `    ${names.map(quoted).join("|")}) ${suggest(values)} ;;\n`)
    .join("");
}

function suggest(values: Values): string {
  if (values.kind === "words") {
    return `mapfile -t COMPREPLY < <(compgen -W ${quoted(values.words.join(" "))} -- "$cur")`;
  }
  const kind = values.kind === "folders" ? "-d" : "-f";
  return `compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen ${kind} -- "$cur")`;
}
