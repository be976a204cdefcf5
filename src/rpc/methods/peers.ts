/**
 * The peers this node knows.
 */
import { WgmeshError } from "../../core/errors.ts";
import { parsePublicKey } from "../../core/types.ts";
import {
  type CountResult,
  countResult,
  departedResult,
  type PeerPingResult,
  type PeerResult,
  type PeersResult,
  peerPingResult,
  peerResult,
} from "../results.ts";
import type { MethodRows } from "./method.ts";

export const peersMethods = {
  "peers.list": {
    role: "readonly",
    call: ({ view }, { all = false }): PeersResult => {
      if (typeof all !== "boolean") throw new WgmeshError("ERR_RPC_PARAMS", "invalid 'all' parameter");
      const peers = view.peers();
      if (all) return { peers: peers.map(peerResult), departed: view.departed().map(departedResult) };
      return { peers: peers.filter((peer) => view.isActive(peer)).map(peerResult) };
    },
  },

  "peers.get": {
    role: "readonly",
    call: ({ view }, { pubkey }): PeerResult => {
      if (typeof pubkey !== "string") {
        throw new WgmeshError("ERR_RPC_PARAMS", "missing or invalid 'pubkey' parameter");
      }
      const key = parsePublicKey(pubkey);
      const peer = view.peers().find(({ publicKey }) => publicKey === key);
      if (peer === undefined) throw new WgmeshError("ERR_PEER_UNKNOWN", `peer not found: ${pubkey}`);
      return peerResult(peer);
    },
  },

  "peers.count": {
    role: "readonly",
    call: ({ view }): CountResult => countResult(view),
  },

  "peers.ping": {
    role: "readonly",
    call: async ({ view }, { pubkey }): Promise<PeerPingResult> => {
      const key = typeof pubkey === "string" ? parsePublicKey(pubkey) : null;
      if (key === null) throw new WgmeshError("ERR_RPC_PARAMS", "missing or invalid 'pubkey' parameter");
      return peerPingResult(await view.ping(key));
    },
  },
} as const satisfies MethodRows;
