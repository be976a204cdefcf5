import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { processEntry, startOf } from "../unit/native/processes.ts";
import type { MeshNode, StatusJson } from "./harness/node.ts";
import { formMesh } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const backend = "wireguard-go";

const recordPath = (node: MeshNode): string => path.join(node.runDir, `${node.iface}.child.json`);

/** The child that the node wrote down. */
function childOf(node: MeshNode): number {
  const { pid } = JSON.parse(readFileSync(recordPath(node), "utf8")) as { pid: number };
  expect(processEntry(pid)?.parent).toBe(node.pid);
  return pid;
}

/** The child, once there is one other than `before`. */
function newChildOf(node: MeshNode, before: number): number | null {
  try {
    const pid = childOf(node);
    return pid === before ? null : pid;
  } catch {
    return null;
  }
}

const isGone = (pid: number): boolean => [undefined, "Z"].includes(processEntry(pid)?.state);

const untilGone = (pid: number): Promise<unknown> =>
  until(`process ${pid} is gone`, allowanceMs(1000), () => isGone(pid));

describe("nodes with --backend wireguard-go", () => {
  const lab = useLab();
  const one = lab.addNode("one", { backend });
  const two = lab.addNode("two", { backend });
  const embedded = lab.addNode("embedded", { backend: "embedded" });

  test("form a mesh with each other and with an embedded one, and say what they use", async () => {
    const members = await formMesh([one, two, embedded]);
    expect(members.map(({ status }) => status.backend)).toEqual([backend, backend, "embedded"]);
    expect(one.findLog(({ fields }) => fields?.msg === "backend selected")?.fields).toMatchObject({
      backend,
    });
    const peers = await one.wgPeers();
    expect(peers?.map(({ publicKey }) => publicKey).sort()).toEqual(
      members
        .slice(1)
        .map(({ status }) => status.pubkey)
        .sort(),
    );
  });

  test("notice their peers' handshakes, which wireguard-go tells nobody", async () => {
    await until("both peers are shown as connected", allowanceMs(5000), async () => {
      const { peers } = await one.rpc<{ peers: { connected: number } }>("daemon.status");
      return peers.connected === 2;
    });
  });

  test("whose child is killed or ends make another one, and keep the mesh", async () => {
    const { mesh_ip, listen_port } = await two.rpc<StatusJson>("daemon.status");
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      const pid = childOf(two);
      const since = two.log.length;
      process.kill(pid, signal);
      await until("another child is written down", allowanceMs(2000), () => newChildOf(two, pid));
      await one.pingUntilAnswered(mesh_ip, allowanceMs(3000));
      expect(processEntry(pid)).toBeNull();
      // That the link went may be heard before that its process did.
      const line = two.findLog(({ fields }) => fields?.msg === "interface made anew", since);
      expect(line?.fields?.found).toEqual([expect.stringMatching(/^interface deleted|wireguard-go is gone/)]);
    }
    expect((await two.rpc<StatusJson>("daemon.status")).listen_port).toBe(listen_port);
  });

  test("stopped, leave no process, socket, interface or record", async () => {
    const pid = childOf(two);
    expect(await two.stop()).toEqual({ code: 0, signal: null });
    expect(processEntry(pid)).toBeNull();
    expect(await two.hasInterface()).toBe(false);
    expect([...two.leftovers()]).toEqual([]);
    expect(() => readFileSync(recordPath(two))).toThrow(/ENOENT/);
  });

  test("killed with -9, take the child with them, and start again", async () => {
    const before = (await two.startAndWait()).pubkey;
    const pid = childOf(two);
    await two.kill9();
    await untilGone(pid);
    await until("the interface is gone", allowanceMs(1000), async () => !(await two.hasInterface()));
    const { pubkey, mesh_ip } = await two.startAndWait();
    expect(pubkey).toBe(before);
    await one.pingUntilAnswered(mesh_ip, allowanceMs(2000));
  });
});

describe("the child of another run", () => {
  const lab = useLab();
  const node = lab.addNode("node", { backend });
  const plain = lab.addNode("plain", { backend: "embedded" });

  /** A wireguard-go that nobody ended, with the record its daemon left. */
  async function leaveBehind(where: MeshNode): Promise<number> {
    await where.startAndWait();
    await where.stop();
    const script = `wireguard-go --foreground ${where.iface} >/dev/null 2>&1 & echo $!`;
    const { stdout } = await where.exec(["sh", "-c", script]);
    const pid = Number(stdout);
    await until("its interface is there", allowanceMs(1000), () => where.hasInterface());
    const socket = `/var/run/wireguard/${where.iface}.sock`;
    const record = { pid, start: startOf(pid), program: "/usr/bin/wireguard-go", socket };
    writeFileSync(recordPath(where), JSON.stringify(record), { mode: 0o600 });
    return pid;
  }

  test.each([
    ["wireguard-go", node],
    ["embedded", plain],
  ])("is ended by the next start with %s", async (_, where) => {
    const pid = await leaveBehind(where);
    const since = where.log.length;
    await where.startAndWait();
    expect(isGone(pid)).toBe(true);
    const line = where.findLog(
      ({ fields }) => fields?.msg === "ended the wireguard-go of a killed daemon",
      since,
    );
    expect(line?.fields).toMatchObject({ pid, level: "warn" });
    expect(await where.stop()).toEqual({ code: 0, signal: null });
  });

  test("is left alone when its number is another process's by now", async () => {
    const pid = await leaveBehind(node);
    const record = JSON.parse(readFileSync(recordPath(node), "utf8"));
    writeFileSync(recordPath(node), JSON.stringify({ ...record, start: `${record.start}0` }), {
      mode: 0o600,
    });
    node.start();
    // It holds the interface, so the start fails; but it lives.
    expect((await node.exit()).code).toBe(8);
    expect(isGone(pid)).toBe(false);
    process.kill(pid, "SIGTERM");
    await untilGone(pid);
  });
});

describe("without a usable wireguard-go", () => {
  const lab = useLab();

  test.each([
    ["missing", "/nonesuch/wireguard-go", /cannot use \/nonesuch\/wireguard-go: No such file/],
    ["another program", "/bin/true", /cannot use \/bin\/true: it is not wireguard-go/],
  ])(
    "a start with one that is %s ends with the reason and the remedy, nothing changed",
    async (what, program, message) => {
      const node = lab.addNode(what.split(" ")[0] ?? what, { backend, flags: ["--wireguard-go", program] });
      node.start();
      expect((await node.exit()).code).toBe(8);
      expect(node.logTail(10)).toMatch(message);
      expect(node.logTail(10)).toMatch(/apt install wireguard-go/);
      expect(await node.hasInterface()).toBe(false);
      expect(node.leftovers()).toEqual([]);
    },
  );
});
