import { describe, expect, test } from "vitest";
import type { PublicKey } from "../../../src/core/types.ts";
import { bridgeOf, type PathReport, PathTable, type PeerPath } from "../../../src/peers/paths.ts";

const KEY = "mBmUmAIK6hsLM1xuMQJlbjuYIDAQfxXpIW06wRf6M2k=" as PublicKey;
const VIA = "42bZrfQyvO3RRyhGMazdDhDijZ1O4Luu/1r354JJAiw=" as PublicKey;
const BRIDGE = { host: "127.0.0.1", port: 40_001 };
const DIRECT: PeerPath = { kind: "direct", endpoint: null };

describe("PathTable", () => {
  test("says direct until told otherwise, and keeps only what is not", () => {
    const paths = new PathTable();
    expect(paths.get(KEY)).toEqual(DIRECT);
    paths.set(KEY, { kind: "relayed", via: VIA, endpoint: BRIDGE });
    expect([...paths.entries()]).toHaveLength(1);
    paths.set(KEY, DIRECT);
    expect([...paths.entries()]).toHaveLength(0);
  });

  test("tells of changes, and not of what stays", () => {
    const paths = new PathTable();
    const told: [PeerPath, PeerPath][] = [];
    const end = paths.subscribe((_key, path, before) => told.push([path, before]));
    const relayed: PeerPath = { kind: "relayed", via: VIA, endpoint: BRIDGE };
    const impossible: PeerPath = { kind: "impossible", reason: "no relay" };
    paths.set(KEY, DIRECT);
    paths.set(KEY, relayed);
    paths.set(KEY, { ...relayed, endpoint: { ...BRIDGE } });
    paths.set(KEY, { ...relayed, endpoint: { ...BRIDGE, port: 1 } });
    paths.set(KEY, impossible);
    paths.set(KEY, { kind: "impossible", reason: "no answer" });
    paths.forget(KEY);
    end();
    paths.set(KEY, relayed);
    expect(told.map(([path]) => path.kind)).toEqual([
      "relayed",
      "relayed",
      "impossible",
      "impossible",
      "direct",
    ]);
    expect(told[0]).toEqual([relayed, DIRECT]);
  });

  test("passes reports on without a change of the path", () => {
    const paths = new PathTable();
    const reports: PathReport[] = [];
    const end = paths.onReport((report) => reports.push(report));
    paths.report({ kind: "punch-failed", publicKey: KEY, reason: "no answer" });
    end();
    paths.report({ kind: "punch-failed", publicKey: KEY, reason: "again" });
    expect(reports).toEqual([{ kind: "punch-failed", publicKey: KEY, reason: "no answer" }]);
    expect(paths.get(KEY)).toEqual(DIRECT);
  });

  test("names the socket of a bridge", () => {
    expect(bridgeOf({ kind: "bridged", endpoint: BRIDGE })).toEqual(BRIDGE);
    expect(bridgeOf({ kind: "direct", endpoint: BRIDGE })).toBeNull();
    expect(bridgeOf({ kind: "forwarded", via: VIA })).toBeNull();
  });
});
