import { seededRandom } from "../../__test__/unit/support/seededRandom.ts";
import { systemClock } from "../../src/core/clock.ts";
import { firstSpy, type Outcome, type Way } from "./firstSpy.ts";

const NODES = 200;
const ANNOUNCEMENTS = 1_000;
const SHARES = [0.05, 0.1, 0.2, 0.3];
const WAYS: readonly Way[] = ["plain gossip", "fluff alone", "stem and fluff"];

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

function cells(outcome: Outcome): string[] {
  const { success, certain, messages, seconds } = outcome;
  return [percent(success), percent(certain), messages.toFixed(1), `${seconds.toFixed(1)} s`];
}

const startMs = systemClock.monotonicMs();
const headings = ["spies", "way", "maker named", "for certain", "messages a node", "until all have it"];
console.log(row(headings));
console.log(row(headings.map(() => "---")));
for (const spies of SHARES) {
  for (const way of WAYS) {
    const outcome = firstSpy(
      way,
      { nodes: NODES, spies, announcements: ANNOUNCEMENTS },
      seededRandom(`${way} ${spies}`),
    );
    console.log(row([percent(spies), way, ...cells(outcome)]));
  }
}
console.error(
  `${NODES} nodes, ${ANNOUNCEMENTS} announcements a row, ${Math.round((systemClock.monotonicMs() - startMs) / 1000)} s`,
);
