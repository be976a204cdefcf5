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

/** For `source <(wgmesh completion zsh)`, or a file `_wgmesh` in a folder of `$fpath`. */
export function zshScript(roots: readonly CompletionCommand[]): string {
  const commands = allCommands(roots);
  const names = roots.map(({ name }) => name).join(" ");
  const valued = valuePlaces(commands).map(({ name }) => quoted(name));
  const flags = commands.map(({ path, options }) => {
    const entries = options.flatMap((option) => option.names.map((name) => entry(name, option.description)));
    return `    (${quoted(path)}) entries=(${entries.join(" ")}) ;;\n`;
  });
  const children = commands.filter((command) => command.children.length > 0);
  const verbs = children.map(({ path, children: below }) => {
    const entries = below.map(({ name, description }) => entry(name, description));
    return `    (${quoted(path)}) entries=(${entries.join(" ")}) ;;\n`;
  });
  return `#compdef ${names}
# zsh completion of wgmesh and wgmeshd
_wgmesh() {
  local at=\${words[1]:t} place='' word='' i=0 position=0
  local -a entries
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    case "$at $word" in
    (${valued.join("|")})
      ((i++))
      ((i == CURRENT)) && place="$at $word"
      ;;
    (*' -'*) ;;
    (*)
      case "$at/$word" in
      (${commandPlaces(commands).map(quoted).join("|")}) at="$at/$word"; position=0 ;;
      (*) ((position++)) ;;
      esac
      ;;
    esac
  done
  if [[ -z $place && $PREFIX == --*=* ]]; then
    place="$at \${PREFIX%%=*}"
    compset -P '*='
  fi
  if [[ -n $place ]]; then
    case "$place" in
${cases(valuePlaces(commands))}    esac
    return
  fi
  if [[ $PREFIX == -* ]]; then
    case "$at" in
${flags.join("")}    esac
    _describe -o option entries
    return
  fi
  case "$at $position" in
${cases(argumentPlaces(commands))}  esac
  case "$at" in
${verbs.join("")}  esac
  (($#entries)) && _describe command entries
}
if [[ \${funcstack[1]-} == _wgmesh ]]; then
  _wgmesh "$@"
else
  compdef _wgmesh ${names}
fi
`;
}

/** `name:description`, as _describe wants it. */
const entry = (name: string, description: string): string =>
  quoted(`${name}:${description.replaceAll("\\", "\\\\").replaceAll(":", "\\:")}`);

function cases(places: readonly Place[]): string {
  return grouped(places)
    .filter(({ values }) => values.kind !== "unknown")
    .map(({ names, values }) => `    (${names.map(quoted).join("|")}) ${suggest(values)}; return ;;\n`)
    .join("");
}

function suggest(values: Values): string {
  if (values.kind === "words") return `compadd -- ${values.words.map(quoted).join(" ")}`;
  return values.kind === "folders" ? "_files -/" : "_files";
}
