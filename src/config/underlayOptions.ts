/**
 * How this node's own packets leave the host (row G10): with which firewall mark, and from which addresses.
 */
import { isIP } from "node:net";
import { WgmeshError } from "../core/errors.ts";
import { type IpAddress, parseIp } from "../core/types.ts";
import { list, type OptionTable, value } from "./optionRow.ts";
import type { Problem } from "./problem.ts";
import { shaped, type ValueParser } from "./shape.ts";

export interface UnderlayOptions {
  /** SO_MARK of what this node sends on the network below the tunnel; 0 for none. */
  readonly fwmark: number;
  /** At most one of each family; empty for all of the host. A family without one is not used while the other has one. */
  readonly listenAddresses: readonly IpAddress[];
}

const MAX_MARK = 0xffff_ffff;

/** As `wg set` takes it: decimal or 0x hexadecimal of 32 bits; 0 and `off` are none. */
const fwmark: ValueParser<number> = shaped(
  { kind: "integer", minimum: 0, maximum: MAX_MARK },
  (text, source) => {
    if (text === "off") return 0;
    const mark = /^(?:\d{1,10}|0[xX][0-9a-fA-F]{1,8})$/.test(text) ? Number(text) : Number.NaN;
    if (mark <= MAX_MARK) return mark;
    throw new WgmeshError("ERR_USAGE", `${source}: ${JSON.stringify(text)} is not a firewall mark`, {
      hint: "use a number from 0 (none) to 4294967295, or from 0x0 to 0xffffffff",
    });
  },
);

/** Addresses that a socket of this host can have and others can send to. */
const listenAddresses: ValueParser<readonly IpAddress[]> = (text, source) =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const ip = isIP(part) === 0 ? null : parseIp(part);
      if (ip === null) {
        throw new WgmeshError("ERR_USAGE", `${source}: ${JSON.stringify(part)} is not an IP address`, {
          hint: "write one IPv4 address, one IPv6 address, or both with a comma between",
        });
      }
      if (/^(?:0\.0\.0\.0|::|f[ef]|22[4-9]\.|2[3-5]\d\.)/.test(ip) && !/^fe[^89ab]/.test(ip)) {
        throw new WgmeshError("ERR_USAGE", `${source}: nothing can be reached from ${ip}`, {
          hint: "name an address of this host; leave the option out for all of them",
        });
      }
      return ip;
    });

export const underlayOptions: OptionTable<UnderlayOptions> = {
  fwmark: {
    flag: "--fwmark",
    group: "Interface",
    help: "firewall mark of all that this node sends to other hosts, decimal or 0x hexadecimal, for policy routing; 0 for none",
    default: 0,
    example: 0x2a,
    form: value("MARK", fwmark),
  },
  listenAddresses: {
    flag: "--listen-address",
    group: "Interface",
    help: "the address this node's sockets use, one of IPv4, IPv6 or both, commas between (default: all)",
    example: ["192.0.2.7"],
    default: [],
    form: list("ADDRESSES", listenAddresses),
  },
};

/** Values that do not go together. */
export function underlayContradictions(
  options: UnderlayOptions & { readonly ipv6: boolean },
  place: (key: string) => string,
  platform: NodeJS.Platform = process.platform,
): Problem[] {
  const problems: Problem[] = [];
  const complain = (key: string, message: string, hint: string): void =>
    void problems.push({ code: "ERR_USAGE", message: `${place(key)}: ${message}`, hint });
  if (options.fwmark !== 0 && platform !== "linux") {
    complain("fwmark", "this system has no firewall marks", "leave it out; it needs Linux");
  }
  const { listenAddresses: addresses } = options;
  for (const family of [4, 6]) {
    const ofFamily = addresses.filter((address) => isIP(address) === family);
    if (ofFamily.length < 2) continue;
    complain(
      "listen-address",
      `${ofFamily.join(" and ")} are both of IPv${family}`,
      "name one address of each family at most",
    );
  }
  const six = addresses.find((address) => address.includes(":"));
  if (six !== undefined && !options.ipv6) {
    complain("listen-address", `${six} without IPv6`, "leave out --no-ipv6");
  }
  return problems;
}
