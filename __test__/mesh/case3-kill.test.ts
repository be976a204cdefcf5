import { describe, expect, test } from "vitest";
import { testBackend } from "./harness/node.ts";
import { formMesh, type Member } from "./harness/ping.ts";
import { allowanceMs, median, nowMs } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** In the VM each restart takes many seconds. */
const repeats = testBackend === "kernel" ? 5 : 50;

describe("a node that is killed with -9 and started again", () => {
  const lab = useLab();
  const steady = lab.addNode("steady");
  const killed = lab.addNode("killed");

  test(`has the same key and addresses, and answers pings again, ${repeats} times in a row`, async () => {
    const [, { status: before }] = (await formMesh([steady, killed])) as [Member, Member];
    const samples: number[] = [];
    for (let round = 1; round <= repeats; round += 1) {
      await killed.kill9();
      const start = nowMs();
      killed.start();
      // From the other side: its tunnel to the old process must be replaced, too.
      await steady.pingUntilAnswered(before.mesh_ip, allowanceMs(2000));
      await steady.pingUntilAnswered(before.mesh_ipv6, allowanceMs(2000));
      samples.push(nowMs() - start);
      const { pubkey, mesh_ip, mesh_ipv6, interface_index } = await killed.untilRunning();
      expect({ pubkey, mesh_ip, mesh_ipv6 }).toEqual({
        pubkey: before.pubkey,
        mesh_ip: before.mesh_ip,
        mesh_ipv6: before.mesh_ipv6,
      });
      // A kernel interface outlives the process and is adopted; a TUN device goes with it.
      if (testBackend === "kernel") expect(interface_index).toBe(before.interface_index);
    }
    const worst = Math.max(...samples);
    console.log(`pings again: median ${Math.round(median(samples))} ms, worst ${Math.round(worst)} ms`);
  });
});
