/**
 * The node that is looked at: what it is told to do, and what it says of itself when it runs. Gathered once, before the checks.
 */
import type { DaemonOptions } from "../config/options.ts";
import type { Problem } from "../config/problem.ts";
import type { Cidr, Endpoint } from "../core/types.ts";

/** What a daemon that answers says. */
export interface Running {
  readonly pid: number;
  readonly publicKey: string;
  readonly backend: string;
  readonly listenPort: number;
  readonly advertisedNetworks: readonly string[];
  readonly failing: readonly { readonly object: string; readonly reason: string }[];
  /** Of observe/health.ts. */
  readonly health: readonly { readonly id: string; readonly state: string; readonly detail: string }[];
  /** IP addresses of the endpoints of its peers. */
  readonly peerHosts: readonly string[];
}

export interface SecretFacts {
  /** The control port, UDP. */
  readonly gossipPort: number;
  readonly meshSubnet: Cidr;
}

export interface Patient {
  /** Those of the daemon that runs, else what one would start with. */
  readonly options: DaemonOptions;
  readonly configuration: {
    /** Null when there is none. */
    readonly file: string | null;
    readonly problems: readonly Problem[];
    /** Sentences on variables that mean nothing. */
    readonly warnings: readonly string[];
  };
  /** The file that a secret is read from; null when it comes from elsewhere, or from nowhere. */
  readonly secretFile: string | null;
  /** Null when none was given. */
  readonly secret: SecretFacts | Problem | null;
  readonly running: Running | null;
  /** Why a daemon that lives cannot be asked; null when it can, or none lives. */
  readonly unanswered: Problem | null;
  /** The PID of the daemon that lives, whether it answers or not. */
  readonly pid: number | null;
  readonly socketPath: string;
  /** What an import that was cut off leaves (backup/commit.ts). */
  readonly importJournal: string;
  /** In place of none that were configured. */
  readonly publicServers: { readonly stun: readonly Endpoint[]; readonly dht: readonly Endpoint[] };
}

export const isProblem = (secret: Patient["secret"]): secret is Problem =>
  secret !== null && "code" in secret;
