/** Farther apart than this, two words are not one with a slip. */
const MAX_DISTANCE = 3;

/** The word most like `wanted`: the fewest letters added, left out or exchanged. Null when none is like it. Pure. */
export function nearest(wanted: string, words: Iterable<string>): string | null {
  const limit = Math.min(MAX_DISTANCE, Math.ceil(wanted.length / 2));
  let best: string | null = null;
  let bestDistance = limit + 1;
  for (const word of words) {
    const distance = levenshtein(wanted, word);
    if (distance < bestDistance) [best, bestDistance] = [word, distance];
  }
  return best;
}

/** V. I. Levenshtein 1966; one row at a time. */
function levenshtein(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [line, letter] of [...from].entries()) {
    const next = [line + 1];
    for (const [column, other] of [...to].entries()) {
      const exchanged = (row[column] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(exchanged, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
