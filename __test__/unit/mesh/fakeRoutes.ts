import type { InterfaceRoute, RouteTable } from "../../../src/mesh/routes.ts";

/** The routes of one interface, in memory. */
export class FakeRoutes implements RouteTable {
  readonly #routes: InterfaceRoute[];
  /** Destinations that cannot be added. */
  readonly refuse = new Set<string>();
  /** Every destination that was to be added. */
  readonly attempts: string[] = [];
  lists = 0;

  constructor(routes: readonly InterfaceRoute[] = []) {
    this.#routes = [...routes];
  }

  list(): InterfaceRoute[] {
    this.lists += 1;
    return [...this.#routes];
  }

  add(destination: string, metric: number, source: string | null = null): void {
    this.attempts.push(destination);
    if (this.refuse.has(destination)) throw new Error(`EEXIST: ${destination}`);
    this.remove(destination, metric);
    this.#routes.push({ destination, protocol: 111, metric, source });
  }

  remove(destination: string, metric: number): void {
    const index = this.#routes.findIndex(
      (route) => route.destination === destination && route.metric === metric,
    );
    if (index >= 0) this.#routes.splice(index, 1);
  }
}
