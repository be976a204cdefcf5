import { expect, test } from "vitest";
import { oneAfterAnother } from "../../../src/core/turns.ts";

test("one runs at a time, in order, and an error stops none of the others", async () => {
  const inTurn = oneAfterAnother(9);
  const told: string[] = [];
  const run = (name: string) => async (): Promise<string> => {
    told.push(`${name} begins`);
    await Promise.resolve();
    told.push(`${name} ends`);
    if (name === "a") throw new Error(name);
    return name;
  };
  const outcomes = await Promise.allSettled([inTurn(run("a")), inTurn(run("b"))]);
  expect(told).toEqual(["a begins", "a ends", "b begins", "b ends"]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
});

test("when too many wait the next is refused, and taken once there is room", async () => {
  const inTurn = oneAfterAnother(1);
  const waiting = [inTurn(() => Promise.resolve(1)), inTurn(() => Promise.resolve(2))];
  await expect(inTurn(() => Promise.resolve(3))).rejects.toMatchObject({ code: "ERR_NOT_READY" });
  expect(await Promise.all(waiting)).toEqual([1, 2]);
  expect(await inTurn(() => Promise.resolve(4))).toBe(4);
});
