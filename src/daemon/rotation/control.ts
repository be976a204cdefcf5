import type { RotationTalk } from "../../discovery/seams.ts";
import type { RotationState } from "../../rotation/state.ts";
import type { MeshPortsShown } from "../../rpc/views/net.ts";

/** What `status` and `wgmesh rotate-secret` show. */
export interface RotationStatus {
  readonly state: RotationState;
  /** Keys of peers that have shown that they have the new secret. */
  readonly has: ReadonlySet<string>;
  /** The mesh that the node moves to, and is in beside its own; null when it moves to none. */
  readonly next: MeshPortsShown | null;
}

/** The move of a node to a new secret, as others steer it. */
export interface RotationControl extends RotationTalk {
  status(): RotationStatus;
  /** This run began after a move that the node completed before: what it knew of the mesh before counts no more. */
  readonly isMoved: boolean;
  /**
   * Takes the secret that was handed over. With `graceSeconds` also one that nobody announced. Rejects with ERR_ROTATION, ERR_SECRET_FILE,
   * ERR_CONTROL_PORT, ERR_STATE_WRITE; nothing has changed then.
   */
  take(graceSeconds: number | null): Promise<void>;
  /** Drops the old secret. Rejects with ERR_ROTATION, ERR_STATE_WRITE. */
  complete(): Promise<void>;
  /** Goes back to the old secret, and tells the others. Rejects as `complete`. */
  abort(): Promise<void>;
}
