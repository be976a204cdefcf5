/**
 * Each kind of place against each, alone and with one public introducer: direct, relayed or impossible. `npm run test:nat`
 * runs the whole grid and holds it against docs/nat.md, or writes that (WGMESH_GRID_WRITE=1); else only the telling cells run.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import {
  allCells,
  type Cell,
  cellName,
  companies,
  gridText,
  isWorse,
  leastOutcome,
  type Outcome,
  readGrid,
  tellingCells,
} from "./grid/cells.ts";
import { GridPlaces } from "./grid/places.ts";
import { type CellResult, runCell } from "./grid/runCell.ts";
import { useInternet } from "./useInternet.ts";

const whole = process.env.WGMESH_GRID === "whole";
/** Parts of the names of the cells to run, with commas between them, for looking at a few. */
const only = (process.env.WGMESH_GRID_ONLY ?? "").split(",");
const cells = (whole ? allCells : tellingCells).filter((cell) =>
  only.some((part) => cellName(cell).includes(part)),
);
/** Meshes at once: as many as two cores carry. */
const lanes = 3;
const page = "docs/nat.md";

describe("the grid of places", () => {
  const internet = useInternet();
  const places = new GridPlaces(internet, cells);
  const results = new Map<string, CellResult>();

  beforeAll(async () => {
    await internet.startServers();
    await internet.verifyAll();
  });

  test(
    "no cell is worse than it must be",
    async () => {
      const left = [...cells];
      const lane = async (): Promise<void> => {
        for (let cell = left.shift(); cell !== undefined; cell = left.shift()) {
          const result = await runCell(internet, cell, places.of(cell));
          results.set(cellName(cell), result);
          console.log(
            `${cellName(cell)}: ${result.outcome} after ${Math.round(result.settledMs)} ms, pings after ${Math.round(result.pingedMs ?? Number.NaN)} ms`,
          );
        }
      };
      await Promise.all(Array.from({ length: lanes }, lane));
      const worse = cells.filter((cell) => isWorse(outcomeOf(cell), leastOutcome(cell)));
      expect(
        worse.map((cell) => `${cellName(cell)}: ${outcomeOf(cell)}: ${results.get(cellName(cell))?.story}`),
      ).toEqual([]);
    },
    whole ? 1_800_000 : 300_000,
  );

  const compare = (): void => {
    const tables = companies.map((company) => gridText(company, outcomeOf));
    console.log(tables.join("\n\n"));
    if (process.env.WGMESH_GRID_WRITE === "1") {
      writeFileSync(page, withTables(readFileSync(page, "utf8"), tables));
      return;
    }
    const written = new Map(
      companies.flatMap((company, index) => [...readGrid(company, tablesOf(page)[index] ?? "")]),
    );
    // Guessing a symmetric NAT's port needs luck.
    const worse = cells.filter(
      (cell) =>
        isWorse(outcomeOf(cell), written.get(cellName(cell)) ?? "direct") && leastOutcome(cell) === "direct",
    );
    expect(worse.map(cellName)).toEqual([]);
  };
  // Of a part of the grid there is no table.
  if (whole) test("docs/nat.md shows what was seen", compare);

  function outcomeOf(cell: Cell): Outcome {
    return results.get(cellName(cell))?.outcome ?? "impossible";
  }
});

const marker = (index: number, side: "begin" | "end"): string => `<!-- grid ${index} ${side} -->`;

function withTables(text: string, tables: readonly string[]): string {
  return tables.reduce((page, table, index) => {
    const [before = "", rest = ""] = page.split(marker(index, "begin"));
    const [, after = ""] = rest.split(marker(index, "end"));
    return `${before}${marker(index, "begin")}\n${table}\n${marker(index, "end")}${after}`;
  }, text);
}

function tablesOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return companies.map(
    (_, index) => text.split(marker(index, "begin"))[1]?.split(marker(index, "end"))[0] ?? "",
  );
}
