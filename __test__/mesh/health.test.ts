/**
 * Row E4 with real daemons: a node that fails, in four ways. `WGMESH_HEALTH_WHOLE=1` lets each failure last as long as a bad day has it,
 * one after another on five nodes; without it all four happen at once, for half a minute. An emulated machine has them one after another
 * on three nodes.
 */
import { describe, expect, test } from "vitest";
import { calm } from "./harness/calm.ts";
import { must } from "./harness/exec.ts";
import type { Lab } from "./harness/lab.ts";
import { type MeshNode, type PeerJson, type StatusJson, testBackend } from "./harness/node.ts";
import { formMesh, type Member, SteadyPing } from "./harness/ping.ts";
import { allowanceMs, delay, isEmulated, nowMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

const isWhole = process.env.WGMESH_HEALTH_WHOLE !== undefined;

/** Row E4. */
const SUSPECT_MS = 30_000;
const EVICTED_MS = 240_000;
const BACK_MS = 5_000;
/** A machine that does other things as well is late. */
const SLACK_MS = isEmulated ? 60_000 : 10_000;
/** Until everybody has asked everybody once. */
const SETTLE_MS = 8_000;

interface Failure {
  readonly name: string;
  /** How long it lasts, in the long form. */
  readonly lastsMs: number;
  begin(node: MeshNode): Promise<void> | void;
  end(node: MeshNode): Promise<void> | void;
}

const at = (namespace: string, ...command: string[]): void => {
  must(["ip", "netns", "exec", namespace, ...command]);
};

/** Nothing comes in by the link, and nobody is told: what a cable does that is broken behind the next switch. */
const swallow = (link: string): string =>
  `add table netdev cut; add chain netdev cut in { type filter hook ingress device ${link} priority 0; policy drop; }`;
const NO_TABLE = ["nft", "delete", "table", "netdev", "cut"] as const;
const bridgeOf = ({ host }: MeshNode): string => host.namespace.replace(/[^-]+$/, "bridge");
/** The other end of its link. */
const portOf = ({ host }: MeshNode): string => `p${host.address.split(".")[3]}`;

/** Packets to WireGuard's port are dropped: the node sends, and hears nothing by it. */
const BLOCK = (port: number): string =>
  `add table inet blocked; add chain inet blocked in { type filter hook input priority 0; }; add rule inet blocked in udp dport ${port} drop`;

const stopped: Failure = {
  name: "stopped",
  lastsMs: 60_000,
  begin: (node) => node.signal("SIGSTOP"),
  end: (node) => node.signal("SIGCONT"),
};
const cut: Failure = {
  name: "cut",
  lastsMs: 300_000,
  begin: (node) => {
    at(node.host.namespace, "nft", swallow("eth0"));
    at(bridgeOf(node), "nft", swallow(portOf(node)));
  },
  end: (node) => {
    at(bridgeOf(node), ...NO_TABLE);
    at(node.host.namespace, ...NO_TABLE);
  },
};
const blocked: Failure = {
  name: "blocked",
  lastsMs: 270_000,
  begin: async (node) => {
    const { listen_port } = await node.rpc<StatusJson>("daemon.status");
    at(node.host.namespace, "nft", BLOCK(listen_port));
  },
  end: (node) => at(node.host.namespace, "nft", "delete", "table", "inet", "blocked"),
};
const killed: Failure = {
  name: "killed",
  lastsMs: 260_000,
  begin: async (node) => {
    await node.kill9();
    // The kernel's tunnel outlives its daemon, and what works is healthy: there the machine dies, too.
    if (testBackend === "kernel") at(node.host.namespace, "ip", "link", "delete", node.iface);
  },
  end: async (node) => {
    await node.startAndWait();
  },
};

/** What a node thinks of another; "gone" when it does not know it any more. */
async function healthAt(node: MeshNode, key: string): Promise<string> {
  const peer = await node.rpc<PeerJson>("peers.get", { pubkey: key }).catch(() => null);
  return peer === null ? "gone" : (peer.health ?? "none");
}

const IN_TROUBLE = ["suspect", "reconnecting", "evicted", "cooling", "gone"];

async function untilAll(
  what: string,
  rest: readonly Member[],
  key: string,
  states: readonly string[],
  limitMs: number,
): Promise<number> {
  const start = nowMs();
  await Promise.all(
    rest.map(({ node }) =>
      until(`${node.name}: ${what}`, limitMs, async () => {
        await delay(200);
        return states.includes(await healthAt(node, key));
      }),
    ),
  );
  return Math.round(nowMs() - start);
}

/** The whole course of one failure, as the rest of the mesh sees it. */
async function suffer(
  failure: Failure,
  victim: Member,
  rest: readonly Member[],
  lastsMs: number,
): Promise<void> {
  const { name } = failure;
  const key = victim.status.pubkey;
  const start = nowMs();
  await failure.begin(victim.node);
  const suspectMs = await untilAll(`${name} is suspect`, rest, key, IN_TROUBLE, SUSPECT_MS + SLACK_MS);
  let evictedMs: number | null = null;
  if (lastsMs > EVICTED_MS) {
    evictedMs = await untilAll(`${name} is evicted`, rest, key, ["gone"], EVICTED_MS + SLACK_MS);
  }
  await delay(Math.max(0, start + lastsMs - nowMs()));
  await failure.end(victim.node);
  const back = nowMs();
  await Promise.all(
    rest.map(({ node }) => node.pingUntilAnswered(victim.status.mesh_ip, BACK_MS + SLACK_MS)),
  );
  const backMs = Math.round(nowMs() - back);
  await untilAll(`${name} is healthy again`, rest, key, ["healthy"], allowanceMs(BACK_MS));
  const evicted = evictedMs === null ? "not evicted" : `evicted after ${suspectMs + evictedMs} ms`;
  console.log(`${name}: suspect after ${suspectMs} ms, ${evicted}, back ${backMs} ms after its end`);
}

/** Everybody of `rest` pings somebody else of it meanwhile; not one ping is lost. */
async function withoutLoss(rest: readonly Member[], action: () => Promise<void>): Promise<void> {
  const pings = rest.map(({ node }, index) => {
    const next = rest[(index + 1) % rest.length] as Member;
    return new SteadyPing(node, next.status.mesh_ip, 200);
  });
  const outcome = await action().then(
    () => null,
    (error: unknown) => error,
  );
  const counts = await Promise.all(pings.map((ping) => ping.finish()));
  if (outcome !== null) throw outcome;
  expect(counts.flatMap(({ lost }) => lost)).toEqual([]);
}

const nodesOf = (lab: Lab, names: readonly string[]): MeshNode[] =>
  names.map((name) => lab.addNode(name, { flags: calm }));

async function formed(nodes: readonly MeshNode[]): Promise<Member[]> {
  const members = await formMesh(nodes);
  await delay(SETTLE_MS);
  return members;
}

describe("nodes that fail are suspect within 30 s, are back within 5 s, and the others lose no ping", () => {
  const lab = useLab();
  const failures = [stopped, cut, blocked, killed];

  if (isWhole || isEmulated) {
    const names = isEmulated ? ["a", "b", "victim"] : ["a", "b", "c", "d", "victim"];
    const nodes = nodesOf(lab, names);
    let members: Member[] = [];
    test.each(failures)(`one of ${names.length}, $name`, { timeout: 1_200_000 }, async (failure) => {
      if (members.length === 0) members = await formed(nodes);
      const [victim, ...rest] = [...members].reverse() as [Member, ...Member[]];
      await withoutLoss(rest, () => suffer(failure, victim, rest, isWhole ? failure.lastsMs : 1_000));
    });
  } else {
    test("four at once: stopped, cut off, blocked in one direction, killed", {
      timeout: 120_000,
    }, async () => {
      const nodes = nodesOf(lab, ["steady", "other", "third", ...failures.map(({ name }) => name)]);
      const members = await formed(nodes);
      const rest = members.slice(0, 3);
      await withoutLoss(rest, async () => {
        await Promise.all(
          failures.map((failure, index) => suffer(failure, members[3 + index] as Member, rest, 1_000)),
        );
      });
      const types = rest[0]?.node.log.map(({ fields }) => fields?.msg) ?? [];
      expect(types).toContain("peer does not answer");
      expect(types).toContain("peer is well again");
    });
  }
});
