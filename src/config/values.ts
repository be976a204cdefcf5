/**
 * Checks of single option values. Each takes the text and the name of where it came from (`--mtu`, `$WGMESH_LOG`), and
 * throws a WgmeshError that holds both. Nothing here touches the disk or the kernel.
 */
import { isIPv6 } from "node:net";
import { resolve } from "node:path";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { type LogLevels, parseLogLevels } from "../core/log.ts";
import {
  type Cidr,
  type Endpoint,
  type InterfaceName,
  type PublicKey,
  parseCidr,
  parseEndpoint,
  parseInterfaceName,
  parsePort,
  parsePublicKey,
} from "../core/types.ts";
import { shaped, type ValueParser } from "./shape.ts";

/** A node named by the operator. `port` null stands for the control port derived from the secret. */
export interface StaticPeer {
  readonly host: string;
  readonly port: number | null;
}

/** What `--accept-routes` lets in: everything sane, nothing, or networks inside the listed ones. */
export type RoutePolicy = "all" | "none" | readonly Cidr[];

/** Go nodes refuse a message with more networks (PROTOCOL.md section 4.7). */
const MAX_ADVERTISED_NETWORKS = 100;

const quoted = (text: string): string => JSON.stringify(text);

/** The name of the interface wgmesh makes: see {@link parseInterfaceName}. */
export const interfaceName: ValueParser<InterfaceName> = (text, source) => {
  try {
    return parseInterfaceName(text);
  } catch (cause) {
    throw new WgmeshError("ERR_INTERFACE_NAME", `${source}: interface name ${quoted(text)} is not usable`, {
      cause,
    });
  }
};

/**
 * The name of any link of the host. Wider than our own interface's rule, because the kernel allows `eth0.100` or
 * `br-1a2b3c`: 1 to 15 bytes without `/`, `:` or white space, and neither `.` nor `..`.
 */
const linkName: ValueParser<string> = (text, source) => {
  const usable = /^[^\s/:]+$/.test(text) && Buffer.byteLength(text) <= 15 && text !== "." && text !== "..";
  if (!usable) throw new WgmeshError("ERR_INTERFACE_NAME", `${source}: ${quoted(text)} is not a link name`);
  return text;
};

export const port: ValueParser<number> = shaped(
  { kind: "integer", minimum: 1, maximum: 65535 },
  (text, source) => parsePort(text, source),
);

/** 576..65535: what IPv4 needs at least, and the largest a link can have. */
export const mtu: ValueParser<number> = shaped(
  { kind: "integer", minimum: 576, maximum: 65535 },
  (text, source) => {
    const bytes = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
    if (!(bytes >= 576 && bytes <= 65535)) {
      throw new WgmeshError("ERR_USAGE", `${source}: ${quoted(text)} is not an MTU`, {
        hint: "use a number of bytes from 576 (1280 with IPv6) to 65535",
      });
    }
    return bytes;
  },
);

/** 10,000 to 10^12 bytes per second; below, not even a handshake and a ping would pass. */
export const byteRate: ValueParser<number> = shaped(
  { kind: "integer", minimum: 10_000, maximum: 1e12 },
  (text, source) => {
    const bytes = /^\d{1,13}$/.test(text) ? Number(text) : Number.NaN;
    if (!(bytes >= 10_000 && bytes <= 1e12)) {
      throw new WgmeshError("ERR_USAGE", `${source}: ${quoted(text)} is not a rate`, {
        hint: "use a number of bytes per second, at least 10000",
      });
    }
    return bytes;
  },
);

export const wholeNumber = (minimum: number, maximum: number, what: string): ValueParser<number> =>
  shaped({ kind: "integer", minimum, maximum }, (text, source) => {
    const number = /^\d{1,13}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= minimum && number <= maximum) return number;
    throw new WgmeshError("ERR_USAGE", `${source}: ${quoted(text)} is not ${what}`, {
      hint: `use a whole number from ${minimum} to ${maximum}`,
    });
  });

/** Bytes of one log file: less would be put aside with every few lines. */
export const fileSize = wholeNumber(16_384, 1e12, "a size of a file");

export const fileCount = wholeNumber(0, 1000, "a number of files");

export const publicKey: ValueParser<PublicKey> = (text, source) => {
  const key = parsePublicKey(text.trim());
  if (key === null) {
    throw new WgmeshError("ERR_USAGE", `${source}: ${quoted(text)} is not a public key`, {
      hint: "use the 44 characters that wgmesh status or wg show tell",
    });
  }
  return key;
};

const cidr: ValueParser<Cidr> = (text, source) => {
  const network = parseCidr(text);
  if (network === null) throw new WgmeshError("ERR_CIDR", `${source}: ${quoted(text)} is not a network`);
  return network;
};

/** An IPv4 network with room for at least two hosts (PROTOCOL.md section 2.2). Host bits are cleared. */
export const meshSubnet: ValueParser<Cidr> = (text, source) => {
  const network = cidr(text, source);
  const prefix = Number(network.slice(network.indexOf("/") + 1));
  if (network.includes(":") || prefix > 30) {
    throw new WgmeshError("ERR_CIDR", `${source}: ${quoted(text)} cannot hold a mesh`, {
      hint: "use an IPv4 network with a prefix of 30 or less, such as 10.99.0.0/16",
    });
  }
  return network;
};

/** Splits at commas; blanks around an entry and empty entries do not count. */
function commaList<T>(entry: ValueParser<T>): ValueParser<readonly T[]> {
  return (text, source) => {
    const entries = text.split(",").map((part) => part.trim());
    return [...new Set(entries.filter((part) => part !== "").map((part) => entry(part, source)))];
  };
}

export const linkNames = commaList(linkName);

/** Networks to advertise, without repeats; an empty text is none. At most {@link MAX_ADVERTISED_NETWORKS}. */
export const advertisedNetworks: ValueParser<readonly Cidr[]> = shaped({ kind: "list" }, (text, source) => {
  const networks = commaList(cidr)(text, source);
  if (networks.length > MAX_ADVERTISED_NETWORKS) {
    throw new WgmeshError("ERR_CIDR", `${source}: ${networks.length} networks are too many`, {
      hint: `advertise at most ${MAX_ADVERTISED_NETWORKS}; neighbouring networks can often be merged into one`,
    });
  }
  return networks;
});

export const routePolicy: ValueParser<RoutePolicy> = shaped(
  { kind: "list", words: ["all", "none"] },
  (text, source) => {
    if (text === "all" || text === "none") return text;
    const networks = commaList(cidr)(text, source);
    if (networks.length === 0) {
      throw new WgmeshError("ERR_CIDR", `${source}: no network given`, {
        hint: "use all, none, or networks with commas between",
      });
    }
    return networks;
  },
);

/** `host`, `host:port`, `[IPv6]` or `[IPv6]:port`. A bare IPv6 address is refused: its last group could be a port. */
export const staticPeer: ValueParser<StaticPeer> = (text, source) =>
  hostAndPort(text, source, "a peer address");

function hostAndPort(text: string, source: string, what: string): StaticPeer {
  const refuse = (hint?: string): never => {
    throw new WgmeshError(
      "ERR_ENDPOINT",
      `${source}: ${quoted(text)} is not ${what}`,
      hint === undefined ? {} : { hint },
    );
  };
  if (isIPv6(text)) return refuse(`put an IPv6 address in brackets: [${text}]`);
  const hasPort = text.startsWith("[") ? text.includes("]:") : text.includes(":");
  // Port 1 only borrows the one parser of endpoints for a text without a port.
  const endpoint = parseEndpoint(hasPort ? text : `${text}:1`);
  if (endpoint === null) return refuse("write host, host:port, or [IPv6]:port");
  return { host: endpoint.host, port: hasPort ? endpoint.port : null };
}

/** RFC 8489 section 8. */
const STUN_PORT = 3478;
/** More give no better answer. */
const MAX_STUN_SERVERS = 8;

export const stunServers: ValueParser<readonly Endpoint[]> = (text, source) => {
  const parts = text.split(",").map((part) => part.trim());
  const servers = parts
    .filter((part) => part !== "")
    .map((part) => {
      const { host, port } = hostAndPort(part, source, "a STUN server");
      return { host, port: port ?? STUN_PORT };
    });
  if (servers.length > MAX_STUN_SERVERS) {
    throw new WgmeshError("ERR_USAGE", `${source}: ${servers.length} STUN servers are too many`, {
      hint: `give at most ${MAX_STUN_SERVERS}`,
    });
  }
  return servers;
};

/** `host:port` or `[IPv6]:port`; the host may be a name. */
export const endpoint: ValueParser<Endpoint> = (text, source) => {
  const parsed = parseEndpoint(text);
  if (parsed !== null) return parsed;
  throw new WgmeshError("ERR_ENDPOINT", `${source}: ${quoted(text)} is not an address with a port`, {
    hint: "write host:port or [IPv6]:port",
  });
};

/** A path, made absolute against the current folder (the daemon changes to `/` later). */
export const path: ValueParser<string> = shaped({ kind: "text", path: true }, (text, source) => {
  if (text === "" || text.includes("\0"))
    throw new WgmeshError("ERR_USAGE", `${source}: ${quoted(text)} is not a path`);
  return resolve(text);
});

/** The same, or `-` for standard input. */
export const secretPath: ValueParser<string> = shaped({ kind: "text", path: true }, (text, source) =>
  text === "-" ? text : path(text, source),
);

/** Longest path of a Unix socket, in bytes: `sun_path` of unix(7) less its final NUL. */
const MAX_SOCKET_PATH_BYTES = 107;

export const socketPath: ValueParser<string> = shaped({ kind: "text", path: true }, (text, source) => {
  const absolute = path(text, source);
  const bytes = Buffer.byteLength(absolute);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw new WgmeshError(
      "ERR_USAGE",
      `${source}: the socket path ${quoted(absolute)} is ${bytes} bytes long`,
      {
        hint: `choose one of at most ${MAX_SOCKET_PATH_BYTES} bytes`,
      },
    );
  }
  return absolute;
});

/** `info`, or `info,discovery=debug`. */
export const logLevels: ValueParser<LogLevels> = (text, source) => {
  try {
    return parseLogLevels(text);
  } catch (cause) {
    throw new WgmeshError("ERR_USAGE", `${source}: ${messageOf(cause)}`, {
      cause,
      hint: "use one of: debug, info, warn, error; for parts of the log too: info,discovery=debug",
    });
  }
};

/** One of a few words. */
export function oneOf<const Word extends string>(words: readonly Word[]): ValueParser<Word> {
  return shaped({ kind: "text", words }, (text, source) => {
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) {
      throw new WgmeshError("ERR_USAGE", `${source}: ${quoted(text)} is not a choice`, {
        hint: `use one of: ${words.join(", ")}`,
      });
    }
    return word;
  });
}
