import type { Terminal } from "./terminal.ts";

interface Lagged {
  readonly lagged: number;
}

/**
 * Prints what comes, one line each, until the daemon or the user ends it. JSON is one object a line then, so that a program can
 * read it as it comes.
 */
export async function printFollowed<T>(
  items: AsyncIterable<unknown>,
  json: boolean,
  terminal: Terminal,
  text: (item: T) => string,
): Promise<void> {
  for await (const item of items) {
    if (json) terminal.out(`${JSON.stringify(item)}\n`);
    else if (isLagged(item))
      terminal.err(`wgmesh: ${item.lagged} lines were lost: this end reads too slowly\n`);
    else terminal.out(text(item as T));
  }
}

function isLagged(item: unknown): item is Lagged {
  return typeof item === "object" && item !== null && "lagged" in item;
}
