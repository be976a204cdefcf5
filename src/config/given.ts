/**
 * Values as they are given: words of a command line, text of a variable, typed values of a file or of JSON.
 */
import { isAbsolute } from "node:path";
import { WgmeshError } from "../core/errors.ts";
import type { OptionForm } from "./optionRow.ts";
import type { SchemaRow } from "./schema.ts";
import type { ValueShape } from "./shape.ts";

const TRUE_WORDS = ["true", "1", "yes", "on"];
const FALSE_WORDS = ["false", "0", "no", "off"];

/** The text of a variable, or of `config set`: lists have commas between, switches are true or false. Throws ERR_USAGE. */
export function parseText(form: OptionForm<unknown>, text: string, source: string): unknown {
  if (form.kind === "switch") return switchValue(text.trim().toLowerCase(), source);
  if (form.kind !== "list") return form.parse(text, source);
  const parts = text.split(",").map((part) => part.trim());
  return parts.filter((part) => part !== "").flatMap((part) => form.parse(part, source));
}

/** The option said positively: `true` for what is on. */
function switchValue(word: string, source: string): boolean {
  if (TRUE_WORDS.includes(word)) return true;
  if (FALSE_WORDS.includes(word)) return false;
  throw new WgmeshError("ERR_USAGE", `${source}: ${JSON.stringify(word)} is neither true nor false`, {
    hint: "write true or false",
  });
}

/** A typed value, of a file or of JSON; integers are bigint, so that 1.0 is none. Throws a WgmeshError whose hint says what was expected. */
export function parseTyped(
  { row, shape }: Pick<SchemaRow, "row" | "shape">,
  given: unknown,
  source: string,
): unknown {
  if (!hasShape(shape, given)) {
    throw new WgmeshError("ERR_USAGE", `${source}: ${typeText(given)} was found`, {
      hint: `write ${shapeText(shape)}`,
    });
  }
  if (row.form.kind === "switch") return given;
  if (!Array.isArray(given)) return row.form.parse(String(given), source);
  const { form } = row;
  if (form.kind === "list") return given.flatMap((entry: string) => form.parse(entry, source));
  return form.parse(given.join(","), source);
}

function hasShape(shape: ValueShape, given: unknown): boolean {
  switch (shape.kind) {
    case "boolean":
      return typeof given === "boolean";
    case "integer":
      return typeof given === "bigint";
    case "size":
      return typeof given === "bigint" || typeof given === "string";
    case "text":
      // Against which folder a relative one would count differs from start to start.
      return typeof given === "string" && (!shape.path || isAbsolute(given));
    case "list":
      return Array.isArray(given)
        ? given.every((entry) => typeof entry === "string")
        : typeof given === "string" && (shape.words ?? []).includes(given);
  }
}

/** What is expected, in words. */
export function shapeText(shape: ValueShape): string {
  switch (shape.kind) {
    case "boolean":
      return "true or false";
    case "integer":
      return `an integer from ${shape.minimum} to ${shape.maximum}`;
    case "size":
      return 'an integer of bytes, or a text such as "256M"';
    case "text":
      if (shape.path) return "an absolute path in quotes";
      return shape.words === undefined ? "a text in quotes" : `one of ${quotedList(shape.words)}`;
    case "list": {
      const words = shape.words === undefined ? "" : `${quotedList(shape.words)}, or `;
      return `${words}a list of texts`;
    }
  }
}

const quotedList = (words: readonly string[]): string => words.map((word) => JSON.stringify(word)).join(", ");

function typeText(given: unknown): string {
  if (typeof given === "boolean") return `the boolean ${given}`;
  if (typeof given === "bigint") return `the integer ${given}`;
  if (typeof given === "number") return `the number ${given}`;
  if (typeof given === "string") return `the text ${JSON.stringify(given)}`;
  if (Array.isArray(given)) return "a list";
  return given instanceof Date ? "a date" : "a table";
}
