import { describe, expect, test } from "vitest";
import { formatText } from "../../../src/core/logText.ts";
import { startServer, vectorEvents, vectorLogLine, vectorView } from "../rpc/fixtures.ts";
import { wgmesh } from "./run.ts";

/** ESC and CSI, a line break, a mark that turns the direction. */
const EVIL = "x\x1b]0;owned\x07\u009b2J\r\n\u202e";
/** All but letters and signs that stand still, and the ends of lines. */
const STEERING = /[^\P{C}\n]/u;

describe("names of others do not steer the terminal", () => {
  const view = vectorView();
  const peers = view.peers().map((peer) => ({ ...peer, hostname: EVIL }));
  const evil = vectorView({
    peers: () => peers,
    events: () => vectorEvents.map((event) => ({ ...event, hostname: EVIL, data: { [EVIL]: EVIL } })),
    logLines: () => [{ ...vectorLogLine, [EVIL]: EVIL, msg: EVIL }],
    configuration: () => ({ ...view.configuration(), file: EVIL }),
  });

  test.each(["peers list", "events", "logs", "audit", "status", "config show"])(
    "of wgmesh %s",
    async (words) => {
      const { socketPath } = await startServer(evil);
      for (const json of [[], ["--json"]]) {
        const { code, out, err } = await wgmesh([...words.split(" "), "--socket-path", socketPath, ...json]);
        expect([code, err]).toEqual([0, ""]);
        expect(out).not.toMatch(STEERING);
      }
    },
  );

  test("of a log line that somebody else wrote", () => {
    const line = JSON.stringify({ time: `2026-01-01T0\x1b[2J${EVIL}`, level: EVIL, msg: EVIL, [EVIL]: EVIL });
    expect(formatText(line, false)).not.toMatch(STEERING);
  });
});
