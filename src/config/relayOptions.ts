/**
 * The options of relaying (row D6).
 */
import type { PublicKey } from "../core/types.ts";
import { list, type OptionTable, off, on, value } from "./optionRow.ts";
import * as values from "./values.ts";

export interface RelayOptions {
  /** False with `--no-relay`: this node neither relays nor is relayed. */
  readonly relay: boolean;
  /** UDP; null takes any free one. */
  readonly relayPort: number | null;
  /** Of all that this node relays for others, bytes per second. */
  readonly relayLimit: number;
  /** Nodes that may relay for us and introduce us; empty means any node that proves itself. */
  readonly introducerKeys: readonly PublicKey[];
  readonly forceRelay: boolean;
  /** Relays that can read what they forward, as Go nodes do it. */
  readonly allowPlaintextRelay: boolean;
}

const DEFAULT_RELAY_LIMIT = 12_500_000;

export const relayOptions: OptionTable<RelayOptions> = {
  relay: {
    flag: "--no-relay",
    group: "Relay",
    help: "neither relay for others, which a publicly reachable node does, nor be relayed",
    default: true,
    form: off,
  },
  relayPort: {
    flag: "--relay-port",
    group: "Relay",
    help: "UDP port on which this node relays (default: any free one); given, it relays also behind a NAT",
    example: 51822,
    default: null,
    form: value("PORT", values.port),
  },
  relayLimit: {
    flag: "--relay-limit",
    group: "Relay",
    help: "most that this node relays for others, bytes per second; one pair gets at most a quarter",
    default: DEFAULT_RELAY_LIMIT,
    defaultText: String(DEFAULT_RELAY_LIMIT),
    live: true,
    form: value("BYTES", values.byteRate),
  },
  introducerKeys: {
    flag: "--introducer-key",
    group: "Relay",
    help: "trust only this node, by its public key, to introduce and relay; may be repeated (default: every node)",
    default: [],
    form: list("KEY", (text, source) => [values.publicKey(text, source)]),
  },
  forceRelay: {
    flag: "--force-relay",
    group: "Relay",
    help: "reach peers through a relay even where a direct path works; not those on the LAN and those that relay",
    default: false,
    form: on,
  },
  allowPlaintextRelay: {
    flag: "--allow-plaintext-relay",
    group: "Relay",
    help: "where nothing else works, reach Go nodes through one that can read what it forwards",
    default: false,
    form: on,
  },
};
