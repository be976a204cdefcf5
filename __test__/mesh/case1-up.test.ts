import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { pingAllPairs } from "./harness/ping.ts";
import { useLab } from "./harness/useLab.ts";

const up = ["bash", path.resolve(import.meta.dirname, "../../scripts/up.sh")];

describe("npm run up", () => {
  const lab = useLab();

  test("makes a secret for a first node, says how others join, and a second one joins so", async () => {
    const first = lab.addNode("first", { program: up, secretFile: null });
    first.start();
    const inFirst = await first.untilRunning();

    const secretFile = path.join(first.stateDir, "wg0.secret");
    const secret = readFileSync(secretFile, "utf8").trim();
    expect(statSync(secretFile).mode & 0o777).toBe(0o600);
    expect(secret).toMatch(/^wgmesh:\/\/v1\/[A-Za-z0-9_-]{43,}$/);
    const output = first.logTail(1000);
    expect(output).toContain(secretFile);
    expect(output).toContain("npm run up -- --iface wg0 --secret-file");
    expect(output).not.toContain(secret.slice("wgmesh://v1/".length));

    const second = lab.addNode("second", { program: up, secretFile });
    second.start();
    const inSecond = await second.untilRunning();
    await pingAllPairs([
      { node: first, status: inFirst },
      { node: second, status: inSecond },
    ]);
  });

  test("uses the secret it made when it is started again", async () => {
    const node = lab.addNode("again", { program: up, secretFile: null });
    node.start();
    const { mesh_ip } = await node.untilRunning();
    await node.stop();
    node.start();
    expect((await node.untilRunning()).mesh_ip).toBe(mesh_ip);
  });
});
