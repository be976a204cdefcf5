import type { SimNode } from "./world/node.ts";

/**
 * What still keeps a simulated mesh from being one, or null: every two live members that reach each other have a record of each
 * other's present run and address, a session in common, and an endpoint that leads to where the other is now.
 */
export function disagreement(
  nodes: readonly SimNode[],
  reaches: (a: SimNode, b: SimNode) => boolean,
): string | null {
  for (const node of nodes) {
    if (node.run === null) continue;
    for (const peer of nodes) {
      if (peer === node || peer.run === null || !reaches(node, peer)) continue;
      const lacks = whatLacks(node, peer);
      if (lacks !== null) return `member ${node.index} of member ${peer.index}: ${lacks}`;
    }
  }
  return null;
}

function whatLacks(node: SimNode, peer: SimNode): string | null {
  const { run } = node;
  const { run: other } = peer;
  if (run === null || other === null) return null;
  const record = run.store.get(peer.key);
  if (record === undefined) return "no record";
  if (record.instance !== other.instance) return "the record of an earlier run";
  const { meshIp, meshIpv6 } = other.self.snapshot;
  if (record.meshIp !== meshIp || record.meshIpv6 !== meshIpv6)
    return `has ${record.meshIp} in place of ${meshIp}`;
  const actual = run.device.peers.get(peer.key);
  if (actual === undefined) return "not on the interface";
  for (const ip of [`${meshIp}/32`, `${meshIpv6}/128`, ...peer.settings.networks])
    if (!actual.allowedIps.includes(ip)) return `no allowed IP ${ip}`;
  if (actual.endpoint?.host !== peer.host.ip)
    return `sends to ${actual.endpoint?.host} in place of ${peer.host.ip}`;
  const ours = run.device.session(peer.key)?.id;
  if (ours === undefined) return "no session";
  // While a session follows another, one end has it first.
  if (!other.device.knowsSession(node.key, ours)) return "the other end does not know the session";
  return null;
}

/** Records of members that are down, as `member of member`. */
export function recordsOfTheDead(nodes: readonly SimNode[]): string[] {
  const dead = nodes.filter(({ run }) => run === null);
  return nodes.flatMap((node) =>
    dead
      .filter((peer) => node.run?.store.get(peer.key) !== undefined)
      .map((peer) => `member ${node.index} of member ${peer.index}`),
  );
}
