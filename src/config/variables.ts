/**
 * `WGMESH_*` variables: one for every option, and a few that are none.
 */
import { parseText } from "./given.ts";
import type { Layer, Setting } from "./layers.ts";
import { nearest } from "./nearest.ts";
import { type Problem, problemOf } from "./problem.ts";
import { remoteOptions } from "./remoteOptions.ts";
import { rowsOf, type SchemaRow, schema } from "./schema.ts";

/** Environment variables as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Those that are no option. `WGMESH_TEST_…` are this project's own tests. */
const OTHER_VARIABLES = [
  "WGMESH_CONFIG",
  "WGMESH_SECRET",
  "WGMESH_TOKEN",
  "WGMESH_REGISTRY_URL",
  "WGMESH_REGISTRY_REPOSITORY",
] as const;
const TEST_PREFIX = "WGMESH_TEST_";

/**
 * What the environment says of these rows; an empty variable says nothing. The systematic name wins over the older one. Problems
 * name the variable and its value.
 */
export function variableLayer(
  rows: Iterable<SchemaRow>,
  env: Environment,
): { settings: Layer; problems: Problem[] } {
  const settings = new Map<string, Setting>();
  const problems: Problem[] = [];
  for (const { key, variable, row } of rows) {
    if (row.flagOnly !== undefined) continue;
    const names = row.env === undefined ? [variable] : [variable, row.env];
    const name = names.find((candidate) => Boolean(env[candidate]));
    const text = name === undefined ? undefined : env[name];
    if (name === undefined || text === undefined) continue;
    try {
      const value = parseText(row.form, text, `$${name}`);
      settings.set(key, { value, origin: { kind: "variable", name } });
    } catch (error) {
      problems.push(problemOf(error));
    }
  }
  return { settings, problems };
}

/** A sentence for each `WGMESH_*` variable that nothing reads. */
export function unknownVariables(env: Environment): string[] {
  const known = new Set<string>(OTHER_VARIABLES);
  const remote = rowsOf(remoteOptions).map(([, row]) => row);
  for (const { variable, row } of [...schema.values(), ...remote]) {
    known.add(variable);
    if (row.env !== undefined) known.add(row.env);
  }
  return Object.keys(env)
    .filter((name) => name.startsWith("WGMESH_") && !name.startsWith(TEST_PREFIX) && !known.has(name))
    .sort()
    .map((name) => {
      const like = nearest(name, known);
      return `$${name} is no variable of wgmesh${like === null ? "" : `; did you mean $${like}?`}`;
    });
}
