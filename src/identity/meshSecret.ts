/** The addon's side of secrets, for the command line. */
import { isatty } from "node:tty";
import { generateSecretUri, MeshSecret } from "@wgmesh/native";
import { type FoundSecret, findSecret, type SecretRequest } from "./secretSources.ts";

export { generateSecretUri };

/** The secret another process of ours put into a pipe; the descriptor is closed. */
export const takeMeshSecret = (fd: number): MeshSecret => MeshSecret.fromPipe(fd);

/** The secret of a text that is printed anyway. */
export const secretOfText = (text: string): MeshSecret => MeshSecret.fromText(text);

/** {@link findSecret} of what is given already: neither standard input nor the terminal is read, and `env` stays as it is. */
export function openGivenSecret(
  request: SecretRequest,
  env: Readonly<Record<string, string | undefined>>,
): FoundSecret {
  return findSecret(request, { reader: MeshSecret, env: { ...env }, stdinIsTerminal: false });
}

/** {@link findSecret} with this process's environment, standard input and terminal. */
export function openMeshSecret(request: SecretRequest): FoundSecret {
  return findSecret(request, {
    reader: MeshSecret,
    env: process.env,
    // Not process.stdin: touching it makes the descriptor non-blocking, and the addon reads it itself.
    stdinIsTerminal: isatty(0),
  });
}
