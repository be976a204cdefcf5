import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { MeshNode } from "../../mesh/harness/node.ts";
import { formMesh, type Member, SteadyPing } from "../../mesh/harness/ping.ts";
import { allowanceMs, delay, until } from "../../mesh/harness/time.ts";
import { useLab } from "../../mesh/harness/useLab.ts";

interface Kernel {
  readonly link: string;
  readonly addresses: string;
  readonly routes: string;
  readonly peers: string;
}

/** What the kernel holds of the node, less what time changes. */
async function kernelOf(node: MeshNode): Promise<Kernel> {
  const text = async (...command: string[]): Promise<string> => (await node.exec(command)).stdout;
  const [link = ""] = (await text("ip", "-o", "link", "show", "dev", "wg0")).split(" mtu");
  return {
    link,
    addresses: await text("ip", "-o", "address", "show", "dev", "wg0"),
    routes: await text("ip", "route", "show", "dev", "wg0"),
    peers: [
      await text("wg", "show", "wg0", "endpoints"),
      await text("wg", "show", "wg0", "allowed-ips"),
    ].join(),
  };
}

describe("wgmesh restart with the kernel's WireGuard", () => {
  const lab = useLab();
  const steady = lab.addNode("steady", { flags: ["--advertise-routes", "10.77.0.0/24"] });
  const restarted = lab.addNode("restarted");

  test("keeps link, addresses, peers, sessions and routes: a ping through it loses nothing", async () => {
    const [, { status: before }] = (await formMesh([steady, restarted])) as [Member, Member];
    await until("the advertised network is routed", allowanceMs(1000), async () =>
      (await kernelOf(restarted)).routes.includes("10.77.0.0/24"),
    );
    // An address of the advertised network, so that packets follow the route.
    expect((await steady.exec(["ip", "address", "add", "10.77.0.1/32", "dev", "lo"])).code).toBe(0);
    await restarted.pingUntilAnswered("10.77.0.1", allowanceMs(1000));
    const kernel = await kernelOf(restarted);

    const pings = [
      new SteadyPing(steady, before.mesh_ip, 200, true),
      new SteadyPing(restarted, "10.77.0.1", 200, true),
    ];
    await delay(1000);
    const since = restarted.log.length;
    // Not by `wgmesh restart`: it has no patience with an emulated machine.
    await restarted.rpc("daemon.restart");
    await until("the successor is ready", allowanceMs(3000), () =>
      restarted.findLog(({ text }) => text.includes("wgmeshd is ready"), since),
    );
    expect(await kernelOf(restarted)).toEqual(kernel);
    // The first cycles, and what the peers say, change nothing either.
    await delay(5000);
    const counts = await Promise.all(pings.map((ping) => ping.finish()));
    expect(await kernelOf(restarted)).toEqual(kernel);
    expect(counts.map(({ lost }) => lost)).toEqual([[], []]);
    expect(counts[0]?.sent).toBeGreaterThan(20);

    const after = await restarted.untilRunning();
    expect(after).toMatchObject({ pid: before.pid, interface_index: before.interface_index });
    expect(
      restarted.findLog(({ text }) => text.includes("interface taken over as it is"), since),
    ).toBeDefined();
    expect(await restarted.stop()).toEqual({ code: 0, signal: null });
    expect(await restarted.hasInterface()).toBe(false);
  });

  test("writes the mesh's preshared key again, so a wrong one that somebody has set is mended", async () => {
    const seen = await steady.untilRunning();
    await restarted.startAndWait();
    await restarted.pingUntilAnswered(seen.mesh_ip, allowanceMs(1000));
    const keysOfPeers = async (): Promise<string> =>
      (await restarted.exec(["wg", "show", "wg0", "preshared-keys"])).stdout;
    const right = await keysOfPeers();
    expect(right).toContain(`${seen.pubkey}\t`);
    expect(right).not.toContain("(none)");
    const file = path.join(restarted.host.folder, "wrong.key");
    writeFileSync(file, `${randomBytes(32).toString("base64")}\n`, { mode: 0o600 });
    // The daemon mends it with its next look at the interface too: it sleeps until the key is seen to be wrong and the order to
    // restart waits at its socket.
    const { pid } = await restarted.untilRunning();
    const since = restarted.log.length;
    process.kill(pid, "SIGSTOP");
    let restarting: Promise<unknown>;
    try {
      await restarted.exec(["wg", "set", "wg0", "peer", seen.pubkey, "preshared-key", file]);
      const wrong = await keysOfPeers();
      expect(wrong).toContain(`${seen.pubkey}\t`);
      expect(wrong).not.toBe(right);
      restarting = restarted.rpc("daemon.restart");
      await delay(300);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await restarting;
    await until("the successor is ready", allowanceMs(3000), () =>
      restarted.findLog(({ text }) => text.includes("wgmeshd is ready"), since),
    );
    await until("the key is the mesh's", allowanceMs(1000), async () => (await keysOfPeers()) === right);
    expect(
      restarted.findLog(({ text }) => text.includes("interface taken over as it is"), since),
    ).toBeDefined();
    await restarted.untilRunning();
    expect(await restarted.stop()).toEqual({ code: 0, signal: null });
  });

  test("leaves no interface when its process is ended between its two programs", async () => {
    const { pid } = await restarted.startAndWait();
    const since = restarted.log.length;
    await restarted.rpc("daemon.restart");
    // Nobody listens for signals from here on until the successor has loaded.
    await until("the first program has stopped", allowanceMs(3000), () =>
      restarted.findLog(({ text }) => text.includes("wgmeshd stopped"), since),
    );
    process.kill(pid, "SIGTERM");
    await until("the interface is gone", allowanceMs(3000), async () => !(await restarted.hasInterface()));
    expect(restarted.findLog(({ text }) => text.includes('"wgmeshd starts"'), since)).toBeUndefined();
  });
});
