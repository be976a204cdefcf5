import { describe, expect, test } from "vitest";
import { formMesh } from "./harness/ping.ts";
import { allowanceMs, isEmulated, timed, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** An emulated machine spends minutes on the starts of ten daemons beside other suites. */
const MANY = isEmulated ? 5 : 10;

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `n${index + 1}`);

describe("nodes on one bridge without Internet, DNS or a default route", () => {
  describe("three of them", () => {
    const lab = useLab();
    const nodes = names(3).map((name) => lab.addNode(name));

    test("answer every ping", async () => {
      for (const node of nodes) {
        expect((await node.exec(["ip", "route", "show", "default"])).stdout).toBe("");
      }
      const { ms, value: members } = await timed(() => formMesh(nodes));
      console.log(`three nodes: every ping answered ${Math.round(ms)} ms after launch`);
      expect(members).toHaveLength(3);
    });
  });

  describe("many of them", () => {
    const lab = useLab();
    const nodes = names(MANY).map((name) => lab.addNode(name));

    test("have a handshake with every other", async () => {
      const { ms } = await timed(async () => {
        for (const node of nodes) node.start();
        await Promise.all(nodes.map((node) => node.untilRunning()));
        // One after the other: asking all at once, again and again, would take the processor that an emulated machine needs for them.
        const limitMs = allowanceMs(2500);
        for (const node of nodes) {
          await until(`a handshake of ${node.name} with each other`, limitMs, async () => {
            const seen = await node.wgPeers();
            return seen?.length === MANY - 1 && seen.every(({ latestHandshake }) => latestHandshake > 0);
          });
        }
      });
      console.log(`${MANY} nodes: all handshakes ${Math.round(ms)} ms after launch`);
    });
  });
});
