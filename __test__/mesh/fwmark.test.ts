import { beforeAll, describe, expect, test } from "vitest";
import { must } from "./harness/exec.ts";
import type { MeshNode, StatusJson } from "./harness/node.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const MARK = "0x51a";
/** Nobody has these addresses; that something is sent there is all that counts. */
const SILENT = { dht: "192.0.2.250:6881", stun: "192.0.2.251" };
/** What leaves a node below its tunnel, each by what tells it. */
const KINDS: Readonly<Record<string, string>> = {
  wireguard: "udp sport 51820 @th,64,8 1-4",
  control: "udp sport { 40000-51819, 51831-65535 } ip daddr 192.0.2.0/28",
  lan: "udp dport 51830",
  dht: "udp dport 6881",
  stun: "udp dport 3478 udp sport != 51820",
  "WireGuard's port": "udp dport 3478 udp sport 51820",
  relay: "@th,64,24 0x574752",
};

describe("with --fwmark", () => {
  const lab = useLab();
  const flags = ["--fwmark", MARK, "--dht-bootstrap", SILENT.dht, "--stun-server", SILENT.stun];
  const relay = lab.addNode("relay", { flags });
  const alice = lab.addNode("alice", { flags: [...flags, "--peer", relay.host.address] });
  const bob = lab.addNode("bob", {
    flags: [...flags, "--peer", relay.host.address],
    backend: "wireguard-go",
  });
  const nodes = [relay, alice, bob];
  let statuses: StatusJson[];

  /** Counts what the host sends, from before the node begins; an address it cannot reach makes the relay necessary. */
  function count({ host }: MeshNode, apart: string | null): void {
    const kinds = Object.entries(KINDS).map(([, rule]) => rule);
    must(
      ["ip", "netns", "exec", host.namespace, "nft", "-f", "-"],
      `table inet marks {
        counter marked {}
        counter unmarked {}
        ${kinds.map((_, index) => `counter kind${index} {}`).join("\n")}
        chain out {
          type filter hook output priority 0;
          oifname != "eth0" accept
          meta l4proto { tcp, udp } meta mark ${MARK} counter name marked
          meta l4proto { tcp, udp } meta mark != ${MARK} counter name unmarked
          ${kinds.map((rule, index) => `${rule} meta mark ${MARK} counter name kind${index}`).join("\n")}
          ${apart === null ? "" : `ip daddr ${apart} drop`}
        }
      }\n`,
    );
  }

  async function counted(node: MeshNode): Promise<Record<string, number>> {
    const { stdout } = await node.exec(["nft", "-j", "list", "counters"]);
    const { nftables } = JSON.parse(stdout) as {
      nftables: { counter?: { name: string; packets: number } }[];
    };
    const packets = nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : []));
    return Object.fromEntries(packets) as Record<string, number>;
  }

  beforeAll(async () => {
    count(relay, null);
    count(alice, bob.host.address);
    count(bob, alice.host.address);
    statuses = await Promise.all(nodes.map((node) => node.startAndWait()));
  });

  test("all that nodes send has the mark, from the first packet on", async () => {
    const [, , there] = statuses as [StatusJson, StatusJson, StatusJson];
    await alice.pingUntilAnswered(there.mesh_ip, allowanceMs(10_000));
    const names = Object.keys(KINDS);
    const sent = await until("each kind was sent by somebody", allowanceMs(10_000), async () => {
      const all = await Promise.all(nodes.map(counted));
      const isComplete = names.every((_, index) => all.some((one) => (one[`kind${index}`] ?? 0) > 0));
      return isComplete && all;
    }).catch(async (error: unknown) => {
      throw new Error(`${error}: ${JSON.stringify(await Promise.all(nodes.map(counted)))} ${names}`);
    });
    for (const one of sent) {
      expect(one.marked).toBeGreaterThan(0);
      expect(one.unmarked).toBe(0);
    }
  });

  test("wg shows the mark, and another one is mended", async () => {
    const shown = async (node: MeshNode): Promise<string> =>
      (await node.exec(["wg", "show", "wg0", "fwmark"])).stdout.trim();
    for (const node of nodes) expect(await shown(node)).toBe(MARK);
    for (const [wrong, found] of [
      ["off", "fwmark off"],
      ["0x2b", "fwmark 0x2b"],
    ] as const) {
      const since = alice.log.length;
      expect((await alice.exec(["wg", "set", "wg0", "fwmark", wrong])).code).toBe(0);
      await until(`${found} is mended`, allowanceMs(6_000), () => {
        const line = alice.findLog(({ fields }) => fields?.msg === "foreign change mended", since);
        return line?.text.includes(found) === true;
      });
      expect(await shown(alice)).toBe(MARK);
    }
  });

  test("a mark that is none is refused by name", async () => {
    const other = lab.addNode("other", { flags: ["--fwmark", "0x100000000"] });
    other.start();
    expect((await other.exit()).code).toBe(2);
    expect(other.logTail(5)).toContain('--fwmark: "0x100000000" is not a firewall mark');
  });
});
