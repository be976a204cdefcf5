/**
 * The configuration of the node.
 */
import type { ShownSetting } from "../../config/shown.ts";

export interface ConfigurationView {
  /** The file that was read, or null. */
  readonly file: string | null;
  readonly keptFile: string;
  /** What counts now, with where it comes from. */
  readonly settings: readonly ShownSetting[];
}

export interface ConfigChange {
  /** `key=value`, of what counts now. */
  readonly changed: readonly string[];
  /** Keys whose new values count after a restart. */
  readonly restart: readonly string[];
  /** Keys of what was taken back, whether that changed a value or not. */
  readonly removed: readonly string[];
  readonly warnings: readonly string[];
}

export interface ConfigView {
  configuration(): ConfigurationView;
  /** Text as a variable has it, or values as the file has them. All or nothing; throws ERR_CONFIG and errors of single values. */
  setConfig(changes: Readonly<Record<string, unknown>>, keep: boolean): Promise<ConfigChange>;
  /** Takes back what was set or kept. */
  unsetConfig(keys: readonly string[]): Promise<ConfigChange>;
}
