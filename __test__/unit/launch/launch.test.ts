import { closeSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MeshSecret } from "@wgmesh/native";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { launchVariable, takeLaunch } from "../../../src/launch/launch.ts";
import { logTail, sizeOf } from "../../../src/launch/logTail.ts";
import { ProgressFile, readProgress } from "../../../src/launch/progress.ts";
import { wgmeshd } from "../cli/run.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wgmesh-launch-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

describe("what a starter tells the daemon", () => {
  test("is taken out of the environment", () => {
    const env: Record<string, string | undefined> = {
      PATH: "/bin",
      ...launchVariable({ detached: true, secretFd: 4 }),
    };
    expect(takeLaunch(env)).toEqual({
      detached: true,
      secretFd: 4,
      reportFd: null,
      handover: false,
      guard: null,
      bounds: null,
    });
    expect(env).toEqual({ PATH: "/bin" });
    expect(takeLaunch(env)).toEqual({
      detached: false,
      secretFd: null,
      reportFd: null,
      handover: false,
      guard: null,
      bounds: null,
    });
  });

  test("that nobody of ours wrote is refused", () => {
    expect(() => takeLaunch({ WGMESH_LAUNCH: "yes" })).toThrow(/WGMESH_LAUNCH/);
  });

  test("holds the secret in a pipe, byte for byte", () => {
    // What no reading of texts would give back: blanks at its beginning, and another URI.
    const text = "wgmesh://v1/  wgmesh://v1/a secret with blanks";
    const secret = MeshSecret.fromText(text);
    const fd = secret.toPipe();
    const other = MeshSecret.fromPipe(fd);
    expect(other.parameters()).toEqual(secret.parameters());
    expect(other.parameters()).not.toEqual(MeshSecret.fromText(text.trimEnd().slice(14)).parameters());
  });

  test("two secrets in two pipes stay apart", () => {
    const [one, two] = ["a".repeat(40), "b".repeat(40)].map((text) => MeshSecret.fromText(text));
    const fds = [one, two].map((secret) => secret?.toPipe() as number);
    expect(MeshSecret.fromPipe(fds[1] as number).parameters()).toEqual(two?.parameters());
    closeSync(fds[0] as number);
  });
});

describe("the command line of a daemon that is started again", () => {
  const commandLine = async (args: readonly string[], env = {}): Promise<readonly string[]> =>
    (await wgmeshd(args, env)).request?.commandLine ?? [];

  test("has what was typed, in its checked form, and not the secret", async () => {
    const typed = [
      ...[
        "--iface=wg3",
        "--no-dht",
        "--peer",
        "a.example",
        "--peer",
        "[fd00::1]:7",
        "--log-level",
        "mesh=debug",
      ],
      ...["--advertise-routes", "10.1.2.3/8, fd00:0::1/64", "--gossip", "--daemon"],
      ...["--secret", "a secret of some length", "--secret-file", "x"],
    ];
    const words = await commandLine(typed);
    expect(words.join(" ")).not.toContain("secret");
    const { request } = await wgmeshd(words);
    const first = await wgmeshd(typed);
    expect(request?.options).toEqual(first.request?.options);
    expect(words).toContain("--daemon");
  });

  test("does not depend on the folder it was typed in, nor do its variables", async () => {
    const words = await commandLine(["--state-dir", "state"], {
      WGMESH_SOCKET: "x.sock",
      WGMESH_LOG: "debug",
    });
    expect(words).toEqual([
      ...["--state-dir", join(process.cwd(), "state")],
      ...["--socket-path", join(process.cwd(), "x.sock")],
    ]);
  });
});

describe("the progress of a start", () => {
  test("is the last step, until it is removed", () => {
    const path = join(folder, "wg0.starting");
    const progress = new ProgressFile(path, 4711);
    expect(readProgress(path)).toBeNull();
    progress.step("lock");
    progress.step("identity");
    expect(readProgress(path)).toEqual({ pid: 4711, step: "identity" });
    // A start that did not get the lock has written nothing, and removes nothing.
    new ProgressFile(path, 4712).remove();
    expect(readProgress(path)).toEqual({ pid: 4711, step: "identity" });
    progress.remove();
    expect(readProgress(path)).toBeNull();
  });

  test("that cannot be read or written is none", () => {
    const path = join(folder, "none", "wg0.starting");
    new ProgressFile(path, 1).step("lock");
    expect(readProgress(path)).toBeNull();
    writeFileSync(join(folder, "half"), '{"pid": 47');
    expect(readProgress(join(folder, "half"))).toBeNull();
  });
});

describe("the end of a log", () => {
  const line = (index: number): string =>
    `${JSON.stringify({ level: "info", time: "2026-01-01T00:00:00.000Z", count: index, msg: "line" })}\n`;

  test("is readable, and only what came since", () => {
    const path = join(folder, "wg0.log");
    writeFileSync(path, line(1) + line(2));
    const since = sizeOf(path);
    writeFileSync(path, `${line(1) + line(2) + line(3)}no JSON\n${line(4)}`);
    expect(logTail(path, 10, since)).toBe(
      "  00:00:00.000 INFO  line  count=3\n  no JSON\n  00:00:00.000 INFO  line  count=4\n",
    );
    expect(logTail(path, 1, 0)).toBe("  00:00:00.000 INFO  line  count=4\n");
    // A smaller file is another one.
    expect(logTail(path, 1, 1e6)).toBe("  00:00:00.000 INFO  line  count=4\n");
    expect(logTail(join(folder, "none"), 10, 0)).toBe("");
  });

  test("of a long file has whole lines", () => {
    const path = join(folder, "long.log");
    writeFileSync(path, Array.from({ length: 3000 }, (_, index) => line(index)).join(""));
    const shown = logTail(path, 5000, 0).trimEnd().split("\n");
    expect(shown.at(-1)).toBe("  00:00:00.000 INFO  line  count=2999");
    expect(shown.every((text) => text.startsWith("  00:00:00.000 INFO  line  count="))).toBe(true);
  });
});
