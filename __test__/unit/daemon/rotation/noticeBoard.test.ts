import { beforeEach, describe, expect, test } from "vitest";
import { Meshes } from "../../../../src/daemon/rotation/meshes.ts";
import { NoticeBoard } from "../../../../src/daemon/rotation/noticeBoard.ts";
import { type MeshIdentity, meshIdentity } from "../../../../src/identity/meshIdentity.ts";
import { secretOfText } from "../../../../src/identity/meshSecret.ts";
import { IDLE, type RotationEvent, type RotationState, rotate } from "../../../../src/rotation/state.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const HOUR = 3_600_000;
const of = (text: string): MeshIdentity => meshIdentity(secretOfText(text), null);
const [oldMesh, newMesh, stranger] = [
  of("old-secret-00000001"),
  of("new-secret-00000001"),
  of("other-secret-000001"),
];

let meshes: Meshes;
let board: NoticeBoard;
beforeEach(() => {
  meshes = new Meshes(oldMesh);
  board = new NoticeBoard();
});

function after(state: RotationState, event: RotationEvent): RotationState {
  const outcome = rotate(state, event, NOW);
  if (typeof outcome === "string") throw new Error(outcome);
  return outcome.state;
}

const accepted = after(IDLE, { kind: "accept", commitment: newMesh.commitment, graceSeconds: 7_200 });
const signature = newMesh.membership
  .signAbort(Buffer.from(newMesh.commitment, "base64"), NOW / 1000)
  .toString("base64");
const aborted = after(accepted, { kind: "abort", atMs: NOW, signature });

const said = (state: RotationState, nowMs = NOW): ReturnType<NoticeBoard["notices"]> =>
  new NoticeBoard().notices(state, oldMesh.membership, nowMs);

describe("an announcement", () => {
  test("is what every member of the old mesh can check, and says the grace that is left", () => {
    expect(board.read(said(accepted)[0] as never, meshes, IDLE, NOW)).toEqual({
      kind: "heard",
      commitment: newMesh.commitment,
      graceSeconds: 7_200,
      atMs: NOW,
    });
    expect(said(accepted, NOW + HOUR)[0]).toMatchObject({
      graceSeconds: 3_600,
      timestampSeconds: (NOW + HOUR) / 1000,
    });
    expect(said(IDLE)).toEqual([]);
  });

  test("of who is no member, or changed on its way, does not count", () => {
    const [notice] = said(accepted) as [never];
    const foreign = new NoticeBoard().notices(accepted, stranger.membership, NOW)[0] as never;
    expect(board.read(foreign, meshes, IDLE, NOW)).toBeNull();
    expect(board.read(Object.assign({}, notice, { graceSeconds: 0 }), meshes, IDLE, NOW)).toBeNull();
  });

  test("is passed on as it was heard, by who does not have the secret", () => {
    const [notice] = said(accepted);
    const heard = board.read(notice as never, meshes, IDLE, NOW) as RotationEvent;
    const state = after(IDLE, heard);
    expect(board.notices(state, oldMesh.membership, NOW)).toEqual([notice]);
  });

  test("is signed anew before an hour is over, and not each time", () => {
    const [first] = board.notices(accepted, oldMesh.membership, NOW);
    expect(board.notices(accepted, oldMesh.membership, NOW + 60_000)[0]).toBe(first);
    expect(board.notices(accepted, oldMesh.membership, NOW + HOUR / 2)[0]).not.toEqual(first);
  });
});

describe("an abort", () => {
  test("counts for who has the new secret, within the hour", () => {
    meshes.setNext(newMesh);
    const [notice] = said(aborted) as [never];
    expect(board.read(notice, meshes, accepted, NOW)).toEqual({ kind: "abort", atMs: NOW, signature });
    expect(board.read(notice, meshes, accepted, NOW + HOUR + 1)).toBeNull();
    expect(board.read(notice, meshes, IDLE, NOW)).toBeNull();
  });

  test("of a thief, who has the old secret alone, does not", () => {
    meshes.setNext(newMesh);
    const forged = oldMesh.membership.signAbort(Buffer.from(newMesh.commitment, "base64"), NOW / 1000);
    const [notice] = said(aborted) as [object];
    const theirs = { ...notice, abort: { timestampSeconds: NOW / 1000, signature: forged } } as never;
    expect(board.read(theirs, meshes, accepted, NOW)).toBeNull();
  });

  test("is said for an hour", () => {
    expect(said(aborted, NOW + HOUR - 1)).toHaveLength(1);
    expect(said(aborted, NOW + HOUR)).toEqual([]);
  });
});
