/**
 * The options of how to find the secret, and the file of the other options.
 */
import { type OptionTable, on, value } from "./optionRow.ts";
import * as values from "./values.ts";

/** How the secret is to be found; the variables and the credential are looked at by identity/secretSources.ts. */
export interface SecretOptions {
  /** The secret itself, as given on the command line. */
  readonly secret: string | null;
  /** A path, or `-` for standard input. */
  readonly secretFile: string | null;
  readonly allowWeakSecret: boolean;
}

/** The one option that tells where the others may stand. */
export interface FileOptions {
  /** Absolute; null looks in the usual places (config/configuration.ts). */
  readonly configFile: string | null;
}

export const fileOptions: OptionTable<FileOptions> = {
  configFile: {
    flag: "--config",
    group: "Files",
    help: "configuration file (default: /etc/wgmesh/<interface>.toml, else /etc/wgmesh/wgmesh.toml) [$WGMESH_CONFIG]",
    flagOnly: "a file cannot name another one",
    default: null,
    form: value("FILE", values.path),
  },
};

export const secretOptions: OptionTable<SecretOptions> = {
  secretFile: {
    flag: "--secret-file",
    group: "Secret",
    help: "read the secret from a file only its owner can read, or from standard input with '-'",
    default: null,
    fixed: true,
    form: value("FILE", values.secretPath),
  },
  secret: {
    flag: "--secret",
    group: "Secret",
    help: "the secret itself; other users can see it in the process list, so better use --secret-file",
    flagOnly: "the secret itself does not belong into a configuration file; name its file with secret-file",
    default: null,
    form: value("SECRET", (text) => text),
  },
  allowWeakSecret: {
    flag: "--allow-weak-secret",
    group: "Secret",
    help: "take a secret of less than 80 estimated bits",
    default: false,
    form: on,
  },
};
