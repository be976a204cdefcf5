/**
 * The addresses of `--listen-address` (row G10): whether they are there, and what a backend makes of them.
 */
import type { DaemonOptions } from "../config/options.ts";
import { WgmeshError } from "../core/errors.ts";
import { type IpAddress, parseIp } from "../core/types.ts";
import type { HostNetwork } from "../mesh/underlay.ts";
import type { TroubleRegistry } from "../observe/troubles.ts";
import type { Backend } from "../wireguard/backend.ts";

const ABSENT = "listen-address";
const EVERYWHERE = "listen-address-wireguard";
/** More would not help whoever reads them. */
const MAX_SHOWN = 8;

type Wish = Pick<DaemonOptions, "listenAddresses">;

function absentOf({ listenAddresses }: Wish, host: Pick<HostNetwork, "addresses">): IpAddress[] {
  if (listenAddresses.length === 0) return [];
  const present = new Set(host.addresses().map(({ address }) => parseIp(address)));
  return listenAddresses.filter((address) => !present.has(address));
}

/**
 * Throws ERR_LISTEN_ADDRESS, which names the addresses there are. Who starts the node starts it again then, and it works once a link has the
 * address: the service does so every second.
 */
export function requireListenAddresses(options: Wish, host: Pick<HostNetwork, "addresses">): void {
  const [absent] = absentOf(options, host);
  if (absent === undefined) return;
  const there = host
    .addresses()
    .map(({ address }) => parseIp(address))
    .filter((address) => address !== null && !/^(?:127\.|::1$|fe[89ab])/.test(address));
  const shown = there.slice(0, MAX_SHOWN).join(", ");
  const rest = there.length > MAX_SHOWN ? `, and ${there.length - MAX_SHOWN} more` : "";
  throw new WgmeshError("ERR_LISTEN_ADDRESS", `this machine has not the listen address ${absent}`, {
    hint: there.length === 0 ? "it has no address now" : `use one it has: ${shown}${rest}`,
  });
}

export interface ListenAddressParts {
  readonly options: Wish;
  readonly host: Pick<HostNetwork, "addresses">;
  readonly troubles: Pick<TroubleRegistry, "raise" | "clear">;
}

/** Tells what an operator should know while the node runs; to be asked again after each change of the host's network. */
export function tellListenAddresses(
  { options, host, troubles }: ListenAddressParts,
  backend: Pick<Backend, "name" | "listenPort">,
): void {
  if (options.listenAddresses.length === 0) return;
  const absent = absentOf(options, host);
  if (absent.length === 0) troubles.clear(ABSENT);
  else {
    troubles.raise(
      ABSENT,
      `this machine has no more the listen address ${absent.join(" and ")}: nobody reaches this node there until a link has it again`,
    );
  }
  if (backend.name === "embedded") return;
  const port = backend.listenPort();
  const rules = (
    [
      ["ipv4", "ip"],
      ["ipv6", "ip6"],
    ] as const
  ).map(([protocol, name]) => {
    const address = options.listenAddresses.find((one) => one.includes(":") === (name === "ip6"));
    const other = address === undefined ? `meta nfproto ${protocol}` : `${name} daddr != ${address}`;
    return `${other} udp dport ${port} drop`;
  });
  troubles.raise(
    EVERYWHERE,
    `WireGuard's port ${port} is open on every address, since ${backend.name === "kernel" ? "the kernel's WireGuard" : "wireguard-go"} takes no other wish: use --backend embedded, or the packet filter (nft, in a chain of hook input: ${rules.join("; ")})`,
  );
}
