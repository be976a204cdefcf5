/**
 * Where the secret comes from (row B4). The addon reads files, descriptors and the prompt itself, so that the secret never is
 * a JavaScript string; `--secret` and `$WGMESH_SECRET` are strings already, which is one reason why they warn.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { MeshSecret } from "@wgmesh/native";
import { type ErrorCode, messageOf, WgmeshError } from "../core/errors.ts";

/** What the command line says about the secret. */
export interface SecretRequest {
  /** `--secret` */
  readonly secret: string | null;
  /** `--secret-file`: a path, or `-` for standard input. */
  readonly secretFile: string | null;
  /** `secret-file` of the configuration file. */
  readonly configuredFile?: string | null;
  /** `--allow-weak-secret` */
  readonly allowWeakSecret: boolean;
}

/** The addon's ways in; see `MeshSecret` in its types. */
export type SecretReader = Pick<typeof MeshSecret, "fromText" | "fromFile" | "fromFd" | "fromPrompt">;

export interface SecretSurroundings {
  readonly reader: SecretReader;
  /** `process.env`. `WGMESH_SECRET` is taken out of it, so that no child process inherits it. */
  readonly env: Record<string, string | undefined>;
  readonly stdinIsTerminal: boolean;
}

export interface FoundSecret {
  readonly secret: MeshSecret;
  /** Sentences for the operator. */
  readonly warnings: readonly string[];
}

/** Estimated bits below which a secret needs `--allow-weak-secret`: a public infohash lets anyone guess offline. */
const MIN_STRENGTH_BITS = 80;

const STDIN = 0;

/** Names of a systemd credential (systemd.exec(5), LoadCredential=) that hold the secret. */
const CREDENTIAL_NAMES = ["wgmesh.secret", "secret"];

/**
 * The secret of the first source that is there: `--secret`, `--secret-file`, `$WGMESH_SECRET`, `$WGMESH_SECRET_FILE`, the
 * configuration file, a systemd credential, a prompt on a terminal. Errors: ERR_SECRET_MISSING, _SHORT, _URI, _FILE, _WEAK. Reading standard input and the
 * prompt block.
 */
export function findSecret(request: SecretRequest, surroundings: SecretSurroundings): FoundSecret {
  const { env } = surroundings;
  const fromEnvironment = env.WGMESH_SECRET;
  delete env.WGMESH_SECRET;
  const warnings: string[] = [];
  const secret = readFirst(request, surroundings, fromEnvironment, warnings);
  if (!request.allowWeakSecret) refuseWeak(secret);
  return { secret, warnings };
}

function refuseWeak(secret: MeshSecret): void {
  const bits = Math.floor(secret.strengthBits());
  if (bits >= MIN_STRENGTH_BITS) return;
  throw new WgmeshError(
    "ERR_SECRET_WEAK",
    `the secret is weak: about ${bits} bits, and ${MIN_STRENGTH_BITS} are needed`,
  );
}

function readFirst(
  { secret, secretFile, configuredFile }: SecretRequest,
  { reader, env, stdinIsTerminal }: SecretSurroundings,
  fromEnvironment: string | undefined,
  warnings: string[],
): MeshSecret {
  if (secret !== null) {
    warnings.push("--secret shows the secret to every user in the process list; use --secret-file");
    return read("--secret", () => reader.fromText(secret));
  }
  const prompt = (): MeshSecret => read("the prompt", () => reader.fromPrompt("Mesh secret: "));
  if (secretFile === "-") {
    return stdinIsTerminal ? prompt() : read("standard input", () => reader.fromFd(STDIN));
  }
  if (secretFile !== null) return read(secretFile, () => reader.fromFile(secretFile));
  if (fromEnvironment) {
    warnings.push("$WGMESH_SECRET can be read by whoever sees the environment; use --secret-file");
    return read("$WGMESH_SECRET", () => reader.fromText(fromEnvironment));
  }
  const file = env.WGMESH_SECRET_FILE || configuredFile || credentialFile(env.CREDENTIALS_DIRECTORY);
  if (file) return read(file, () => reader.fromFile(file));
  if (stdinIsTerminal) return prompt();
  throw new WgmeshError("ERR_SECRET_MISSING", "no secret was given");
}

function credentialFile(folder: string | undefined): string | undefined {
  if (!folder) return undefined;
  return CREDENTIAL_NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
}

const codes: Readonly<Record<string, ErrorCode>> = {
  SECRET_SHORT: "ERR_SECRET_SHORT",
  SECRET_URI: "ERR_SECRET_URI",
  SECRET_FILE: "ERR_SECRET_FILE",
  ENXIO: "ERR_SECRET_MISSING",
};

const hints: Readonly<Record<string, string>> = {
  ENOENT: "check the path, or make a secret with 'wgmesh init'",
  EACCES: "run as the user that owns the file",
  EISDIR: "name a file, not a folder",
};

/** Runs one of the addon's readers; its errors never hold the secret. */
function read(source: string, reading: () => MeshSecret): MeshSecret {
  try {
    return reading();
  } catch (cause) {
    const nativeCode = (cause as { code?: unknown }).code;
    if (typeof nativeCode !== "string") throw cause;
    const reason = messageOf(cause).replace(/^[A-Z_]+: /, "");
    const hint = hints[nativeCode];
    throw new WgmeshError(codes[nativeCode] ?? "ERR_SECRET_FILE", `${source}: ${reason}`, {
      cause,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
