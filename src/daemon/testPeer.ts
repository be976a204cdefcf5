/**
 * `wgmesh test-peer`: put together here, since it needs sockets, the secret and the wire format, but no node.
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { systemClock } from "../core/clock.ts";
import { messageOf, WgmeshError } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";
import { type Cidr, type Endpoint, endpointText, parseIp, parsePublicKey } from "../core/types.ts";
import { bindNodeUdp } from "../discovery/nodeUdp.ts";
import { tryPeer } from "../discovery/tryPeer.ts";
import { type MeshSecret, meshAddresses } from "../identity/derivation.ts";
import { messageProver, passingIdentity } from "../identity/nodeIdentity.ts";

/** What answered, as `--json` prints it. */
export interface TestPeerResult {
  /** Where the HELLO went: an address and a port. */
  readonly address: string;
  readonly answered: boolean;
  readonly after_ms: number | null;
  readonly pubkey: string | null;
  readonly hostname: string | null;
  readonly mesh_ip: string | null;
  readonly mesh_ipv6: string | null;
  /** Whether that mesh address follows from the key. */
  readonly mesh_ip_derived: boolean | null;
  /** Its WireGuard, by its own word. */
  readonly endpoint: string | null;
  /** Where our HELLO came from, as it saw it. */
  readonly observed: string | null;
  readonly nat_type: string | null;
  /** `ok`: it proved that it holds its key; `none`: it does not prove itself, as Go nodes; `wrong`: it is not who it says. */
  readonly proof: "ok" | "none" | "wrong" | null;
  /** Peers it mentioned in that one answer. */
  readonly mentions: number | null;
  /** Datagrams from there that are no answer of this mesh: another secret, or another program. */
  readonly strangers: number;
  readonly error: string | null;
}

/** Asks one address; `port` null stands for the mesh's own. Rejects with ERR_ENDPOINT when the name cannot be resolved. */
export async function testPeer(
  target: { readonly host: string; readonly port: number | null },
  secret: MeshSecret,
  meshSubnet: Cidr | null,
): Promise<TestPeerResult> {
  const { gossipPort } = secret.parameters();
  const to = await resolve(target.host, target.port ?? gossipPort);
  const identity = passingIdentity();
  const publicKey = parsePublicKey(identity.publicKey);
  const addresses = meshAddresses(secret, meshSubnet);
  const meshIp = publicKey && parseIp(addresses.meshIpv4(publicKey, 0));
  if (publicKey === null || meshIp === null) throw new TypeError("the addon made a key that is none");
  const { answer, sendError, strangers } = await tryPeer({
    clock: systemClock,
    random: systemRandom,
    sealer: secret,
    bind: bindNodeUdp,
    publicKey,
    meshIp,
    prover: messageProver(identity),
    to,
  });
  const peer = answer?.announcement;
  const derived = (nonce: number): boolean =>
    peer?.meshIp === addresses.meshIpv4(peer?.publicKey ?? publicKey, nonce);
  return {
    address: endpointText(to),
    answered: answer !== null,
    after_ms: answer === null ? null : Math.round(answer.afterMs * 10) / 10,
    pubkey: peer?.publicKey ?? null,
    hostname: peer?.hostname ?? null,
    mesh_ip: peer?.meshIp ?? null,
    mesh_ipv6: peer?.meshIpv6 ?? null,
    mesh_ip_derived: peer === undefined ? null : derived(0) || derived(1),
    endpoint: peer?.wgEndpoint ?? null,
    observed: peer?.observedEndpoint ?? null,
    nat_type: peer?.natType ?? null,
    proof: answer?.proof ?? null,
    mentions: peer?.knownPeers.length ?? null,
    strangers,
    error: answer === null ? sendError : null,
  };
}

async function resolve(host: string, port: number): Promise<Endpoint> {
  if (isIP(host)) return { host, port };
  try {
    const { address } = await lookup(host);
    return { host: address, port };
  } catch (cause) {
    throw new WgmeshError("ERR_ENDPOINT", `${host} cannot be resolved: ${messageOf(cause)}`, { cause });
  }
}
