/**
 * Knobs of real networks (rows E2, G10): NATs with short memories, forwarded ports, machines with other things to do.
 */
import { isIP } from "node:net";
import { WgmeshError } from "../core/errors.ts";
import { type IpAddress, parseIp } from "../core/types.ts";
import { type OptionTable, value } from "./optionRow.ts";
import type { ValueParser } from "./shape.ts";
import { type UnderlayOptions, underlayOptions } from "./underlayOptions.ts";
import * as values from "./values.ts";

/** Where a node can be reached, as its operator knows. */
export interface AdvertisedEndpoint {
  readonly host: IpAddress;
  /** Null stands for WireGuard's own port. */
  readonly port: number | null;
}

export interface NetworkOptions extends UnderlayOptions {
  /** Seconds between WireGuard's keepalives; 0 turns them off. */
  readonly keepaliveSeconds: number;
  /** How often the interface is looked at when nothing happens. */
  readonly reconcileSeconds: number;
  /** Null leaves it to STUN and to what others see. */
  readonly advertiseEndpoint: AdvertisedEndpoint | null;
}

const advertised: ValueParser<AdvertisedEndpoint> = (text, source) => {
  const { host, port } = values.staticPeer(isIP(text) === 6 ? `[${text}]` : text, source);
  const ip = parseIp(host);
  if (ip !== null) return { host: ip, port };
  throw new WgmeshError(
    "ERR_ENDPOINT",
    `${source}: ${JSON.stringify(text)} is a name; others need an address`,
    {
      hint: "write an IP address, or address:port",
    },
  );
};

/** WireGuard's own suggestion for peers behind NATs. */
const DEFAULT_KEEPALIVE_SECONDS = 25;
const DEFAULT_RECONCILE_SECONDS = 5;

export const networkOptions: OptionTable<NetworkOptions> = {
  ...underlayOptions,
  keepaliveSeconds: {
    flag: "--keepalive",
    group: "Interface",
    help: "seconds between WireGuard's keepalives to each peer, which hold NATs open; 0 for none",
    default: DEFAULT_KEEPALIVE_SECONDS,
    defaultText: String(DEFAULT_KEEPALIVE_SECONDS),
    live: true,
    form: value("SECONDS", values.wholeNumber(0, 65_535, "a number of seconds")),
  },
  reconcileSeconds: {
    flag: "--reconcile-interval",
    group: "Interface",
    help: "seconds between looks at the interface when nothing happens; what others change is seen at once all the same",
    default: DEFAULT_RECONCILE_SECONDS,
    defaultText: String(DEFAULT_RECONCILE_SECONDS),
    live: true,
    form: value("SECONDS", values.wholeNumber(1, 60, "a number of seconds")),
  },
  advertiseEndpoint: {
    flag: "--advertise-endpoint",
    group: "Discovery",
    help: "tell others that WireGuard is reached at this address[:port], such as a forwarded port of a router (default: as found)",
    example: "203.0.113.7:51820",
    default: null,
    live: true,
    form: value("ADDRESS", advertised),
  },
};
