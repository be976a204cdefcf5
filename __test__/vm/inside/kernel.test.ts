/** What only a kernel with WireGuard can show. Runs inside the VM, started by ../mesh.test.ts. */
import { spawn } from "node:child_process";
import { describe, expect, test } from "vitest";
import { formMesh, pingAllPairs } from "../../mesh/harness/ping.ts";
import { useLab } from "../../mesh/harness/useLab.ts";

describe("the kernel backend", () => {
  const lab = useLab();

  test("is the one that auto picks", async () => {
    const node = lab.addNode("auto", { backend: "auto" });
    expect((await node.startAndWait()).backend).toBe("kernel");
    await node.stop();
  });

  test("forms one mesh with an embedded node", async () => {
    const kernel = lab.addNode("kernel", { backend: "kernel" });
    const embedded = lab.addNode("embedded", { backend: "embedded" });
    const members = await formMesh([kernel, embedded]);
    expect(members.map(({ status }) => status.backend)).toEqual(["kernel", "embedded"]);
    await kernel.stop();
    await embedded.stop();
  });

  test("adopts the interface of a killed process: same index, same port, never down, other links untouched", async () => {
    const killed = lab.addNode("adopter", { backend: "kernel" });
    const other = lab.addNode("other", { backend: "kernel" });
    const [before] = await formMesh([killed, other]);
    await killed.kill9();
    expect(await killed.hasInterface()).toBe(true);
    const [file = "", ...args] = killed.command("ip", "-o", "monitor", "link");
    const monitor = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
    let changes = "";
    monitor.stdout.on("data", (chunk: Buffer) => {
      changes += chunk.toString();
    });
    const after = await killed.startAndWait();
    await pingAllPairs([
      { node: killed, status: after },
      { node: other, status: await other.untilRunning() },
    ]);
    monitor.kill("SIGKILL");
    expect(after.interface_index).toBe(before?.status.interface_index);
    expect(after.listen_port).toBe(before?.status.listen_port);
    for (const change of changes.split("\n").filter(Boolean)) {
      expect(change).toMatch(/\bwg0: <[^>]*\bUP\b/);
      expect(change).not.toContain("Deleted");
    }
    await killed.stop();
    expect(await killed.hasInterface()).toBe(false);
  });

  test.each(["dummy", "bridge", "vxlan id 7 dstport 4789"])(
    "refuses a wg0 that is a %s link",
    async (kind) => {
      const node = lab.addNode(`not${kind.split(" ")[0]}`, { backend: "kernel" });
      const add = ["ip", "link", "add", "wg0", "type", ...kind.split(" ")];
      expect((await node.exec(add)).code).toBe(0);
      const before = (await node.exec(["ip", "link", "show", "wg0"])).stdout;
      const { code, stdout, stderr } = await node.exec(node.daemonCommand());
      expect(code).toBe(8);
      expect(stdout + stderr).toContain("wg0");
      expect((await node.exec(["ip", "link", "show", "wg0"])).stdout).toBe(before);
    },
  );
});
