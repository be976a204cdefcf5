/** Both halves of an endpoint's text, unchecked: the host may be empty or any text, the port too. */
export interface HostPort {
  readonly host: string;
  readonly port: string;
}

const HOST_PORT = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/;

/** Splits `host:port` or `[host]:port` where the Go peer does; null where it fails. */
export function splitHostPort(text: string): HostPort | null {
  const match = HOST_PORT.exec(text);
  return match === null ? null : { host: match[1] ?? match[2] ?? "", port: match[3] ?? "" };
}

/** A port as the Go peer reads it (decimal, leading zeros and a sign allowed), or null when outside 1..65535. */
export function readPort(text: string): number | null {
  if (!/^\+?\d{1,20}$/.test(text)) return null;
  const port = Number(text);
  return port >= 1 && port <= 65535 ? port : null;
}
