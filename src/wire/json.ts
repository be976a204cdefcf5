/**
 * A strict JSON reader (RFC 8259) for hostile text.
 *
 * JSON.parse would lose what the protocol decides on: duplicate members (the last one wins, and each must have the
 * right type) and the source text of numbers (`1767225600.0` is not an integer there). It also nests without limit.
 */

/** A number as it was written. */
export class JsonNumber {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

/** The members of an object in their order, duplicates included: `names[i]` belongs to `values[i]`. */
export class JsonObject {
  readonly names: string[] = [];
  readonly values: JsonValue[] = [];
}

export type JsonValue = null | boolean | string | JsonNumber | JsonValue[] | JsonObject;

/** Arrays and objects inside each other; the deepest message of the protocol has 3. */
export const MAX_JSON_DEPTH = 64;

/**
 * The value `text` stands for, or undefined when it is not exactly one JSON value, nests deeper than
 * MAX_JSON_DEPTH or has more than `maxLength` UTF-16 units. Never throws.
 */
export function readJson(text: string, maxLength: number): JsonValue | undefined {
  return text.length > maxLength ? undefined : new Reader(text).document();
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const HEX4 = /^[0-9a-fA-F]{4}$/;
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const ARRAY_OPEN = 0x5b;
const BACKSLASH = 0x5c;
const ARRAY_CLOSE = 0x5d;
const OBJECT_OPEN = 0x7b;
const OBJECT_CLOSE = 0x7d;

/** Recursive descent; undefined stands for "not JSON" all the way up, since garbage is too common for exceptions. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonValue | undefined {
    const value = this.#value(0);
    this.#skipSpace();
    return this.#at === this.#text.length ? value : undefined;
  }

  #value(depth: number): JsonValue | undefined {
    this.#skipSpace();
    switch (this.#text.charCodeAt(this.#at)) {
      case QUOTE:
        return this.#string();
      case OBJECT_OPEN:
        return depth < MAX_JSON_DEPTH ? this.#object(depth + 1) : undefined;
      case ARRAY_OPEN:
        return depth < MAX_JSON_DEPTH ? this.#array(depth + 1) : undefined;
      case 0x74: // t
        return this.#word("true", true);
      case 0x66: // f
        return this.#word("false", false);
      case 0x6e: // n
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): JsonObject | undefined {
    const object = new JsonObject();
    this.#at++;
    if (this.#take(OBJECT_CLOSE)) return object;
    for (;;) {
      this.#skipSpace();
      if (this.#text.charCodeAt(this.#at) !== QUOTE) return undefined;
      const name = this.#string();
      if (name === undefined || !this.#take(COLON)) return undefined;
      const value = this.#value(depth);
      if (value === undefined) return undefined;
      object.names.push(name);
      object.values.push(value);
      if (this.#take(OBJECT_CLOSE)) return object;
      if (!this.#take(COMMA)) return undefined;
    }
  }

  #array(depth: number): JsonValue[] | undefined {
    const items: JsonValue[] = [];
    this.#at++;
    if (this.#take(ARRAY_CLOSE)) return items;
    for (;;) {
      const item = this.#value(depth);
      if (item === undefined) return undefined;
      items.push(item);
      if (this.#take(ARRAY_CLOSE)) return items;
      if (!this.#take(COMMA)) return undefined;
    }
  }

  /** The string that starts at the quote here. Without escapes, which is the rule, it is one slice. */
  #string(): string | undefined {
    const text = this.#text;
    let decoded = "";
    let from = this.#at + 1;
    for (let at = from; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit === QUOTE) {
        this.#at = at + 1;
        return decoded + text.slice(from, at);
      }
      if (unit < 0x20) return undefined;
      if (unit !== BACKSLASH) continue;
      decoded += text.slice(from, at);
      const sign = text[at + 1] ?? "";
      if (sign === "u") {
        const hex = text.slice(at + 2, at + 6);
        if (!HEX4.test(hex)) return undefined;
        decoded += String.fromCharCode(Number.parseInt(hex, 16));
        at += 5;
      } else {
        const plain = SIMPLE_ESCAPES[sign];
        if (plain === undefined) return undefined;
        decoded += plain;
        at += 1;
      }
      from = at + 1;
    }
    return undefined;
  }

  #number(): JsonNumber | undefined {
    NUMBER.lastIndex = this.#at;
    const source = NUMBER.exec(this.#text)?.[0];
    if (source === undefined) return undefined;
    this.#at += source.length;
    return new JsonNumber(source);
  }

  #word<T extends boolean | null>(word: string, value: T): T | undefined {
    if (!this.#text.startsWith(word, this.#at)) return undefined;
    this.#at += word.length;
    return value;
  }

  /** Skips white space, then `unit` if it comes next. */
  #take(unit: number): boolean {
    this.#skipSpace();
    if (this.#text.charCodeAt(this.#at) !== unit) return false;
    this.#at++;
    return true;
  }

  #skipSpace(): void {
    for (;;) {
      const unit = this.#text.charCodeAt(this.#at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
      this.#at++;
    }
  }
}
