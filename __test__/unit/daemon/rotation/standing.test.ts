import { expect, test } from "vitest";
import { standingText } from "../../../../src/daemon/rotation/standing.ts";

const held = { commitment: "c", endsAtMs: Date.UTC(2026, 0, 2), announcedAtMs: 0 } as never;
const offers = [{}] as never;

test("a move says what is to be done, for the clients of the node too", () => {
  const text = (phase: "idle" | "accepted" | "completed", clients: number): string | null =>
    standingText(
      { phase, held: phase === "idle" ? null : held, offers: [] as never },
      "/state/next",
      clients,
    );
  expect(text("idle", 3)).toBeNull();
  expect(text("accepted", 0)).toBe(
    "the mesh moves to a new secret until 2026-01-02T00:00:00.000Z: see 'wgmesh rotate-secret --status'",
  );
  expect(text("accepted", 1)).toContain(
    "--status'. Give a client of this node a new configuration by then: 'wgmesh client show NAME'",
  );
  expect(text("completed", 0)).toMatch(/until then it reads \/state\/next$/);
  expect(text("completed", 2)).toContain(
    "/state/next. It has 2 clients to be given a new configuration: 'wgmesh",
  );
});

test("what is announced counts where nothing is under way", () => {
  const said = standingText({ phase: "idle", held: null, offers }, "", 2);
  expect(said).toContain("--accept");
  expect(said).not.toContain("client");
});
