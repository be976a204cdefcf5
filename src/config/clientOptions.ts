/**
 * Devices that run plain WireGuard and reach the mesh through this node (row G10).
 */
import { WgmeshError } from "../core/errors.ts";
import { type Cidr, parseCidr } from "../core/types.ts";
import { type OptionTable, value } from "./optionRow.ts";
import type { ValueParser } from "./shape.ts";

export interface ClientOptions {
  /** IPv4, prefix 16..30; null derives it from the node's key. */
  readonly clientNetwork: Cidr | null;
}

/** Loopback, link-local, multicast and what is reserved: no device can have an address there. */
const UNUSABLE = /^(?:0|127|22[4-9]|2[3-5]\d)\.|^169\.254\./;

const clientNetwork: ValueParser<Cidr> = (text, source) => {
  const network = parseCidr(text);
  const prefix = Number(network?.split("/")[1]);
  if (network !== null && !network.includes(":") && prefix >= 16 && prefix <= 30 && !UNUSABLE.test(network))
    return network;
  throw new WgmeshError("ERR_CIDR", `${source}: ${JSON.stringify(text)} is no network for clients`, {
    hint: "use an IPv4 network with a prefix from 16 to 30 that is used nowhere else, such as 10.200.7.0/24",
  });
};

export const clientOptions: OptionTable<ClientOptions> = {
  clientNetwork: {
    flag: "--client-network",
    group: "Routes",
    help: "IPv4 network for clients of this node, devices that run plain WireGuard (default: derived from its key)",
    example: "10.200.7.0/24",
    default: null,
    form: value("CIDR", clientNetwork),
  },
};
