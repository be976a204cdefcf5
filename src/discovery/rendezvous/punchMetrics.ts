import type { Counter, Metrics } from "../../core/metrics.ts";
import type { Method } from "./attempt.ts";

const methods = { method: ["direct", "prediction", "birthday"] } as const;
const packets = { kind: ["probe", "spray", "answer", "dropped"] } as const;

/** What the punching does, as metrics; the names of the first two are the Go peer's. */
export class PunchMetrics {
  readonly #attempts: Counter<typeof methods>;
  readonly #successes: Counter<typeof methods>;
  readonly #packets: Counter<typeof packets>;

  constructor(metrics: Metrics) {
    this.#attempts = metrics.counter("wgmesh_nat_traversal_attempts_total", "hole punches begun", methods);
    this.#successes = metrics.counter(
      "wgmesh_nat_traversal_successes_total",
      "paths that were proved",
      methods,
    );
    this.#packets = metrics.counter("wgmesh_punch_packets_total", "datagrams of hole punching", packets);
  }

  attempted(prediction: boolean, birthday: boolean): void {
    this.#attempts.add(1, { method: "direct" });
    if (prediction) this.#attempts.add(1, { method: "prediction" });
    if (birthday) this.#attempts.add(1, { method: "birthday" });
  }

  succeeded(method: Method): void {
    this.#successes.add(1, { method });
  }

  packet(kind: "probe" | "spray" | "answer" | "dropped"): void {
    this.#packets.add(1, { kind });
  }

  /** Paths proved so far. */
  get successes(): number {
    return methods.method.reduce((sum, method) => sum + this.#successes.value({ method }), 0);
  }
}
