import type { Bridge } from "@wgmesh/native";
import { type Endpoint, parseEndpoint } from "../core/types.ts";

/** Where WireGuard sends to what is behind the bridge. Closes the bridge and throws TypeError when the addon gave none. */
export function bridgeEndpoint(bridge: Bridge): Endpoint {
  const endpoint = parseEndpoint(bridge.endpoint);
  if (endpoint !== null) return endpoint;
  bridge.close();
  throw new TypeError("the addon gave an endpoint that is none");
}
