/**
 * Texts that come again and again: each message names the same keys, addresses and hosts. V8 cuts a text out of a message by
 * pointing into it, so that the name of a peer would keep its whole last message in memory.
 */

/** Two of each of a few thousand peers. */
const MAX_TEXTS = 16_384;
/** Longer ones are not remembered: no flood is to fill the memory. */
const SHORT = 64;

/** What short texts were read as. Starts anew when it is full: a flood of invented texts costs time and no memory. */
export class ReadTexts<Value> {
  readonly #values = new Map<string, Value>();

  get(text: string): Value | undefined {
    return this.#values.get(text);
  }

  /** Only for texts of ASCII; long ones, such as a key with a thousand line ends in it, are not remembered. */
  set(text: string, value: Value): Value {
    if (text.length > SHORT) return value;
    if (this.#values.size >= MAX_TEXTS) this.#values.clear();
    this.#values.set(ownCopy(text), value);
    return value;
  }
}

const known = new Map<string, string>();

/** The one copy of a text of ASCII, such as a hostname. */
export function sameText(text: string): string {
  const before = known.get(text);
  if (before !== undefined) return before;
  if (text.length > SHORT) return ownCopy(text);
  if (known.size >= MAX_TEXTS) known.clear();
  const copy = ownCopy(text);
  known.set(copy, copy);
  return copy;
}

/** With memory of its own. */
function ownCopy(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}
