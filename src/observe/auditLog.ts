/**
 * The audit on the disk (core/audit.ts).
 */
import type { Audit, AuditEntry } from "../core/audit.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { redact } from "../core/redact.ts";
import type { Troubles } from "../core/troubles.ts";
import { RotatingFile } from "./rotatingFile.ts";

/** Some 20,000 entries a file; six of them are years of an ordinary node. */
const MAX_BYTES = 4 * 1024 * 1024;
const KEEP = 5;

const TROUBLE = "audit";

export interface AuditLogOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly troubles: Troubles;
}

export class AuditLog implements Audit {
  readonly #options: AuditLogOptions;
  #file: RotatingFile | null = null;

  /** Nothing is opened before the first entry: only the holder of the node's locks may write. */
  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  note(entry: Omit<AuditEntry, "time">): void {
    const time = new Date(this.#options.clock.wallMs()).toISOString();
    this.#open()?.write(redact(`${JSON.stringify({ time, ...entry })}\n`));
  }

  /** Writes what waited for room on the disk, if there is some now. Never throws. */
  retry(): void {
    this.#file?.retry();
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  /** Tried again with each entry: the log has them all the same. */
  #open(): RotatingFile | null {
    const { path, troubles } = this.#options;
    if (this.#file !== null) return this.#file;
    const onTrouble = (reason: string | null): void => {
      if (reason === null) troubles.clear(TROUBLE);
      else troubles.raise(TROUBLE, `changes are not noted: ${reason}`);
    };
    try {
      this.#file = new RotatingFile({ path, maxBytes: MAX_BYTES, keep: KEEP, onTrouble });
      troubles.clear(TROUBLE);
    } catch (error) {
      onTrouble(messageOf(error));
    }
    return this.#file;
  }
}
