/**
 * The text of metrics as Prometheus reads it (exposition format 0.0.4). Pure.
 */
import type { Family, HistogramValue, Sample } from "./metrics.ts";

/** Content type of {@link metricsText}. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** One HELP and TYPE line a family, then its samples; ends with LF, or is empty. */
export function metricsText(families: readonly Family[]): string {
  return families.map(familyText).join("");
}

function familyText({ name, help, kind, samples }: Family): string {
  const lines = samples.flatMap((sample) => sampleLines(name, sample));
  const head = [`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${kind}`];
  return [...head, ...lines].map((line) => `${line}\n`).join("");
}

function sampleLines(name: string, { labels, value }: Sample): string[] {
  if (typeof value === "number") return [`${name}${labelsText(labels)} ${numberText(value)}`];
  return histogramLines(name, labels, value);
}

function histogramLines(
  name: string,
  labels: Sample["labels"],
  { counts, bounds, sum }: HistogramValue,
): string[] {
  const buckets = counts.map((count, index) => {
    const bound = bounds[index];
    const le = bound === undefined ? "+Inf" : numberText(bound);
    return `${name}_bucket${labelsText({ ...labels, le })} ${count}`;
  });
  return [
    ...buckets,
    `${name}_sum${labelsText(labels)} ${numberText(sum)}`,
    `${name}_count${labelsText(labels)} ${counts.at(-1) ?? 0}`,
  ];
}

function labelsText(labels: Sample["labels"]): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${escaped(value).replaceAll('"', '\\"')}"`,
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");

function numberText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
