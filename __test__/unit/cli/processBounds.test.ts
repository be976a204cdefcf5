import { expect, test, vi } from "vitest";
import { boundsFor, type Replace, startBounded, withoutBounds } from "../../../src/cli/processBounds.ts";
import type { LimitOptions } from "../../../src/config/limitOptions.ts";
import { takeLaunch } from "../../../src/launch/launch.ts";

const MEBIBYTE = 1024 * 1024;
const none: LimitOptions = { maxPeers: 1000, threads: null, memoryLimit: null };
const launch = takeLaunch({});

test("nothing is bounded that nobody asked for", () => {
  expect(boundsFor(none, {}, null)).toBeNull();
  const replace = vi.fn();
  expect(startBounded(none, launch, replace as unknown as Replace)).toBeNull();
  expect(replace).not.toHaveBeenCalled();
});

test.each([
  [64, 96],
  [192, 96],
  [256, 128],
  [1024, 512],
])("of %i MiB of memory V8's heap has %i", (limitMib, heapMib) => {
  expect(boundsFor({ ...none, memoryLimit: limitMib * MEBIBYTE }, {}, null)).toEqual({
    flags: [`--max-old-space-size=${heapMib}`],
    variables: {},
  });
});

test("a limit above what the system lets the process have gives V8's heap half of that", () => {
  const heapOf = (limitMib: number): string[] | undefined =>
    boundsFor({ ...none, memoryLimit: limitMib * MEBIBYTE }, {}, 512 * MEBIBYTE)?.flags;
  expect(heapOf(4096)).toEqual(["--max-old-space-size=256"]);
  expect(heapOf(384)).toEqual(["--max-old-space-size=192"]);
});

test.each([
  [1, 1, "2"],
  [2, 2, "2"],
  [8, 4, "8"],
])("of %i threads V8 has %i, libuv %s unless its own variable says otherwise", (threads, v8Threads, pool) => {
  const flags = [`--v8-pool-size=${v8Threads}`];
  expect(boundsFor({ ...none, threads }, {}, null)).toEqual({
    flags,
    variables: { UV_THREADPOOL_SIZE: pool },
  });
  expect(boundsFor({ ...none, threads }, { UV_THREADPOOL_SIZE: "3" }, null)).toEqual({
    flags,
    variables: {},
  });
});

test("the process becomes itself with them, keeps what it was given by its starter, and does so once", () => {
  const replace = vi.fn();
  const options = { ...none, threads: 2, memoryLimit: 256 * MEBIBYTE };
  startBounded(
    options,
    { ...launch, detached: true, secretFd: 7, reportFd: 5 },
    replace as unknown as Replace,
  );
  expect(replace).toHaveBeenCalledOnce();
  const [program, args, environment, kept] = replace.mock.calls[0] as [string, string[], string[], number[]];
  expect(program).toBe(process.execPath);
  const flags = ["--max-old-space-size=128", "--v8-pool-size=2"];
  expect(args).toEqual([process.execPath, ...process.execArgv, ...flags, ...process.argv.slice(1)]);
  expect(environment).toContain("UV_THREADPOOL_SIZE=2");
  expect(kept).toEqual([0, 1, 2, 5, 7]);
  const env = Object.fromEntries(environment.map((text) => text.split(/=(.*)/s).slice(0, 2)));
  const again = takeLaunch(env);
  expect(again).toMatchObject({
    detached: true,
    secretFd: 7,
    bounds: { flags, variables: ["UV_THREADPOOL_SIZE"] },
  });
  startBounded(options, again, replace as unknown as Replace);
  expect(replace).toHaveBeenCalledOnce();
});

test("where that fails the daemon goes on, and says so", () => {
  const refuse = (() => {
    throw new Error("EPERM");
  }) as unknown as Replace;
  expect(startBounded({ ...none, threads: 2 }, launch, refuse)).toBe(
    "--memory-limit and --threads do not bound V8 and libuv: EPERM",
  );
});

test("a successor begins without them, and looks anew what it needs", () => {
  const env = { PATH: "/bin", UV_THREADPOOL_SIZE: "2" };
  const flags = ["--import", "x", "--v8-pool-size=2"];
  expect(withoutBounds(flags, env, null)).toEqual({ flags, env });
  expect(
    withoutBounds(flags, env, { flags: ["--v8-pool-size=2"], variables: ["UV_THREADPOOL_SIZE"] }),
  ).toEqual({
    flags: ["--import", "x"],
    env: { PATH: "/bin" },
  });
});
