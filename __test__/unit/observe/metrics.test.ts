import { describe, expect, test } from "vitest";
import { MetricsRegistry, OTHER } from "../../../src/observe/metrics.ts";
import { metricsText } from "../../../src/observe/prometheus.ts";

const sampleOf = (registry: MetricsRegistry, name: string) =>
  registry.snapshot().find((family) => family.name === name)?.samples;

describe("the registry", () => {
  test("counts up only, and shows a counter before its first event", () => {
    const registry = new MetricsRegistry();
    const counter = registry.counter("wgmesh_things_total", "things");
    expect(sampleOf(registry, "wgmesh_things_total")).toEqual([{ labels: {}, value: 0 }]);
    counter.add(2);
    counter.add(-5);
    counter.add(Number.NaN);
    counter.add(Infinity);
    expect(counter.value()).toBe(2);
  });

  test("gives the same metric to whoever asks for it again, and refuses another shape of it", () => {
    const registry = new MetricsRegistry();
    registry.counter("wgmesh_a_total", "a", { layer: ["lan", "dht"] }).add(1, { layer: "lan" });
    const again = registry.counter("wgmesh_a_total", "a", { layer: ["lan", "dht"] });
    expect(again.value({ layer: "lan" })).toBe(1);
    expect(() => registry.counter("wgmesh_a_total", "a", { layer: ["lan"] })).toThrow(TypeError);
    expect(() => registry.gauge("wgmesh_a_total", "a", { layer: ["lan", "dht"] })).toThrow(TypeError);
    expect(() => registry.histogram("wgmesh_a_total", "a", [1])).toThrow(TypeError);
    expect(() => registry.reading("wgmesh_a_total", "a", () => 1)).toThrow(TypeError);
    expect(() => registry.counter("Wgmesh a", "a")).toThrow(TypeError);
    expect(() => registry.histogram("wgmesh_b_seconds", "b", [1, 1])).toThrow(TypeError);
  });

  test("puts what is not in the list of a label, or beyond its number, under one other value", () => {
    const registry = new MetricsRegistry();
    const listed = registry.counter("wgmesh_l_total", "l", { layer: ["lan"] });
    listed.add(1, { layer: "lan" });
    listed.add(1, { layer: "x" });
    listed.add(1, { layer: "y" });
    expect(listed.value({ layer: OTHER })).toBe(2);

    const bounded = registry.gauge("wgmesh_rtt", "r", { peer: { atMost: 3 } });
    for (let number = 0; number < 10_000; number += 1) bounded.set(number, { peer: `p${number}` });
    const labels = () => sampleOf(registry, "wgmesh_rtt")?.map((sample) => sample.labels.peer);
    expect(labels()).toEqual(["p0", "p1", "p2", OTHER]);
    // One that goes makes room for another; the shared rest stays.
    bounded.remove({ peer: "p1" });
    bounded.remove({ peer: "p77" });
    bounded.set(1, { peer: "new" });
    expect(labels()).toEqual(["p0", "p2", OTHER, "new"]);
  });

  test("sorts the values of a histogram into buckets, bounds included", () => {
    const registry = new MetricsRegistry();
    const histogram = registry.histogram("wgmesh_t_seconds", "t", [0.1, 1]);
    for (const value of [0.05, 0.1, 0.5, 2, Number.NaN]) histogram.observe(value);
    expect(sampleOf(registry, "wgmesh_t_seconds")).toEqual([
      { labels: {}, value: { bounds: [0.1, 1], counts: [2, 3, 4], sum: 2.65 } },
    ]);
  });

  test("asks a reading when somebody looks, the last one of a name", () => {
    const registry = new MetricsRegistry();
    let peers = 1;
    registry.reading("wgmesh_peers", "p", () => -1);
    registry.reading("wgmesh_peers", "p", () => peers);
    peers = 7;
    expect(sampleOf(registry, "wgmesh_peers")).toEqual([{ labels: {}, value: 7 }]);
  });
});

test("the text is what Prometheus reads", () => {
  const registry = new MetricsRegistry();
  registry
    .gauge("wgmesh_nat_type", 'a "type"\nof\\NAT', { type: { atMost: 2 } })
    .set(1, { type: 'a"b\\c\nd' });
  registry.counter("wgmesh_active_total", "how many").add(3);
  registry.histogram("wgmesh_t_seconds", "time", [0.5], { of: ["x"] }).observe(0.25, { of: "x" });
  registry.gauge("wgmesh_unset", "no value yet");
  expect(metricsText(registry.snapshot())).toBe(
    [
      "# HELP wgmesh_active_total how many",
      "# TYPE wgmesh_active_total counter",
      "wgmesh_active_total 3",
      '# HELP wgmesh_nat_type a "type"\\nof\\\\NAT',
      "# TYPE wgmesh_nat_type gauge",
      'wgmesh_nat_type{type="a\\"b\\\\c\\nd"} 1',
      "# HELP wgmesh_t_seconds time",
      "# TYPE wgmesh_t_seconds histogram",
      'wgmesh_t_seconds_bucket{of="x",le="0.5"} 1',
      'wgmesh_t_seconds_bucket{of="x",le="+Inf"} 1',
      'wgmesh_t_seconds_sum{of="x"} 0.25',
      'wgmesh_t_seconds_count{of="x"} 1',
      "# HELP wgmesh_unset no value yet",
      "# TYPE wgmesh_unset gauge",
      "",
    ].join("\n"),
  );
  expect(metricsText([])).toBe("");
});
