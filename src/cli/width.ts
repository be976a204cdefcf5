/**
 * How many columns of a terminal text takes. Pure.
 */

/** Scripts whose letters take two columns (Unicode TR 11, W and F), and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|\p{Script=Han}|\p{Emoji_Presentation}/u;
const MARK_ALONE = /^(?:\p{Mn}|\p{Me})$/u;

/** What a terminal draws in one place: a letter with its marks, a picture with its modifiers. */
const graphemes = new Intl.Segmenter();

/** Text of letters and digits alone, as nearly all is. */
const PLAIN = /^[\x20-\x7e]*$/;

export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += graphemeWidth(segment);
  return width;
}

/** The text, or its beginning and `…`, in at most `columns` columns (at least 1). */
export function elide(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let kept = "";
  let width = 1;
  for (const { segment } of graphemes.segment(text)) {
    width += graphemeWidth(segment);
    if (width > columns) break;
    kept += segment;
  }
  return `${kept}…`;
}

export function padEnd(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - displayWidth(text)));
}

function graphemeWidth(segment: string): number {
  if (MARK_ALONE.test(segment)) return 0;
  return WIDE.test(segment) ? 2 : 1;
}

/** The text over as many lines as it takes, broken at blanks where it can be, the further ones indented; each ends with LF. */
export function wrapped(text: string, columns: number | null, indent: string): string {
  if (columns === null) return `${text}\n`;
  const width = Math.max(columns, indent.length + 8);
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line === "" || line === indent || displayWidth(longer) <= width) {
      line = line === indent ? `${indent}${word}` : longer;
      continue;
    }
    lines.push(line);
    line = `${indent}${word}`;
  }
  return [...lines, line].map((entry) => `${entry}\n`).join("");
}
