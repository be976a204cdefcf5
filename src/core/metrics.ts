/**
 * The metrics seam: what a part counts and measures, for the registry of observe/metrics.ts. A metric may be asked for again
 * under its name, with the same kind and labels, and is then the same one.
 */

/**
 * What values a label may take: those listed, or whatever comes, up to a number of different ones. Any further value counts as
 * `other`, so that nobody outside can make the registry grow.
 */
export type LabelValues = readonly string[] | { readonly atMost: number };

/** Names of labels and their values. */
export type LabelShape = Readonly<Record<string, LabelValues>>;

/** One value for each label. */
export type Labels<S extends LabelShape> = { readonly [Name in keyof S]: string };

/** Metrics without labels leave the argument out. */
type LabelArgument<S extends LabelShape> = keyof S extends never ? [] : [labels: Labels<S>];

/** Only rises. */
export interface Counter<S extends LabelShape> {
  /** `by` is not negative; anything else is ignored. */
  add(by: number, ...labels: LabelArgument<S>): void;
  value(...labels: LabelArgument<S>): number;
}

export interface Gauge<S extends LabelShape> {
  set(value: number, ...labels: LabelArgument<S>): void;
  /** Forgets the value of these labels: the thing they name is gone. */
  remove(...labels: LabelArgument<S>): void;
}

export interface Histogram<S extends LabelShape> {
  observe(value: number, ...labels: LabelArgument<S>): void;
  remove(...labels: LabelArgument<S>): void;
}

/**
 * Names are `wgmesh_<what>_<unit>`, counters end in `_total`, times are in seconds (the Prometheus conventions; PROTOCOL.md
 * section 16 has the Go peer's names). All throw TypeError for a name that is taken by a metric of another shape.
 */
export interface Metrics {
  counter<const S extends LabelShape = Record<never, never>>(
    name: string,
    help: string,
    labels?: S,
  ): Counter<S>;
  gauge<const S extends LabelShape = Record<never, never>>(name: string, help: string, labels?: S): Gauge<S>;
  /** `bounds`: upper bounds of the buckets, rising, without infinity. */
  histogram<const S extends LabelShape = Record<never, never>>(
    name: string,
    help: string,
    bounds: readonly number[],
    labels?: S,
  ): Histogram<S>;
  /** A gauge without labels whose value is asked for when somebody looks. */
  reading(name: string, help: string, read: () => number): void;
}
