/**
 * What whoever starts a daemon tells it beside the command line: `wgmesh up` and `wgmeshd --daemon` the one in the background, a
 * daemon that hands over the one it becomes. No secret is in it: that comes by a descriptor.
 */
import { messageOf, WgmeshError } from "../core/errors.ts";

export interface Launch {
  /** A daemon in the background: its own session already, the rest is its to do. */
  readonly detached: boolean;
  /** A pipe with the secret; null reads it from where the options say. */
  readonly secretFd: number | null;
  /** Where errors of the start are told; closed once the daemon answers. */
  readonly reportFd: number | null;
  /** The daemon this one was a moment ago has left its interface and its knowledge to it. */
  readonly handover: boolean;
  /** Of that interface (daemon/interfaceGuard.ts). */
  readonly guard: { readonly fd: number; readonly pid: number } | null;
  /** The process has started itself again with these (cli/processBounds.ts); null when it has not. */
  readonly bounds: { readonly flags: readonly string[]; readonly variables: readonly string[] } | null;
}

const VARIABLE = "WGMESH_LAUNCH";

const NONE: Launch = {
  detached: false,
  secretFd: null,
  reportFd: null,
  handover: false,
  guard: null,
  bounds: null,
};

/** Takes it out of the environment, so that no child inherits it. Throws ERR_USAGE for what no wgmesh wrote. */
export function takeLaunch(env: Record<string, string | undefined>): Launch {
  const text = env[VARIABLE];
  delete env[VARIABLE];
  if (text === undefined) return NONE;
  try {
    return { ...NONE, ...(JSON.parse(text) as Partial<Launch>) };
  } catch (cause) {
    throw new WgmeshError("ERR_USAGE", `$${VARIABLE}: ${messageOf(cause)}`, {
      cause,
      hint: "leave the variable out; it is between wgmesh and the daemon it starts",
    });
  }
}

/** The variable that {@link takeLaunch} reads. */
export function launchVariable(launch: Partial<Launch>): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(launch) };
}
