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

  /** Only for texts of ASCII, and values with memory of their own; long ones, such as a key with a thousand line ends in it, are not remembered. */
  set(text: string, value: Value): Value {
    if (text.length > SHORT) return value;
    if (this.#values.size >= MAX_TEXTS) this.#values.clear();
    // What is its own canonical text is kept once.
    this.#values.set(typeof value === "string" && value === text ? value : ownCopy(text), value);
    return value;
  }
}

const texts = new ReadTexts<string>();

/** The one copy of a text of ASCII, such as a hostname. */
export function sameText(text: string): string {
  return texts.get(text) ?? texts.set(text, ownCopy(text));
}

/** With memory of its own. */
function ownCopy(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}
