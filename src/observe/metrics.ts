/**
 * The registry behind core/metrics.ts: what the node counts and measures, in bounded memory.
 */
import type { Counter, Gauge, Histogram, LabelShape, LabelValues, Metrics } from "../core/metrics.ts";

export type MetricKind = "counter" | "gauge" | "histogram";

/** What a histogram holds for one set of labels. */
export interface HistogramValue {
  /** For each bound, how many values were at most that (cumulative); the last entry is all of them. */
  readonly counts: readonly number[];
  readonly bounds: readonly number[];
  readonly sum: number;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | HistogramValue;
}

/** One metric with all its samples, as it was at one instant. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
  readonly samples: readonly Sample[];
}

/** Where values beyond a label's bound are counted. */
export const OTHER = "other";

const NAME = /^[a-z][a-z0-9_]*$/;

interface MutableHistogram {
  /** Not cumulative: one for each bucket, the last for what is above all bounds. */
  readonly buckets: number[];
  sum: number;
}

type AnyLabels = Readonly<Record<string, string>>;

class Metric<T> {
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
  readonly shape: string;
  readonly #labels: readonly (readonly [name: string, values: LabelValues])[];
  /** By the label values, in the order of the labels. */
  readonly #cells = new Map<string, { readonly labels: AnyLabels; value: T }>();
  /** Values in use of labels that are bounded by number, with how many cells have them. */
  readonly #inUse = new Map<string, Map<string, number>>();
  readonly #initial: () => T;
  /** Of metrics with one label whose values are listed: counted with each datagram. */
  readonly #listed = new Map<string, { readonly labels: AnyLabels; value: T }>();

  constructor(
    kind: MetricKind,
    name: string,
    help: string,
    labels: LabelShape,
    shape: string,
    initial: () => T,
  ) {
    this.kind = kind;
    this.name = name;
    this.help = help;
    this.shape = shape;
    this.#labels = Object.entries(labels);
    this.#initial = initial;
    // So that a counter without labels is there before it first counts.
    if (this.#labels.length === 0 && kind !== "gauge") this.cell({});
  }

  cell(given: AnyLabels): { value: T } {
    const [only, another] = this.#labels;
    if (only === undefined || another !== undefined || "atMost" in only[1]) return this.#cell(given);
    const value = given[only[0]] ?? OTHER;
    const known = this.#listed.get(value);
    if (known !== undefined) return known;
    const cell = this.#cell(given);
    if (only[1].includes(value)) this.#listed.set(value, cell);
    return cell;
  }

  #cell(given: AnyLabels): { readonly labels: AnyLabels; value: T } {
    const labels = this.#bounded(given);
    const key = keyOf(labels);
    let cell = this.#cells.get(key);
    if (cell === undefined) {
      cell = { labels, value: this.#initial() };
      this.#cells.set(key, cell);
      this.#count(labels, 1);
    }
    return cell;
  }

  peek(given: AnyLabels): T | undefined {
    return this.#cells.get(keyOf(this.#bounded(given)))?.value;
  }

  remove(given: AnyLabels): void {
    const labels = this.#bounded(given);
    // The rest, which shares a cell, is nobody's to remove.
    const isShared = this.#labels.some(([name]) => labels[name] === OTHER && given[name] !== OTHER);
    this.#listed.clear();
    if (!isShared && this.#cells.delete(keyOf(labels))) this.#count(labels, -1);
  }

  cells(): { readonly labels: AnyLabels; readonly value: T }[] {
    return [...this.#cells.values()];
  }

  #bounded(given: AnyLabels): AnyLabels {
    const labels: Record<string, string> = {};
    for (const [name, values] of this.#labels) {
      const value = given[name] ?? OTHER;
      labels[name] = this.#allows(name, values, value) ? value : OTHER;
    }
    return labels;
  }

  #allows(name: string, values: LabelValues, value: string): boolean {
    if (!("atMost" in values)) return values.includes(value);
    const inUse = this.#inUse.get(name);
    return inUse === undefined || inUse.has(value) || inUse.size < values.atMost;
  }

  #count(labels: AnyLabels, by: number): void {
    for (const [name, values] of this.#labels) {
      const value = labels[name];
      if (!("atMost" in values) || value === undefined || value === OTHER) continue;
      const inUse = this.#inUse.get(name) ?? new Map<string, number>();
      this.#inUse.set(name, inUse);
      const count = (inUse.get(value) ?? 0) + by;
      if (count > 0) inUse.set(value, count);
      else inUse.delete(value);
    }
  }
}

const keyOf = (labels: AnyLabels): string => JSON.stringify(Object.values(labels));

/** All metrics of one node. */
export class MetricsRegistry implements Metrics {
  readonly #numbers = new Map<string, Metric<number>>();
  readonly #histograms = new Map<string, Metric<MutableHistogram> & { bounds: readonly number[] }>();
  readonly #readings = new Map<string, { readonly help: string; readonly read: () => number }>();

  counter<const S extends LabelShape = Record<never, never>>(
    name: string,
    help: string,
    labels?: S,
  ): Counter<S> {
    const metric = this.#number("counter", name, help, labels ?? {});
    return {
      add: (by: number, given: AnyLabels = {}) => {
        if (by >= 0 && Number.isFinite(by)) metric.cell(given).value += by;
      },
      value: (given: AnyLabels = {}) => metric.peek(given) ?? 0,
    };
  }

  gauge<const S extends LabelShape = Record<never, never>>(name: string, help: string, labels?: S): Gauge<S> {
    const metric = this.#number("gauge", name, help, labels ?? {});
    return {
      set: (value: number, given: AnyLabels = {}) => {
        metric.cell(given).value = value;
      },
      remove: (given: AnyLabels = {}) => metric.remove(given),
    };
  }

  histogram<const S extends LabelShape = Record<never, never>>(
    name: string,
    help: string,
    bounds: readonly number[],
    labels?: S,
  ): Histogram<S> {
    if (bounds.some((bound, index) => !Number.isFinite(bound) || bound <= (bounds[index - 1] ?? -Infinity))) {
      throw new TypeError(`${name}: the bounds must rise`);
    }
    const shape = shapeOf("histogram", labels ?? {}, bounds);
    let metric = this.#histograms.get(name);
    if (metric === undefined) {
      this.#claim(name);
      const initial = (): MutableHistogram => ({ buckets: new Array(bounds.length + 1).fill(0), sum: 0 });
      const made = new Metric("histogram", name, help, labels ?? {}, shape, initial);
      metric = Object.assign(made, { bounds: [...bounds] });
      this.#histograms.set(name, metric);
    }
    const histogram = sameShape(metric, shape);
    return {
      observe: (value: number, given: AnyLabels = {}) => {
        if (!Number.isFinite(value)) return;
        const { value: held } = histogram.cell(given);
        const place = bounds.findIndex((bound) => value <= bound);
        const bucket = place < 0 ? bounds.length : place;
        held.buckets[bucket] = (held.buckets[bucket] ?? 0) + 1;
        held.sum += value;
      },
      remove: (given: AnyLabels = {}) => histogram.remove(given),
    };
  }

  /** A later reading of the same name replaces the earlier: parts are made anew with the node. */
  reading(name: string, help: string, read: () => number): void {
    if (!this.#readings.has(name)) this.#claim(name);
    this.#readings.set(name, { help, read });
  }

  /** Everything as it is now, in the order of the names. */
  snapshot(): Family[] {
    const families: Family[] = [];
    for (const metric of this.#numbers.values()) families.push(family(metric, (value) => value));
    for (const metric of this.#histograms.values()) {
      families.push(family(metric, (value) => histogramValue(value, metric.bounds)));
    }
    for (const [name, { help, read }] of this.#readings) {
      families.push({ name, help, kind: "gauge", samples: [{ labels: {}, value: read() }] });
    }
    return families.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #number(kind: MetricKind, name: string, help: string, labels: LabelShape): Metric<number> {
    const shape = shapeOf(kind, labels);
    let metric = this.#numbers.get(name);
    if (metric === undefined) {
      this.#claim(name);
      metric = new Metric(kind, name, help, labels, shape, () => 0);
      this.#numbers.set(name, metric);
    }
    return sameShape(metric, shape);
  }

  #claim(name: string): void {
    if (!NAME.test(name)) throw new TypeError(`${name} is no name for a metric`);
    if (this.#numbers.has(name) || this.#histograms.has(name) || this.#readings.has(name)) {
      throw new TypeError(`${name} is a metric of another kind`);
    }
  }
}

function shapeOf(kind: MetricKind, labels: LabelShape, bounds: readonly number[] = []): string {
  return JSON.stringify([kind, labels, bounds]);
}

function sameShape<M extends Metric<unknown>>(metric: M, shape: string): M {
  if (metric.shape !== shape) throw new TypeError(`${metric.name} is a metric of another shape`);
  return metric;
}

function family<T>(metric: Metric<T>, read: (value: T) => Sample["value"]): Family {
  const { name, help, kind } = metric;
  return {
    name,
    help,
    kind,
    samples: metric.cells().map(({ labels, value }) => ({ labels, value: read(value) })),
  };
}

function histogramValue({ buckets, sum }: MutableHistogram, bounds: readonly number[]): HistogramValue {
  let total = 0;
  const counts = buckets.map((count) => {
    total += count;
    return total;
  });
  return { counts, bounds, sum };
}
