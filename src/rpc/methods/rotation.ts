/**
 * The move of the mesh to a new secret. The secret itself is in a file of the state folder, never in a request.
 */
import { WgmeshError } from "../../core/errors.ts";
import type { RotationShown } from "../views/rotation.ts";
import type { MethodRows } from "./method.ts";

export interface RotationResult {
  readonly phase: RotationShown["phase"];
  /** The first 16 hex digits of SHA-256 of the new secret, or null. */
  readonly commitment: string | null;
  /** RFC 3339. */
  readonly started_at: string | null;
  readonly ends_at: string | null;
  readonly offers: readonly { readonly commitment: string; readonly ends_at: string }[];
  readonly peers: readonly {
    readonly pubkey: string;
    readonly hostname: string;
    /** It has shown that it has the new secret. */
    readonly has: boolean;
    readonly connected: boolean;
  }[];
}

export const rotationMethods = {
  "rotation.get": {
    role: "readonly",
    call: ({ view }): RotationResult => result(view.rotation()),
  },

  "rotation.accept": {
    role: "admin",
    changing: true,
    call: async ({ view }, { grace_seconds: grace }): Promise<RotationResult> => {
      await view.takeSecret(grace === undefined ? null : seconds(grace));
      return result(view.rotation());
    },
  },

  "rotation.complete": {
    role: "admin",
    changing: true,
    call: async ({ view }): Promise<RotationResult> => {
      await view.completeRotation();
      return result(view.rotation());
    },
  },

  "rotation.abort": {
    role: "admin",
    changing: true,
    call: async ({ view }): Promise<RotationResult> => {
      await view.abortRotation();
      return result(view.rotation());
    },
  },
} as const satisfies MethodRows;

function seconds(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new WgmeshError("ERR_RPC_PARAMS", "missing or invalid 'grace_seconds' parameter");
}

const time = (ms: number): string => new Date(ms).toISOString();

function result({ phase, commitment, startedAtMs, endsAtMs, offers, peers }: RotationShown): RotationResult {
  return {
    phase,
    commitment,
    started_at: startedAtMs === null ? null : time(startedAtMs),
    ends_at: endsAtMs === null ? null : time(endsAtMs),
    offers: offers.map((offer) => ({ commitment: offer.commitment, ends_at: time(offer.endsAtMs) })),
    peers: peers.map(({ publicKey, hostname, has, connected }) => ({
      ...{ pubkey: publicKey, hostname, has, connected },
    })),
  };
}
