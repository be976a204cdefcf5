/** What ping(8) printed, judged by sequence numbers: its own count takes an answer that was on its way at the end for lost. */

export interface PingCount {
  readonly sent: number;
  /** Sequence numbers, from 1, that were never answered. */
  readonly lost: readonly number[];
}

function answeredIn(output: string): Set<number> {
  return new Set([...output.matchAll(/bytes from .* icmp_seq=(\d+)/g)].map((match) => Number(match[1])));
}

/**
 * Reads the output of an interrupted ping. Of its last packets, `onItsWay` of them, those do not count after which nothing was
 * answered any more: their answers may have been on the way.
 */
export function countPings(output: string, onItsWay = 1): PingCount {
  const transmitted = /(\d+) packets transmitted/.exec(output)?.[1];
  if (transmitted === undefined) throw new Error(`not the output of ping: ${output.slice(-500)}`);
  const answered = answeredIn(output);
  let sent = Number(transmitted);
  for (let late = 0; late < onItsWay && sent > 0 && !answered.has(sent); late += 1) sent -= 1;
  const sequence = Array.from({ length: sent }, (_, index) => index + 1);
  return { sent, lost: sequence.filter((number) => !answered.has(number)) };
}

/**
 * How many were answered from the first on, none left out. A ping with a count and a deadline (`-c`, `-w`) goes on until so
 * many answers came, so this is below its count when one was lost.
 */
export function answeredInARow(output: string): number {
  const answered = answeredIn(output);
  let last = 0;
  while (answered.has(last + 1)) last += 1;
  return last;
}
