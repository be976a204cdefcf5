/** The grid: what becomes of two nodes at two places, and what must at least. */

import type { KindName } from "../kinds.ts";
import { expectedPunch, punchKinds } from "../punchTable.ts";

/** Worst first. */
export const outcomes = ["impossible", "relayed", "direct"] as const;
export type Outcome = (typeof outcomes)[number];
export const isWorse = (a: Outcome, b: Outcome): boolean => outcomes.indexOf(a) < outcomes.indexOf(b);

/** Alone: nothing but DHT and STUN servers; else one more node of the mesh, which is public. */
export const companies = ["alone", "introducer"] as const;
export type Company = (typeof companies)[number];

export interface Cell {
  readonly one: KindName;
  readonly other: KindName;
  readonly company: Company;
}

export const cellName = ({ one, other, company }: Cell): string => `${one}×${other} ${company}`;

/**
 * What plain hole punching opens must be direct; what it does not must go through the public node when there is one. Alone, nobody tells
 * the side of kind I to send first. With a public node kind I may have given its port away, and finding the new one needs luck.
 */
export function leastOutcome({ one, other, company }: Cell): Outcome {
  const punch = expectedPunch(one, other);
  if (punch === "direct") return "direct";
  return company === "alone" ? "impossible" : "relayed";
}

/** With a public node all become direct but two whose routers both change ports; where one port has to be guessed, not always at once. */
export function hopedOutcome(cell: Cell): Outcome {
  const changing: readonly KindName[] = ["I", "R"];
  const isHopeless = changing.includes(cell.one) && changing.includes(cell.other);
  return cell.company === "alone" || isHopeless ? leastOutcome(cell) : "direct";
}

/** Each kind with each. */
export const allCells: readonly Cell[] = companies.flatMap((company) =>
  punchKinds.flatMap((one, index) => punchKinds.slice(index).map((other) => ({ one, other, company }))),
);

/** Those that tell most, for every run. */
export const tellingCells: readonly Cell[] = [
  { one: "PR", other: "PR", company: "alone" },
  { one: "M", other: "M", company: "alone" },
  { one: "O", other: "R", company: "alone" },
  { one: "PR", other: "PR", company: "introducer" },
  { one: "R", other: "R", company: "introducer" },
  { one: "R", other: "PR", company: "introducer" },
];

/** The grid as Markdown; `seen` tells what became of a cell. */
export function gridText(company: Company, seen: (cell: Cell) => Outcome): string {
  const rows = punchKinds.map((one, index) => {
    const cells = punchKinds.map((other, column) => (column < index ? "" : seen({ one, other, company })));
    return `| ${one} | ${cells.join(" | ")} |`;
  });
  const line = `|-|${punchKinds.map(() => "-").join("|")}|`;
  return [`| | ${punchKinds.join(" | ")} |`, line, ...rows].join("\n");
}

/** Reads back what `gridText` wrote. */
export function readGrid(company: Company, text: string): Map<string, Outcome> {
  const rows = text.split("\n").flatMap((line) => {
    const [, one, ...cells] = line.split("|").map((part) => part.trim());
    return punchKinds
      .filter((kind) => kind === one)
      .flatMap((kind) =>
        punchKinds.map((other, column) => [{ one: kind, other, company }, cells[column]] as const),
      );
  });
  return new Map(
    rows.flatMap(([cell, text]) =>
      outcomes.filter((outcome) => outcome === text).map((outcome) => [cellName(cell), outcome] as const),
    ),
  );
}
