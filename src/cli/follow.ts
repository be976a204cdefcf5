import { jsonLine } from "./render.ts";
import type { Terminal } from "./terminal.ts";

interface Lagged {
  readonly lagged: number;
}

/**
 * Prints what comes, one line each, until the daemon or the user ends it. JSON is one object a line then, so that a program can
 * read it as it comes. While standard output takes no more nothing is taken from the daemon either: what a slow reader loses is
 * counted there, and nothing piles up here.
 *
 * @param sources one after another: what was there before, and what comes.
 */
export async function printFollowed<T>(
  sources: readonly (Iterable<unknown> | AsyncIterable<unknown>)[],
  json: boolean,
  terminal: Terminal,
  text: (item: T) => string,
): Promise<void> {
  for (const items of sources) {
    for await (const item of items) {
      if (json) terminal.out(jsonLine(item));
      else if (isLagged(item))
        terminal.err(`wgmesh: ${item.lagged} lines were lost: this end reads too slowly\n`);
      else terminal.out(text(item as T));
      await terminal.drained();
    }
  }
}

function isLagged(item: unknown): item is Lagged {
  return typeof item === "object" && item !== null && "lagged" in item && typeof item.lagged === "number";
}
