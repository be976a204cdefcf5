import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { goDuration, readRotationFile, rotationFileText } from "../../../src/rotation/file.ts";
import {
  IDLE,
  MAX_GRACE_SECONDS,
  NOTICE_MS,
  type RotationEvent,
  type RotationState,
  rotate,
  type Step,
} from "../../../src/rotation/state.ts";
import { vectors } from "../support/vectors.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const hash = (name: string): string => Buffer.alloc(32, name).toString("base64");
const [A, B] = [hash("a"), hash("b")];

function step(state: RotationState, event: RotationEvent, nowMs = NOW): Step {
  const outcome = rotate(state, event, nowMs);
  if (typeof outcome === "string") throw new Error(outcome);
  return outcome;
}

const heard = (commitment: string, graceSeconds = 3600, atMs = NOW): RotationEvent => ({
  ...{ kind: "heard", commitment, graceSeconds, atMs },
});
const accepted = (): RotationState => step(IDLE, { kind: "accept", commitment: A, graceSeconds: 3600 }).state;
const abort: RotationEvent = { kind: "abort", atMs: NOW, signature: "signed" };

describe("an announcement", () => {
  test("is remembered, told once, and moves nothing", () => {
    const first = step(IDLE, heard(A));
    expect(first.effects).toEqual(["announced"]);
    expect(first.state).toMatchObject({ phase: "idle", held: null });
    expect(step(first.state, heard(A, 3600, NOW + 1_000)).effects).toEqual([]);
  });

  test.each([
    ["exactly an hour old", NOW - NOTICE_MS, true],
    ["older", NOW - NOTICE_MS - 1, false],
    ["an hour ahead", NOW + NOTICE_MS, true],
    ["further ahead", NOW + NOTICE_MS + 1, false],
  ])("%s", (_, atMs, counts) => {
    expect(step(IDLE, heard(A, 60, atMs)).effects).toEqual(counts ? ["announced"] : []);
  });

  test("is forgotten when nobody has said it for an hour", () => {
    const { state } = step(IDLE, heard(A));
    expect(step(state, { kind: "time" }, NOW + NOTICE_MS).state.offers).toHaveLength(1);
    expect(step(state, { kind: "time" }, NOW + NOTICE_MS + 1)).toMatchObject({
      state: { offers: [] },
      effects: ["forgotten"],
    });
  });

  test("of an end that was heard first cannot be changed by another word of it", () => {
    const { state } = step(step(IDLE, heard(A, 3600)).state, heard(A, 0, NOW + 1_000));
    expect(state.offers).toMatchObject([{ endsAtMs: NOW + 3_600_000 }]);
    const held = step(state, { kind: "accept", commitment: A }).state;
    expect(step(held, heard(A, 0)).state).toBe(held);
  });

  test("of a thief's inventions does not fill the memory", () => {
    let state = IDLE;
    for (let index = 0; index < 100; index += 1)
      state = step(state, heard(hash(String.fromCharCode(index)))).state;
    expect(state.offers).toHaveLength(4);
  });

  test("of an aborted or completed move, played again, does not count", () => {
    for (const event of [abort, { kind: "complete" }] as const) {
      const { state } = step(accepted(), event);
      const settled = step(state, { kind: "settled" }).state;
      expect(step(settled, heard(A)).state).toBe(settled);
      expect(rotate(settled, { kind: "accept", commitment: A, graceSeconds: 1 }, NOW)).toBe("closed");
    }
  });
});

describe("a secret", () => {
  test("is taken when it is the announced one, until the announced end", () => {
    const { state } = step(IDLE, heard(A, 3600));
    expect(rotate(state, { kind: "accept", commitment: B }, NOW)).toBe("unknown");
    expect(step(state, { kind: "accept", commitment: A }, NOW + 5_000)).toMatchObject({
      state: { phase: "accepted", held: { commitment: A, endsAtMs: NOW + 3_600_000 }, offers: [] },
      effects: ["hold"],
    });
  });

  test("that nobody announced is taken with a grace of its own, within its bounds", () => {
    const endOf = (graceSeconds: number): number | undefined =>
      step(IDLE, { kind: "accept", commitment: A, graceSeconds }).state.held?.endsAtMs;
    expect(endOf(60)).toBe(NOW + 60_000);
    expect(endOf(Number.MAX_SAFE_INTEGER)).toBe(NOW + MAX_GRACE_SECONDS * 1000);
    expect(endOf(-1)).toBe(NOW);
  });

  test("that is taken again changes nothing, and another one is refused", () => {
    const state = accepted();
    expect(step(state, { kind: "accept", commitment: A }).effects).toEqual([]);
    expect(rotate(state, { kind: "accept", commitment: B, graceSeconds: 1 }, NOW)).toBe("held");
  });
});

describe("the end", () => {
  test("comes by the clock or by the operator, and there is no way back", () => {
    const state = accepted();
    expect(step(state, { kind: "time" }, NOW + 3_599_999).effects).toEqual([]);
    for (const done of [step(state, { kind: "time" }, NOW + 3_600_000), step(state, { kind: "complete" })]) {
      expect(done).toMatchObject({ state: { phase: "completed" }, effects: ["complete"] });
      expect(rotate(done.state, abort, NOW)).toBe("completed");
      expect(rotate(done.state, { kind: "complete" }, NOW)).toBe("completed");
      expect(rotate(done.state, { kind: "accept", commitment: B, graceSeconds: 1 }, NOW)).toBe("unsettled");
      expect(step(done.state, { kind: "settled" }).state).toMatchObject({ phase: "idle", held: null });
    }
  });

  test("by an abort leaves what shows others that it is one", () => {
    const { state, effects } = step(accepted(), abort);
    expect(effects).toEqual(["release"]);
    expect(state).toMatchObject({ phase: "idle", held: null });
    expect(state.closed).toEqual([{ commitment: A, how: "aborted", atMs: NOW, signature: "signed" }]);
    for (const event of [abort, { kind: "complete" }] as const)
      expect(rotate(state, event, NOW)).toBe("nothing");
  });
});

const arbitraryEvent: fc.Arbitrary<RotationEvent> = fc.oneof(
  fc.record({
    kind: fc.constant("heard" as const),
    commitment: fc.constantFrom(A, B),
    graceSeconds: fc.integer({ min: 0, max: 7_200 }),
    atMs: fc.integer({ min: -7_200, max: 7_200 }).map((seconds) => NOW + seconds * 1000),
  }),
  fc.record({ kind: fc.constant("accept" as const), commitment: fc.constantFrom(A, B) }),
  fc.record({
    ...{ kind: fc.constant("accept" as const), commitment: fc.constantFrom(A, B) },
    graceSeconds: fc.integer({ min: 0, max: 7_200 }),
  }),
  fc.constantFrom<RotationEvent>(abort, { kind: "complete" }, { kind: "settled" }, { kind: "time" }),
);

test("whatever happens, words of others never hold, move or end anything, and the file tells it all", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(arbitraryEvent, fc.nat(7_200)), { maxLength: 30 }), (events) => {
      let state = IDLE;
      for (const [event, seconds] of events) {
        const outcome = rotate(state, event, NOW + seconds * 1000);
        if (typeof outcome === "string") continue;
        if (event.kind === "heard") {
          expect([outcome.state.phase, outcome.state.held]).toEqual([state.phase, state.held]);
        }
        expect(outcome.state.held === null).toBe(outcome.state.phase === "idle");
        state = outcome.state;
        const record = { oldCommitment: state.held === null ? "" : B, state };
        expect(readRotationFile(rotationFileText(record), "file")).toEqual(record);
      }
    }),
  );
});

describe("the file", () => {
  test("has the members of the Go peer, with hashes in the place of secrets", () => {
    const [vector] = vectors<{ json: string }>("rotation_state");
    const theirs = JSON.parse(vector?.json ?? "") as Record<string, unknown>;
    const state = step(IDLE, { kind: "accept", commitment: A, graceSeconds: 86_400 }).state;
    const ours = JSON.parse(rotationFileText({ oldCommitment: B, state })) as Record<string, unknown>;
    expect(ours.grace_period).toBe(theirs.grace_period);
    expect(ours.completed).toBe(theirs.completed);
    expect(Date.parse(String(ours.started_at))).toBe(Date.parse(String(theirs.started_at)));
    expect([ours.old_secret_hash, ours.new_secret_hash]).toEqual([B, A]);
  });

  test.each([
    "",
    "{}",
    "[]",
    '{"offers":[],"closed":[{}]}',
    '{"offers":[],"closed":[],"new_secret_hash":"AA=="}',
  ])("that says %j is damaged", (text) => {
    expect(() => readRotationFile(text, "wg0.rotation.json")).toThrow(
      expect.objectContaining({ code: "ERR_STATE_DAMAGED" }),
    );
  });

  test.each([
    [86_400_000, "24h0m0s"],
    [90_000, "1m30s"],
    [5_000, "5s"],
    [0, "0s"],
    [3_661_000, "1h1m1s"],
  ])("writes %i ms as %s", (ms, text) => expect(goDuration(ms)).toBe(text));
});
