import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { InterfaceName } from "../../../../src/core/types.ts";
import { type Beginning, beginningOf, RotationFiles } from "../../../../src/daemon/rotation/files.ts";
import { commitmentOf, keepSecret } from "../../../../src/identity/meshIdentity.ts";
import { secretOfText } from "../../../../src/identity/meshSecret.ts";
import { IDLE, type RotationEvent, type RotationState, rotate } from "../../../../src/rotation/state.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const [oldSecret, newSecret, other] = [
  "old-secret-00000001",
  "new-secret-00000001",
  "other-secret-000001",
].map(secretOfText) as [
  ReturnType<typeof secretOfText>,
  ReturnType<typeof secretOfText>,
  ReturnType<typeof secretOfText>,
];
const oldCommitment = commitmentOf(oldSecret);
const commitment = commitmentOf(newSecret);

let folder: string;
let files: RotationFiles;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-"));
  files = new RotationFiles({ interfaceName: "wg0" as InterfaceName, stateDir: folder });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function after(state: RotationState, event: RotationEvent): RotationState {
  const outcome = rotate(state, event, NOW);
  if (typeof outcome === "string") throw new Error(outcome);
  return outcome.state;
}

const accepted = after(IDLE, { kind: "accept", commitment, graceSeconds: 3600 });
const completed = after(accepted, { kind: "complete" });
const aborted = after(accepted, { kind: "abort", atMs: NOW, signature: "signed" });

/** With what a start begins: the secret that counts, the one beside it, and the phase. */
function begins(given = oldSecret): readonly [string, string | null, Beginning["state"]["phase"]] {
  const { secret, next, state } = beginningOf(given, files, NOW);
  const nameOf = (of: typeof secret): string => (commitmentOf(of) === commitment ? "new" : "old");
  return [nameOf(secret), next === null ? null : nameOf(next), state.phase];
}

/** Runs the steps and ends after `count` of them, as a kill does. */
async function cut(steps: AsyncGenerator<string>, count: number): Promise<string[]> {
  const done: string[] = [];
  for (; done.length < count; ) {
    const { value, done: ended } = await steps.next();
    if (ended === true) break;
    done.push(value);
  }
  return done;
}

describe("a node that is killed", () => {
  test("while it takes the new secret has taken it or not", async () => {
    keepSecret(newSecret, files.offeredPath);
    expect(begins()).toEqual(["old", null, "idle"]);
    const seen: unknown[] = [];
    for (const count of [1, 2, 3, 4]) {
      const done = await cut(files.keepSteps(newSecret, { oldCommitment, state: accepted }), count);
      seen.push([done.at(-1), ...begins()]);
    }
    expect(seen).toEqual([
      ["secret kept", "old", null, "idle"],
      ["state written", "old", "new", "accepted"],
      ["offer removed", "old", "new", "accepted"],
      ["offer removed", "old", "new", "accepted"],
    ]);
    expect(existsSync(files.offeredPath)).toBe(false);
  });

  test("while it aborts has both or the old one", async () => {
    await cut(files.keepSteps(newSecret, { oldCommitment, state: accepted }), 4);
    const seen: unknown[] = [];
    for (const count of [1, 2]) {
      const done = await cut(files.dropSteps({ oldCommitment: "", state: aborted }), count);
      seen.push([done.at(-1), ...begins()]);
    }
    expect(seen).toEqual([
      ["state written", "old", null, "idle"],
      ["secret removed", "old", null, "idle"],
    ]);
    expect(existsSync(files.nextPath)).toBe(false);
  });

  test("once it has completed has the new one, whichever it is started with", async () => {
    await cut(files.keepSteps(newSecret, { oldCommitment, state: accepted }), 4);
    await files.write({ oldCommitment, state: completed });
    expect(begins(oldSecret)).toEqual(["new", null, "completed"]);
    expect(begins(newSecret)).toEqual(["new", null, "idle"]);
    // What it knew of the mesh before counts no more; until then it may be all that leads to the others.
    const isMoved = (given: typeof oldSecret): boolean => beginningOf(given, files, NOW).isMoved;
    expect([oldSecret, newSecret, other].map(isMoved)).toEqual([true, true, false]);
    await files.write({ oldCommitment, state: accepted });
    expect([oldSecret, newSecret, other].map(isMoved)).toEqual([false, false, false]);
  });
});

describe("a start", () => {
  beforeEach(() => cut(files.keepSteps(newSecret, { oldCommitment, state: accepted }), 4));

  test("with the new secret during the grace ends the move on this node", () => {
    expect(begins(newSecret)).toEqual(["new", null, "idle"]);
    expect(beginningOf(newSecret, files, NOW).state.closed).toMatchObject([{ commitment, how: "completed" }]);
  });

  test("with the secret of another mesh forgets the move, and says so", () => {
    const { state, next, warning } = beginningOf(other, files, NOW);
    expect([state.phase, next, warning]).toEqual(["idle", null, expect.stringContaining("another mesh")]);
  });

  test("without the file of the new secret goes on with the old one, or says that there is none that counts", async () => {
    rmSync(files.nextPath);
    const { state, warning } = beginningOf(oldSecret, files, NOW);
    expect([state.phase, warning]).toEqual(["idle", expect.stringContaining("--accept")]);
    await files.write({ oldCommitment, state: completed });
    expect(() => beginningOf(oldSecret, files, NOW)).toThrow(
      expect.objectContaining({ code: "ERR_ROTATION" }),
    );
    expect(begins(newSecret)).toEqual(["new", null, "idle"]);
  });

  test("with a file that nobody can read is refused, and the file stays", () => {
    writeFileSync(files.statePath, "{", { mode: 0o600 });
    expect(() => beginningOf(oldSecret, files, NOW)).toThrow(
      expect.objectContaining({ code: "ERR_STATE_DAMAGED" }),
    );
    expect(readFileSync(files.statePath, "utf8")).toBe("{");
  });

  test("never finds the secret itself in the file of the state", () => {
    expect(readFileSync(files.statePath, "utf8")).not.toContain("new-secret");
    expect(readFileSync(files.nextPath, "utf8")).toBe("new-secret-00000001");
  });
});

test("a daemon that is handed nothing says so", () => {
  expect(() => files.offered()).toThrow(expect.objectContaining({ code: "ERR_ROTATION" }));
});
