/** An interface that is opened, connected and closed over and over leaves nothing in its process. */
import { expect } from "vitest";
import { test } from "../harness/scene.ts";
import { helper } from "../harness/streams.ts";

const CYCLES = 500;
/** Until then the allocator and node fill their pools. */
const WARM = 100;
/** What the memory of a process may wander; in 400 cycles a leak of 20 KiB each, a tenth of what one holds, is more. */
const MOST_GROWTH_KB = 8000;

interface Held {
  readonly cycle: number;
  readonly threads: number;
  readonly descriptors: number;
  readonly links: number;
  readonly rssKb: number;
}

test(`${CYCLES} interfaces, one after the other, each with a handshake`, { timeout: 120_000 }, async ({
  scene,
}) => {
  const place = await scene.place();
  const job = place.start(
    process.execPath,
    "--expose-gc",
    helper("cycles.mjs"),
    String(CYCLES),
    String(WARM),
  );
  const { code } = await job.exit;
  expect(code, job.stderr).toBe(0);
  const samples = job.stdout
    .trim()
    .split("\n")
    .map((line): Held => JSON.parse(line));
  const closed = samples.pop();
  const [cold, warm, ...later] = samples;
  if (cold === undefined || warm === undefined || closed === undefined) throw new Error("no samples");
  console.log(samples.map(({ cycle, rssKb }) => `${cycle}: ${rssKb} KiB`).join(", "));
  expect(later).toHaveLength(CYCLES / WARM - 1);
  for (const { threads, descriptors, links, rssKb } of later) {
    expect({ threads, descriptors, links }).toEqual({
      threads: warm.threads,
      descriptors: warm.descriptors,
      links: 2,
    });
    expect(rssKb - warm.rssKb).toBeLessThan(MOST_GROWTH_KB);
  }
  expect(later.at(-1)?.threads).toBe(cold.threads);
  expect(later.at(-1)?.descriptors).toBeLessThanOrEqual(cold.descriptors + 1);
  // The loopback interface is left; the interface that stayed until now took its threads and descriptors with it.
  expect(closed.links).toBe(1);
  expect(closed.threads).toBeLessThan(cold.threads);
  expect(closed.descriptors).toBeLessThan(cold.descriptors);
});
