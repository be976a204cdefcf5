import { spawnSync } from "node:child_process";
import { buildSync } from "esbuild";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Clock } from "../../../src/core/clock.ts";
import { LOG_MODULES, parseLogLevels } from "../../../src/core/log.ts";
import { createLog, type LogOptions } from "../../../src/observe/log.ts";
import { sourcesBelow } from "../layout/repository.ts";

/** A clock that stands until it is moved. */
function fakeClock(): Clock & { nowMs: number } {
  return {
    nowMs: 0,
    wallMs() {
      return 1_767_225_600_000 + this.nowMs;
    },
    monotonicMs() {
      return this.nowMs;
    },
    after: () => () => {},
  };
}

function makeLog(change: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const clock = fakeClock();
  const node = createLog({
    level: "info",
    format: "json",
    terminal: false,
    noColour: false,
    clock,
    write: (line) => lines.push(line),
    ...change,
  });
  return { node, clock, lines, last: () => JSON.parse(lines.at(-1) ?? "null") as Record<string, unknown> };
}

test("lines for the journal begin with their priority, in either form", () => {
  for (const format of ["json", "text"] as const) {
    const { node, lines } = makeLog({ level: "debug", format, priorities: true });
    for (const level of ["debug", "info", "warn", "error"] as const)
      node.log[level]({}, "something happened");
    expect(lines.map((line) => line.slice(0, 4))).toEqual(
      ["<7>", "<6>", "<4>", "<3>"].map((priority) => priority + (format === "json" ? "{" : "0")),
    );
  }
});

describe("JSON lines", () => {
  test("hold time, level, module, fields and message", () => {
    const { node, last } = makeLog();
    node.log.child({ module: "lan" }).info({ link: "eth0" }, "link joined");
    expect(last()).toEqual({
      level: "info",
      time: "2026-01-01T00:00:00.000Z",
      module: "lan",
      link: "eth0",
      msg: "link joined",
    });
  });

  test("are the default where no terminal is", () => {
    const { node, last } = makeLog({ format: "auto" });
    node.log.info({}, "hello");
    expect(last()).toMatchObject({ msg: "hello" });
  });
});

describe("the level", () => {
  test("holds back what is below it, and changes live for children made before", () => {
    const { node, lines } = makeLog();
    const child = node.log.child({ module: "lan" });
    child.debug({}, "one");
    node.level = "debug";
    child.debug({}, "two");
    node.level = "error";
    child.warn({}, "three");
    child.error({}, "four");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(["two", "four"]);
    expect(node.level).toBe("error");
  });
});

describe("levels of single modules", () => {
  const said = (lines: readonly string[]): string[] =>
    lines.map((line) => (JSON.parse(line) as { msg: string }).msg);

  test("hold for that module and what is below it; the rest follows the first", () => {
    const { node, lines } = makeLog({ level: parseLogLevels("warn,discovery=debug,daemon=error") });
    const discovery = node.log.child({ module: "discovery" });
    discovery.debug({}, "discovery debug");
    discovery.child({ link: "eth0" }).debug({}, "discovery child debug");
    node.log.child({ module: "mesh" }).info({}, "mesh info");
    node.log.child({ module: "mesh" }).warn({}, "mesh warn");
    node.log.warn({}, "daemon warn");
    node.log.error({}, "daemon error");
    expect(said(lines)).toEqual(["discovery debug", "discovery child debug", "mesh warn", "daemon error"]);
  });

  test("change live for children made before", () => {
    const { node, lines } = makeLog();
    const mesh = node.log.child({ module: "mesh" });
    mesh.debug({}, "one");
    node.level = parseLogLevels("mesh=debug");
    mesh.debug({}, "two");
    node.level = parseLogLevels("info,mesh=error");
    mesh.warn({}, "three");
    node.log.info({}, "four");
    expect(said(lines)).toEqual(["two", "four"]);
    expect(node.level).toBe("info,mesh=error");
  });

  test.each([
    ["debug", "debug"],
    ["mesh=debug", "info,mesh=debug"],
    [" rpc = warn , error , rpc=debug", "error,rpc=debug"],
  ])("%j is %j", (text, levels) => {
    expect(parseLogLevels(text)).toBe(levels);
  });

  test.each([
    ["loud", '"loud" is not a level'],
    ["", '"" is not a level'],
    ["info,mesh=loud", '"mesh=loud" is not a level'],
    ["mesh=info=info", '"mesh=info=info" is not a level'],
    ["info,mash=debug", '"mash" is not a part of the log; those are daemon, discovery, mesh'],
  ])("%j is refused", (text, reason) => {
    expect(() => parseLogLevels(text)).toThrow(reason);
  });

  test("know every module that the sources name", () => {
    const named = [...sourcesBelow("src", ".ts")].flatMap(([, text]) =>
      [...text.matchAll(/child\(\{ module: "(\w+)"/g)].map((match) => match[1]),
    );
    expect(named.length).toBeGreaterThan(3);
    expect(LOG_MODULES).toEqual(expect.arrayContaining(named));
  });
});

describe("text lines", () => {
  const write = (change: Partial<LogOptions>): string => {
    const { node, lines } = makeLog({ format: "text", ...change });
    node.log.child({ module: "lan" }).warn({ link: "eth0", count: 2, reason: "no route" }, "not sent");
    return lines.join("");
  };

  test("read well", () => {
    expect(write({})).toBe('00:00:00.000 WARN  lan: not sent  link=eth0 count=2 reason="no route"\n');
  });

  test("have colours on a terminal, unless NO_COLOR is set", () => {
    expect(write({ format: "auto", terminal: true })).toContain("\x1b[33mWARN ");
    expect(write({ format: "auto", terminal: true, noColour: true })).not.toContain("\x1b");
  });

  test("do not let text from the network steer the terminal", () => {
    const { node, lines } = makeLog({ format: "text" });
    node.log.info({ hostname: "a\x1b[2J\n00:00:00 ERROR forged" }, "peer\x07 seen");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[ -~]+\n$/);
  });
});

describe("secrets", () => {
  // As long as the token of a caller.
  const planted = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYm-";

  test.each<[string, Record<string, unknown>, string]>([
    ["a field of a telling name", { secret: planted }, "x"],
    ["a key", { privateKey: planted, wg_private_key: planted, psk: planted, preshared_key: planted }, "x"],
    ["bytes", { secret: Buffer.from(planted) }, "x"],
    ["a nested field", { peer: { deep: { secret: planted } } }, "x"],
    ["a URI in a field", { note: `use wgmesh://v1/${planted}?x=1 now` }, "x"],
    ["a URI in the message", {}, `bad secret wgmesh://v1/${planted}`],
    ["a URI in an error", { err: new Error(`cannot parse "wgmesh://${planted}"`) }, "x"],
    ["a token in an error", { reason: `tokens:1: wgmesh_${planted} has no role` }, "x"],
    ["a token after a line break", { reason: `x\nwgmesh_${planted}` }, "x"],
    ["a value with quotes in it", { secret: `"${planted}\\"${planted}` }, "x"],
  ])("%s is not shown", (_what, fields, message) => {
    for (const format of ["json", "text"] as const) {
      const { node, lines } = makeLog({ format });
      node.log.info(fields, message);
      node.log.child(fields).info({}, message);
      expect(lines).toHaveLength(2);
      const bytes = JSON.stringify([...Buffer.from(planted)]).slice(1, -1);
      for (const line of lines) {
        expect(line).not.toContain(planted);
        expect(line).not.toContain(bytes);
        expect(line).toContain("[redacted]");
      }
    }
  });

  test("never make a line that is not JSON", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("secret", "psk", "a", "token"), fc.json().map(parse)),
        (fields) => {
          const { node, last } = makeLog();
          node.log.info(fields, "x");
          expect(last()).toMatchObject({ msg: "x" });
        },
      ),
    );
  });

  const parse = (text: string): unknown => JSON.parse(text);

  test("what only sounds alike is shown", () => {
    const { node, last } = makeLog();
    node.log.info({ hasPresharedKey: true, publicKey: "k", secretFile: "/etc/x" }, "x");
    expect(last()).toMatchObject({ hasPresharedKey: true, publicKey: "k", secretFile: "/etc/x" });
  });
});

describe("a warning that repeats", () => {
  test("is logged ten times a minute, then counted", () => {
    const { node, clock, lines, last } = makeLog();
    const lan = node.log.child({ module: "lan" });
    for (let i = 0; i < 100; i += 1) lan.warn({ from: i }, "datagram refused");
    expect(lines).toHaveLength(10);
    clock.nowMs = 60_000;
    lan.warn({ from: 1 }, "datagram refused");
    expect(last()).toMatchObject({ suppressed: 90, from: 1 });
  });

  test("holds back neither other warnings, nor other modules, nor errors", () => {
    const { node, lines } = makeLog();
    for (let i = 0; i < 50; i += 1) node.log.child({ module: "a" }).warn({}, "one");
    lines.length = 0;
    node.log.child({ module: "a" }).warn({}, "two");
    node.log.child({ module: "b" }).warn({}, "one");
    for (let i = 0; i < 20; i += 1) node.log.child({ module: "a" }).error({}, "one");
    expect(lines).toHaveLength(22);
  });
});

describe("standard error", () => {
  const script = `
    import { writeToStderr } from "../../../src/observe/log.ts";
    for (let i = 0; i < 20000; i += 1) writeToStderr("line " + i + "\\n");
    process.exit(3);
  `;

  test("has the last line before an exit", () => {
    const code = buildSync({
      stdin: { contents: script, resolveDir: import.meta.dirname },
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
      external: ["pino"],
    }).outputFiles[0]?.text;
    const { stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", code ?? ""], {
      encoding: "utf8",
      maxBuffer: 1 << 24,
    });
    expect(status).toBe(3);
    expect(stderr.trimEnd().split("\n").at(-1)).toBe("line 19999");
  });
});
