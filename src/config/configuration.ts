/**
 * A node's configuration from all of its sources: flags, variables, kept settings, the file, defaults; the higher one wins.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { asOwnerOf, otherOwner } from "../core/asOwner.ts";
import { WgmeshError } from "../core/errors.ts";
import { readSteeringFileSync } from "../core/files.ts";
import type { InterfaceName } from "../core/types.ts";
import { type FileContent, parseConfigText } from "./configFile.ts";
import { hookProblems } from "./hookOptions.ts";
import { type Layer, optionsOf, originText, type Setting, sameValue, settingsOf } from "./layers.ts";
import {
  contradictions,
  type DaemonOptions,
  daemonOptions,
  type LocationOptions,
  locationOptions,
  type SecretOptions,
  secretOptions,
} from "./options.ts";
import { keptSettingsPath, rpcSocketPath } from "./paths.ts";
import { type Problem, problemOf } from "./problem.ts";
import { rowsOf, schema } from "./schema.ts";
import { type Environment, variableLayer } from "./variables.ts";

export const CONFIG_FOLDER = "/etc/wgmesh";

/** What the command line and the environment say. */
export interface ConfigurationSources {
  readonly flags: Layer;
  readonly env: Environment;
  /** `--config` or `$WGMESH_CONFIG`, absolute; null looks in {@link CONFIG_FOLDER}. */
  readonly configFile: string | null;
  /** Kept settings belong to the user of the daemon: root's programs read a service's as that user, a daemon only its own. */
  readonly othersToo?: boolean;
}

/** The secret's options, the file's being apart: it counts only after the variables (identity/secretSources.ts). */
export interface SecretConfiguration extends SecretOptions {
  readonly configuredFile: string | null;
}

export interface Configuration {
  readonly options: DaemonOptions;
  readonly secret: SecretConfiguration;
  /** Every option that may be shown, by key. */
  readonly settings: Layer;
  /** The file that was read; null when there is none. */
  readonly file: string | null;
  /** All kept settings, also those that something outranks. */
  readonly kept: Layer;
  readonly keptFile: string;
  /** All that is wrong; what is wrong does not count. */
  readonly problems: readonly Problem[];
}

const nothing: FileContent = { settings: new Map(), problems: [] };

/**
 * Reads the files. Collects what is wrong in place of throwing it.
 *
 * @param keptText in place of what the file of kept settings says.
 */
export function loadConfiguration(sources: ConfigurationSources, keptText?: string): Configuration {
  const { flags, env } = sources;
  const variables = variableLayer(schema.values(), env);
  const file = readConfigFile(sources, [flags, variables.settings]);
  const below = [flags, variables.settings, file.content.settings];
  const keptFile = keptSettingsPath(optionsOf(daemonOptions, settingsOf(daemonOptions, below)));
  const kept = readKept(keptFile, keptText, sources.othersToo === true);
  const layers = [flags, variables.settings, kept.settings, file.content.settings];
  const daemon = settingsOf(daemonOptions, layers);
  const options = optionsOf(daemonOptions, daemon);
  const secret = settingsOf(secretOptions, layers);
  const settings = new Map([...daemon, ...secret].filter(([key]) => schema.has(key)));
  return {
    options,
    secret: secretConfiguration(secret),
    settings,
    file: file.path,
    kept: kept.settings,
    keptFile,
    problems: [
      ...variables.problems,
      ...file.content.problems,
      ...kept.problems,
      ...wholeProblems(options, settings, sources.othersToo === true),
    ],
  };
}

/** What is wrong with values that are each right. `othersToo`: the daemon's user may be another, whose the state folder is. */
export function wholeProblems(options: DaemonOptions, settings: Layer, othersToo = false): Problem[] {
  const place = (key: string): string => {
    const origin = settings.get(key)?.origin ?? { kind: "default" };
    const text = originText(origin);
    return origin.kind === "flag" || origin.kind === "variable" ? text : `${text}: ${key}`;
  };
  const other = othersToo ? otherOwner(options.stateDir) : null;
  const daemonUser = other?.uid ?? process.geteuid?.() ?? 0;
  const problems = [...contradictions(options, place), ...hookProblems(options, place, daemonUser)];
  try {
    rpcSocketPath(options);
  } catch (error) {
    problems.push(problemOf(error));
  }
  return problems;
}

/** How a node's files are found: flags, variables, then the file, in which only those options count here. */
export function loadLocation(sources: ConfigurationSources): LocationOptions {
  const { flags, env, configFile } = sources;
  const variables = variableLayer(schema.values(), env);
  const { content } = readConfigFile(sources, [flags, variables.settings]);
  // A daemon that runs can be asked though its file was broken since.
  const [first] = configFile === null ? [] : content.problems;
  if (first !== undefined) throw new WgmeshError(first.code, first.message, { hint: first.hint });
  return optionsOf(
    locationOptions,
    settingsOf(locationOptions, [flags, variables.settings, content.settings]),
  );
}

/** A configuration of given options and nothing else, for a daemon that is opened by a program. */
export function configurationOf(options: DaemonOptions): Configuration {
  const settings = new Map(
    rowsOf(daemonOptions).map(([member, { key, row }]): [string, Setting] => {
      const value = options[member];
      return [
        key,
        {
          value,
          origin: sameValue(value, row.default) ? { kind: "default" } : { kind: "flag", flag: row.flag },
        },
      ];
    }),
  );
  const secret = { secret: null, secretFile: null, allowWeakSecret: false, configuredFile: null };
  const keptFile = keptSettingsPath(options);
  return { options, secret, settings, file: null, kept: new Map(), keptFile, problems: [] };
}

function secretConfiguration(settings: Layer): SecretConfiguration {
  const options = optionsOf(secretOptions, settings);
  const kind = settings.get("secret-file")?.origin.kind;
  return {
    ...options,
    secretFile: kind === "flag" ? options.secretFile : null,
    configuredFile: kind === "file" ? options.secretFile : null,
  };
}

function readConfigFile(
  { configFile }: ConfigurationSources,
  above: readonly Layer[],
): { path: string | null; content: FileContent } {
  const { interfaceName } = optionsOf(locationOptions, settingsOf(locationOptions, above));
  const path = configFile ?? usualFile(interfaceName, CONFIG_FOLDER);
  if (path === null) return { path, content: nothing };
  try {
    const text = readSteeringFileSync(path);
    if (text === null) throw new WgmeshError("ERR_CONFIG", `${path}: there is no such file`);
    const content = parseConfigText(text, path, "file");
    if (configFile !== null || path !== ownFile(interfaceName, CONFIG_FOLDER)) return { path, content };
    return { path, content: ofInterface(content, interfaceName) };
  } catch (error) {
    return { path, content: { settings: new Map(), problems: [problemOf(error)] } };
  }
}

const ownFile = (interfaceName: InterfaceName, folder: string): string =>
  join(folder, `${interfaceName}.toml`);

/** The file of the interface, else the one of every interface; null when there is neither. */
export function usualFile(interfaceName: InterfaceName, folder: string): string | null {
  const paths = [ownFile(interfaceName, folder), join(folder, "wgmesh.toml")];
  return paths.find((path) => existsSync(path)) ?? null;
}

/** The name of the file says for which interface it is; within, another would be a contradiction. */
function ofInterface(content: FileContent, interfaceName: InterfaceName): FileContent {
  const named = content.settings.get("interface");
  if (named === undefined || named.value === interfaceName) return content;
  const problem: Problem = {
    code: "ERR_CONFIG",
    message: `${originText(named.origin)}: interface: ${JSON.stringify(named.value)} is not the one of the file's name`,
    hint: `leave the line out, or rename the file to ${String(named.value)}.toml`,
  };
  const settings = new Map(content.settings);
  settings.delete("interface");
  return { settings, problems: [...content.problems, problem] };
}

function readKept(path: string, given: string | undefined, othersToo: boolean): FileContent {
  try {
    const read = (): string | null => readSteeringFileSync(path);
    const text = given ?? (othersToo ? asOwnerOf(dirname(path), read) : read());
    if (text === null) return nothing;
    const { settings, problems } = parseConfigText(text, path, "kept");
    return {
      settings: new Map([...settings].filter(([key]) => schema.get(key)?.reload !== "fixed")),
      problems,
    };
  } catch (error) {
    return { settings: new Map(), problems: [problemOf(error)] };
  }
}
