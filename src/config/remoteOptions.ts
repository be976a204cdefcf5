/**
 * How a verb reaches a daemon on another machine (row G8).
 */
import type { Endpoint } from "../core/types.ts";
import { type OptionTable, on, value } from "./optionRow.ts";
import * as values from "./values.ts";

export interface RemoteOptions {
  /** Null for the socket of this machine. */
  readonly server: Endpoint | null;
  readonly tls: boolean;
  readonly caCert: string | null;
  readonly tokenFile: string | null;
}

export const remoteOptions: OptionTable<RemoteOptions> = {
  server: {
    flag: "--server",
    group: "Remote",
    help: "the daemon at this address, its --rpc-listen, in place of one of this machine",
    default: null,
    form: value("HOST:PORT", values.endpoint),
  },
  tls: {
    flag: "--tls",
    group: "Remote",
    help: "with TLS; only a server on loopback may do without",
    default: false,
    form: on,
  },
  caCert: {
    flag: "--ca-cert",
    group: "Remote",
    help: "certificate of the authority that the server is to be believed by, PEM (default: the public ones)",
    default: null,
    form: value("FILE", values.path),
  },
  tokenFile: {
    flag: "--token-file",
    group: "Remote",
    help: "file with the token to show (default: $WGMESH_TOKEN)",
    default: null,
    form: value("FILE", values.path),
  },
};
