/**
 * Text of others must not steer the terminal it is shown on: control and formatting characters (escape sequences, line breaks,
 * right-to-left marks) become their code, `\u001b`.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  });
}
