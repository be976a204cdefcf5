import { WgmeshError } from "../../core/errors.ts";
import { isConnected } from "../../peers/connected.ts";
import type { RotationShown, RotationView } from "../../rpc/views/rotation.ts";
import type { RotationControl } from "../rotation/control.ts";
import type { ViewParts } from "./viewParts.ts";

/** As much of a hash as two people compare by eye. */
const SHOWN_DIGITS = 16;

export function rotationView({ parts, node }: ViewParts): RotationView {
  const running = (): RotationControl => {
    if (parts.rotation !== undefined) return parts.rotation;
    throw new WgmeshError("ERR_ROTATION", "this daemon cannot move to another secret");
  };
  return {
    rotation: () => {
      const { state, has } = running().status();
      const { phase, held, offers } = state;
      const nowMs = parts.clock.wallMs();
      return {
        phase: phase === "idle" && offers.length > 0 ? "announced" : phase,
        commitment: held === null ? null : shown(held.commitment),
        startedAtMs: held?.startedAtMs ?? null,
        endsAtMs: held?.endsAtMs ?? null,
        offers: offers.map(({ commitment, endsAtMs }) => ({ commitment: shown(commitment), endsAtMs })),
        peers: node.store
          .list()
          .map(({ publicKey, hostname, lastHandshakeMs }): RotationShown["peers"][number] => ({
            ...{ publicKey, hostname },
            // Whoever is left after the move has it.
            has: phase === "completed" || has.has(publicKey),
            connected: isConnected(lastHandshakeMs, nowMs),
          })),
      };
    },
    takeSecret: (graceSeconds) => running().take(graceSeconds),
    completeRotation: () => running().complete(),
    abortRotation: () => running().abort(),
  };
}

const shown = (commitment: string): string =>
  Buffer.from(commitment, "base64").toString("hex").slice(0, SHOWN_DIGITS);
