/**
 * The client's way to a daemon: a Unix socket of somebody who can be believed, or TCP with TLS and a token.
 */
import { lstat } from "node:fs/promises";
import net from "node:net";
import type { Clock } from "../core/clock.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { type Endpoint, endpointText } from "../core/types.ts";

export interface RemoteServer {
  readonly server: Endpoint;
  /** Null for plain TCP, which daemons offer on loopback alone. `ca`: PEM, or null for the usual roots. */
  readonly tls: { readonly ca: string | null } | null;
  readonly token: string;
}

export interface LocalSocket {
  readonly socketPath: string;
  /** Users besides root and the own one whose socket is believed. */
  readonly trustedUids?: readonly number[];
}

export type Place = LocalSocket | RemoteServer;

export function placeText(place: Place): string {
  return "server" in place ? endpointText(place.server) : place.socketPath;
}

/** Errors: ERR_NOT_RUNNING, ERR_PERMISSION (not ours to open, or not to be believed), ERR_TIMEOUT. */
export async function openPlace(place: Place, timeoutMs: number, clock: Clock): Promise<net.Socket> {
  if ("server" in place) return await connected(place, await dial(place), timeoutMs, clock);
  await checkOwner(place);
  return await connected(place, net.connect(place.socketPath), timeoutMs, clock);
}

async function dial({ server, tls: secure }: RemoteServer): Promise<net.Socket> {
  if (secure === null) return net.connect(server);
  const { connect } = await import("node:tls");
  return connect({
    ...server,
    ...(secure.ca === null ? {} : { ca: secure.ca }),
    ...(net.isIP(server.host) === 0 ? { servername: server.host } : {}),
    minVersion: "TLSv1.3",
  });
}

/** Whoever made the socket can answer as they like: only root, the own user, and who root names, are believed (row G8). */
async function checkOwner({ socketPath, trustedUids = [] }: LocalSocket): Promise<void> {
  const stats = await lstat(socketPath).catch((error: NodeJS.ErrnoException) => {
    throw connectError(socketPath, error);
  });
  if (!stats.isSocket()) throw new WgmeshError("ERR_NOT_RUNNING", `${socketPath} is not a socket`);
  if ([0, process.geteuid?.(), ...trustedUids].includes(stats.uid)) return;
  throw new WgmeshError("ERR_PERMISSION", `${socketPath} belongs to another user (uid ${stats.uid})`, {
    hint: "run as that user or as root, or name the right socket with --socket-path",
  });
}

function connected(place: Place, socket: net.Socket, timeoutMs: number, clock: Clock): Promise<net.Socket> {
  const name = placeText(place);
  return new Promise((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => {
      socket.destroy();
      reject(new WgmeshError("ERR_TIMEOUT", `the daemon at ${name} does not accept connections`));
    });
    const onError = (error: NodeJS.ErrnoException): void => {
      cancel();
      reject(connectError(name, error));
    };
    socket.once("error", onError);
    socket.once("encrypted" in socket ? "secureConnect" : "connect", () => {
      cancel();
      socket.off("error", onError);
      resolve(socket);
    });
  });
}

function connectError(name: string, error: NodeJS.ErrnoException): WgmeshError {
  const options = { cause: error };
  const code = error.code ?? "";
  if (code === "ENOENT") {
    return new WgmeshError("ERR_NOT_RUNNING", `no daemon is running: ${name} does not exist`, options);
  }
  if (code === "ECONNREFUSED") {
    return new WgmeshError("ERR_NOT_RUNNING", `no daemon is running: nobody listens on ${name}`, options);
  }
  if (code === "EACCES" || code === "EPERM") {
    return new WgmeshError("ERR_PERMISSION", `cannot open ${name}: ${messageOf(error)}`, {
      ...options,
      hint: "run as root, as the user that runs wgmeshd, or as a member of its --socket-group",
    });
  }
  if (/CERT|SIGNATURE|ALTNAME/.test(code)) {
    return new WgmeshError("ERR_PERMISSION", `${name} is not to be believed: ${messageOf(error)}`, {
      ...options,
      hint: "name the certificate of its authority with --ca-cert, and the server as it is written there",
    });
  }
  return new WgmeshError("ERR_NOT_RUNNING", `cannot connect to ${name}: ${messageOf(error)}`, options);
}
