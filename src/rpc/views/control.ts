/**
 * What steers the daemon.
 */
export interface ControlView {
  /** Reads the reload file and applies it; throws ERR_RELOAD. Resolves to what changed, or a warning when there is no file. */
  reload(): Promise<{ readonly changed: readonly string[]; readonly warning: string | null }>;
  /** Starts the orderly shutdown and returns at once. */
  shutdown(): void;
}
