/** What `status` says of a move to a new secret while something is to be done. Pure. */
import type { RotationState } from "../../rotation/state.ts";

/**
 * @param nextPath where the node keeps the new secret
 * @param clients how many it has: devices that know the networks of the old secret by their configurations alone
 */
export function standingText(
  { phase, offers, held }: Pick<RotationState, "phase" | "offers" | "held">,
  nextPath: string,
  clients: number,
): string | null {
  const devices = clients === 1 ? "a client" : `${clients} clients`;
  if (phase === "completed") {
    const own = `the mesh has moved to a new secret, and this node is started with the old one: put the new one where it gets its secret; until then it reads ${nextPath}`;
    return clients === 0 ? own : `${own}. It has ${devices} to be given a new configuration: ${SHOW}`;
  }
  if (phase === "accepted" && held !== null) {
    const own = `the mesh moves to a new secret until ${new Date(held.endsAtMs).toISOString()}: see 'wgmesh rotate-secret --status'`;
    return clients === 0 ? own : `${own}. Give ${devices} of this node a new configuration by then: ${SHOW}`;
  }
  return offers.length > 0 ? ANNOUNCED : null;
}

export const ANNOUNCED =
  "a new secret is announced: give it to this node with 'wgmesh rotate-secret --accept'";
const SHOW = "'wgmesh client show NAME' (the mesh gets other networks)";
