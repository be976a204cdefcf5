/**
 * The move of the mesh to a new secret (row E7). Secrets never come this way: they are handed over in a file.
 */
export interface RotationShown {
  readonly phase: "idle" | "announced" | "accepted" | "completed";
  /** The beginning of the new secret's hash in hex, to compare by eye; null unless this node has it. */
  readonly commitment: string | null;
  readonly startedAtMs: number | null;
  readonly endsAtMs: number | null;
  /** New secrets that others announce and this node does not have. */
  readonly offers: readonly { readonly commitment: string; readonly endsAtMs: number }[];
  /** The peers of the mesh, and whether each has shown that it has the new secret. */
  readonly peers: readonly {
    readonly publicKey: string;
    readonly hostname: string;
    readonly has: boolean;
    readonly connected: boolean;
  }[];
}

export interface RotationView {
  rotation(): RotationShown;
  /**
   * Takes the secret that was handed over in the state folder. `graceSeconds` is how long the old one counts too, for one that nobody
   * announced; null takes an announced one only. Rejects with ERR_ROTATION, ERR_CONTROL_PORT, ERR_SECRET_FILE, ERR_STATE_WRITE.
   */
  takeSecret(graceSeconds: number | null): Promise<void>;
  /** Drops the old secret. Rejects with ERR_ROTATION, ERR_STATE_WRITE. */
  completeRotation(): Promise<void>;
  /** Goes back to the old secret. Rejects with ERR_ROTATION, ERR_STATE_WRITE. */
  abortRotation(): Promise<void>;
}
