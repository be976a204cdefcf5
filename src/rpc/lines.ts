/**
 * Lines out of a byte stream, with the limits that keep a bad client harmless.
 */
import type { Readable } from "node:stream";
import type { Clock } from "../core/clock.ts";
import { MAX_LINE_BYTES } from "./protocol.ts";

const LF = 0x0a;

/** Why a stream ended before its end. */
export class LineLimitError extends Error {}

export interface LineLimits {
  readonly clock: Clock;
  /** From the first byte of a line to its LF. */
  readonly lineTimeMs: number;
  /** Without any byte, between lines; asked each time, null for no limit. */
  readonly idleTimeMs: () => number | null;
}

/**
 * Yields each line without its LF; a last line without LF counts too. While the consumer is busy nothing is read, so a client
 * that sends faster than it is served is held back by the kernel. Throws {@link LineLimitError}, the source destroyed, when a line is too long or too slow.
 */
export async function* readLines(source: Readable, limits: LineLimits): AsyncGenerator<string> {
  let pending: Buffer = Buffer.alloc(0);
  let violated: string | null = null;
  let disarm = (): void => {};
  const arm = (): void => {
    disarm();
    const [limitMs, what] =
      pending.length === 0
        ? ([limits.idleTimeMs(), "idle for too long"] as const)
        : ([limits.lineTimeMs, "a line took too long"] as const);
    if (limitMs === null) return;
    disarm = limits.clock.after(limitMs, () => {
      violated = what;
      source.destroy();
    });
  };
  try {
    arm();
    // The default iterator destroys a socket at the end of what it reads, before the last answer is out.
    for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const wasEmpty = pending.length === 0;
      pending = wasEmpty ? chunk : Buffer.concat([pending, chunk]);
      let end = pending.indexOf(LF);
      const complete = end >= 0;
      while (end >= 0) {
        if (end >= MAX_LINE_BYTES) throw new LineLimitError("a line is too long");
        const line = pending.toString("utf8", 0, end);
        pending = pending.subarray(end + 1);
        disarm();
        yield line;
        end = pending.indexOf(LF);
      }
      if (pending.length >= MAX_LINE_BYTES) throw new LineLimitError("a line is too long");
      // The clock of an unfinished line starts with its first byte and is not restarted by the next ones.
      if (wasEmpty || complete) arm();
    }
    disarm();
    if (violated !== null) throw new LineLimitError(violated);
    if (pending.length > 0) yield pending.toString("utf8");
  } catch (error) {
    source.destroy();
    throw violated === null ? error : new LineLimitError(violated, { cause: error });
  } finally {
    disarm();
  }
}
