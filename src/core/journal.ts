/**
 * systemd's journal, which takes a priority before each line of standard error (sd-daemon(3)).
 */
import { fstatSync } from "node:fs";

/**
 * Whether standard error is the stream that the service manager connected to the journal (systemd.exec(5)), by device and inode.
 *
 * @param stream `$JOURNAL_STREAM`.
 */
export function isJournal(stream: string | undefined): boolean {
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(2);
  return stream === `${dev}:${ino}`;
}

/** Each line as an error (LOG_ERR). */
export function asErrors(text: string): string {
  return text.replace(/^(?=.)/gm, "<3>");
}
