import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { printFollowed } from "../../../src/cli/follow.ts";
import { drained, type Terminal } from "../../../src/cli/terminal.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { settle } from "../support/settle.ts";

test("while the reader of standard output is slow nothing more is taken", async () => {
  const output = new PassThrough({ highWaterMark: 64 });
  const terminal: Terminal = {
    out: (text) => void output.write(text),
    err: () => {},
    drained: () => drained(output),
    ...{ columns: null, rows: null, showsProgress: false, env: {}, clock: systemClock },
  };
  let taken = 0;
  async function* endless(): AsyncGenerator<object> {
    for (; taken < 100; taken += 1) yield { number: taken };
  }
  const printing = printFollowed([[{ number: "before" }], endless()], true, terminal, String);
  await settle();
  expect(taken).toBeLessThan(10);
  let text = "";
  output.on("data", (chunk) => {
    text += String(chunk);
  });
  await printing;
  expect(text.trimEnd().split("\n")).toHaveLength(101);
});

test("who has left is not waited for", async () => {
  const output = new PassThrough({ highWaterMark: 1 });
  output.write("more than it takes");
  const waiting = drained(output);
  output.destroy();
  await waiting;
  await drained(output);
  expect(output.listenerCount("drain")).toBe(0);
});
