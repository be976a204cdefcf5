/**
 * A TCP listener, of RPC or of HTTP.
 */
import { once } from "node:events";
import type net from "node:net";
import type tls from "node:tls";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { type Endpoint, endpointText } from "../core/types.ts";
import type { Credentials } from "./credentials.ts";

export interface Door {
  /** Where it listens, also when port 0 was asked for. */
  readonly port: number;
  /** For handshakes from now on. */
  setCertificate(secure: Credentials["secure"]): void;
  close(): void;
}

/** Rejects with ERR_SYSTEM, naming the flag. */
export async function listenAt(
  server: net.Server,
  listen: Endpoint,
  flag: string,
  onError: (error: Error) => void,
): Promise<Door> {
  server.listen(listen);
  await once(server, "listening").catch((cause: unknown) => {
    const message = `${flag}: cannot listen on ${endpointText(listen)}: ${messageOf(cause)}`;
    throw new WgmeshError("ERR_SYSTEM", message, { cause, hint: "choose another address or port" });
  });
  server.on("error", onError);
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    setCertificate: (secure) => {
      if (secure !== null && isSecure(server)) server.setSecureContext(secure);
    },
    close: () => server.close(),
  };
}

const isSecure = (server: net.Server): server is tls.Server => "setSecureContext" in server;
