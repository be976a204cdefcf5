/**
 * How far a start is, for whoever waits for it: `<run-dir>/<iface>.starting`, there from the first step to the last. It informs and
 * decides nothing, so a write that fails is nobody's trouble.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";

export interface Progress {
  readonly pid: number;
  /** The last step that was done (daemon/lifecycle.ts). */
  readonly step: string;
}

/** Written by the daemon that starts. */
export class ProgressFile {
  readonly #path: string;
  readonly #pid: number;
  #written = false;

  constructor(path: string, pid: number) {
    this.#path = path;
    this.#pid = pid;
  }

  step(name: string): void {
    this.#written = true;
    ignoringErrors(() => writeFileSync(this.#path, `${JSON.stringify({ pid: this.#pid, step: name })}\n`));
  }

  /** Leaves that of another daemon alone: a start that did not get the lock has done no step. */
  remove(): void {
    if (this.#written) ignoringErrors(() => rmSync(this.#path, { force: true }));
  }
}

/** Null when nothing starts, or the file is being written. */
export function readProgress(path: string): Progress | null {
  try {
    const { pid, step } = JSON.parse(readFileSync(path, "utf8")) as Partial<Progress>;
    return typeof pid === "number" && typeof step === "string" ? { pid, step } : null;
  } catch {
    return null;
  }
}

function ignoringErrors(action: () => void): void {
  try {
    action();
  } catch {
    // See above.
  }
}
