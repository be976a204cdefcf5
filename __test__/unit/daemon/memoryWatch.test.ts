import { expect, test } from "vitest";
import { MemoryWatch } from "../../../src/daemon/memoryWatch.ts";
import { LogRing } from "../../../src/observe/logRing.ts";
import { TroubleRegistry } from "../../../src/observe/troubles.ts";
import { ManualClock } from "../support/manualClock.ts";
import { MemoryLog } from "../support/memoryLog.ts";

const MEBIBYTE = 1024 * 1024;

function watch(limitMib: number | null, ceilingMib: number | null = null) {
  const troubles = new TroubleRegistry(new ManualClock(), new MemoryLog());
  const state = { usedMib: 100, collected: 0, told: [] as boolean[] };
  const memory = new MemoryWatch({
    troubles,
    limit: limitMib === null ? null : limitMib * MEBIBYTE,
    ceiling: ceilingMib === null ? null : ceilingMib * MEBIBYTE,
    used: () => state.usedMib * MEBIBYTE,
    collect: () => {
      state.collected += 1;
    },
  });
  memory.follow((isAbove) => state.told.push(isAbove));
  const look = (usedMib: number): string | null => {
    state.usedMib = usedMib;
    memory.look();
    return troubles.list()[0]?.text ?? null;
  };
  return { memory, look, state };
}

test("without a limit, and below it, nothing is told", () => {
  const { look, state, memory } = watch(null);
  expect(look(100_000)).toBeNull();
  expect(memory.spareCallers()).toBe(Infinity);
  const bounded = watch(200);
  expect(bounded.look(200)).toBeNull();
  expect([...state.told, ...bounded.state.told]).toEqual([]);
});

test("above it there is one trouble with the figures and what to do, garbage is collected once, few callers come in", () => {
  const { look, state, memory } = watch(200);
  expect(look(201)).toMatch(
    /^the daemon uses 201 MiB, more than the 200 MiB of --memory-limit: .*config set memory-limit/,
  );
  expect(look(230)).toContain("uses 230 MiB");
  expect(state).toMatchObject({ collected: 1, told: [true] });
  expect(memory.spareCallers()).toBe(6);
});

test("it is over well below, so that it does not come and go, and begins anew then", () => {
  const { look, state, memory } = watch(200);
  look(201);
  expect(look(181)).toContain("uses 181 MiB");
  expect(look(180)).toBeNull();
  expect(memory.spareCallers()).toBe(Infinity);
  look(201);
  expect(state).toMatchObject({ collected: 2, told: [true, false, true] });
});

test("a limit that is raised or taken away counts with the next look; who follows late hears what stands", () => {
  const { look, memory } = watch(200);
  look(300);
  const late: boolean[] = [];
  const end = memory.follow((isAbove) => late.push(isAbove));
  memory.setLimit(400 * MEBIBYTE);
  expect(look(300)).toBeNull();
  end();
  memory.setLimit(100 * MEBIBYTE);
  expect(look(300)).toContain("the 100 MiB");
  memory.setLimit(null);
  expect(look(300)).toBeNull();
  expect(late).toEqual([true, false]);
});

test("a limit at which the system has ended the process already is told, until it is lowered or taken away", () => {
  const { look, memory } = watch(512, 512);
  expect(look(100)).toMatch(
    /^the 512 MiB of --memory-limit are never told: the system ends .* at 512 MiB; .*MemoryMax=/,
  );
  memory.setLimit(384 * MEBIBYTE);
  expect(look(100)).toBeNull();
  memory.setLimit(1024 * MEBIBYTE);
  expect(look(100)).toContain("the 1024 MiB");
  memory.setLimit(null);
  expect(look(100)).toBeNull();
  expect(watch(1024).look(100)).toBeNull();
});

test("the log in memory lets go of all but its last lines", () => {
  const ring = new LogRing();
  const add = (count: number): void => {
    for (let line = 0; line < count; line += 1) ring.add(`{"msg":"line ${line}"}\n`);
  };
  const kept = (): number => ring.list({}, 100_000).length;
  add(1500);
  expect(kept()).toBe(1500);
  ring.setSmall(true);
  expect(kept()).toBe(100);
  add(1000);
  expect(kept()).toBeLessThan(200);
  expect(ring.list({}, 1)).toEqual([{ msg: "line 999" }]);
  ring.setSmall(false);
  add(1500);
  expect(kept()).toBeGreaterThan(1500);
});
