/**
 * What steers the daemon.
 */
export interface ControlView {
  /**
   * Reads the configuration file and the reload file and applies them; throws ERR_CONFIG and ERR_RELOAD. Resolves to what changed,
   * what needs a restart, and a warning when there is no file.
   */
  reload(): Promise<{
    readonly changed: readonly string[];
    readonly warning: string | null;
    readonly restart: readonly string[];
  }>;
  /**
   * What starts the handover to a successor: the same process with the same options (row C4). Throws ERR_SYSTEM when the program is
   * not there any more; the daemon goes on then.
   */
  restart(): () => void;
  /** Starts the orderly shutdown and returns at once. */
  shutdown(): void;
}
