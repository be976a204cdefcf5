/** One place of each kind for either side of the grid; all cells share them. */
import type { Host } from "../../harness/lab.ts";
import type { Internet } from "../internet.ts";
import type { KindName } from "../kinds.ts";
import type { Cell } from "./cells.ts";
import type { CellPlaces } from "./runCell.ts";

export class GridPlaces {
  readonly #sides: readonly [Map<KindName, Host>, Map<KindName, Host>];
  readonly #introducer: Host;

  constructor(internet: Internet, cells: readonly Cell[]) {
    const side = (letter: string, wanted: (cell: Cell) => KindName): Map<KindName, Host> =>
      new Map(
        [...new Set(cells.map(wanted))].map((kind) => [
          kind,
          internet
            .addSite(`${letter}-${kind.toLowerCase()}`, kind)
            .addHost(`${letter}-${kind.toLowerCase()}-host`),
        ]),
      );
    this.#sides = [side("a", ({ one }) => one), side("b", ({ other }) => other)];
    this.#introducer = internet.addSite("introducer", "O").addHost("introducer-host");
  }

  of({ one, other }: Cell): CellPlaces {
    const [ones, others] = this.#sides;
    return { one: ones.get(one) as Host, other: others.get(other) as Host, introducer: this.#introducer };
  }
}
