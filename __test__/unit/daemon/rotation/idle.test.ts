import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { InterfaceName } from "../../../../src/core/types.ts";
import { beginningOf, RotationFiles } from "../../../../src/daemon/rotation/files.ts";
import { NoticeBoard } from "../../../../src/daemon/rotation/noticeBoard.ts";
import type { Rotation } from "../../../../src/daemon/rotation/rotation.ts";
import { Supervisor } from "../../../../src/daemon/supervisor.ts";
import { keepSecret } from "../../../../src/identity/meshIdentity.ts";
import { IDLE, type RotationEvent, type RotationState, rotate } from "../../../../src/rotation/state.ts";
import { ManualClock } from "../../support/manualClock.ts";
import { MemoryLog } from "../../support/memoryLog.ts";
import { settle } from "../../support/settle.ts";
import { meshOf, type Seen, startRotation } from "./rotationRig.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const [oldMesh, newMesh] = [meshOf("old-secret-00000001"), meshOf("new-secret-00000001")];

let folder: string;
let clock: ManualClock;
let supervisor: Supervisor;
let files: RotationFiles;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "wgmesh-"));
  clock = new ManualClock();
  supervisor = new Supervisor(clock, new MemoryLog());
  files = new RotationFiles({ interfaceName: "wg0" as InterfaceName, stateDir: folder });
});
afterEach(async () => {
  await supervisor.shutdown(0);
  rmSync(folder, { recursive: true, force: true });
});

const newRotation = async (): Promise<readonly [Rotation, Seen]> => {
  const beginning = beginningOf(oldMesh.secret, files, clock.wallMs());
  return await startRotation({ clock, supervisor, files, mesh: oldMesh, beginning, nextMesh: newMesh });
};

async function pass(ms: number, stepMs = SECOND): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    clock.advance(Math.min(left, stepMs));
    await settle();
  }
}

describe("a node that does not move", () => {
  test("neither wakes nor asks the reconciler", async () => {
    const [, seen] = await newRotation();
    await pass(10 * MINUTE, 10 * SECOND);
    expect(seen.requests).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  test("looks once a minute at what others announced, until that is too old, and asks nothing", async () => {
    const [rotation, seen] = await newRotation();
    const accepted = stateAfter({ kind: "accept", commitment: newMesh.commitment, graceSeconds: 60 });
    rotation.heard(new NoticeBoard().notices(accepted, oldMesh.membership, clock.wallMs()));
    await vi.waitFor(() => expect(rotation.status().state.offers).toHaveLength(1));
    await vi.waitFor(() => expect(clock.pendingTimers).toBe(1));
    await pass(59 * MINUTE, MINUTE / 2);
    expect(rotation.status().state.offers).toHaveLength(1);
    await pass(3 * MINUTE, MINUTE / 2);
    await vi.waitFor(() => expect(rotation.status().state.offers).toEqual([]));
    await vi.waitFor(() => expect([seen.requests, clock.pendingTimers]).toEqual([0, 0]));
  });
});

describe("a node that moves", () => {
  test("has the reconciler look every 2 s, ends its grace in time, and is still afterwards", async () => {
    const [rotation, seen] = await newRotation();
    await pass(10 * MINUTE, 10 * SECOND);
    keepSecret(newMesh.secret, files.offeredPath);
    await rotation.take(60);
    await settle();
    expect(seen.readers.size).toBe(1);
    await pass(20 * SECOND);
    expect(seen.requests).toBeGreaterThanOrEqual(9);
    expect(rotation.status().state.phase).toBe("accepted");
    await pass(42 * SECOND);
    // The disk has no clock of ours.
    await vi.waitFor(() => expect(rotation.status().state.phase).toBe("completed"));
    await vi.waitFor(() => expect([seen.spoken, seen.readers.size]).toEqual([1, 0]));
    expect(seen.forgotten).toBe(1);
    const { requests } = seen;
    await pass(10 * MINUTE, 10 * SECOND);
    expect(seen.requests).toBe(requests);
    expect(clock.pendingTimers).toBe(0);
  });

  test("that goes back asks nothing any more", async () => {
    const [rotation, seen] = await newRotation();
    keepSecret(newMesh.secret, files.offeredPath);
    await rotation.take(3_600);
    await pass(10 * SECOND);
    await rotation.abort();
    await settle();
    const { requests } = seen;
    await pass(10 * MINUTE, 10 * SECOND);
    expect(seen.requests).toBe(requests);
    expect([seen.readers.size, clock.pendingTimers]).toEqual([0, 0]);
  });
});

function stateAfter(event: RotationEvent): RotationState {
  const outcome = rotate(IDLE, event, clock.wallMs());
  if (typeof outcome === "string") throw new Error(outcome);
  return outcome.state;
}
