const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Text of others must not steer the terminal it is shown on: control and formatting characters (escape sequences, line breaks,
 * right-to-left marks) become their code, `\u001b`.
 */
export function printable(text: string): string {
  return text.replace(STEERING, (character) => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  });
}

/**
 * The same for JSON, which stays the same JSON: JSON.stringify escapes no more than it must. Line breaks between its tokens stay.
 */
export function printableJson(json: string): string {
  return json.replace(STEERING, (character) => {
    if (character === "\n") return character;
    // A character beyond the first 65,536 is a pair of units.
    const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
  });
}
