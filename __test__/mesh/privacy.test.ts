import { MeshSecret } from "@wgmesh/native";
import { describe, expect, test } from "vitest";
import { decodeAnnouncement } from "../../src/wire/announcement.ts";
import type { OpenedEnvelope } from "../../src/wire/envelope.ts";
import { recordMessages } from "./harness/controlMessages.ts";
import type { Lab } from "./harness/lab.ts";
import type { MeshNode, StatusJson } from "./harness/node.ts";
import { type Member, pingAllPairs } from "./harness/ping.ts";
import { allowanceMs, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

/** Each node is told of the one before it, so that the first and the last can hear of each other from the others alone. */
function chain(lab: Lab, flags: readonly (readonly string[])[]): MeshNode[] {
  const nodes: MeshNode[] = [];
  for (const [index, own] of flags.entries()) {
    const before = nodes.at(-1);
    const peer = before === undefined ? [] : ["--peer", before.host.address];
    nodes.push(lab.addNode(`n${index + 1}`, { flags: ["--no-lan-discovery", ...peer, ...own] }));
  }
  return nodes;
}

async function started(nodes: readonly MeshNode[]): Promise<Member[]> {
  for (const node of nodes) node.start();
  return Promise.all(nodes.map(async (node) => ({ node, status: await node.untilRunning() })));
}

const typesOf = (messages: readonly OpenedEnvelope[]): Set<string> =>
  new Set(messages.map(({ type }) => type));

/** How many other nodes each of the messages names. */
const namedIn = (messages: readonly OpenedEnvelope[]): number[] =>
  messages
    .filter(({ type }) => ["HELLO", "REPLY", "ANNOUNCE"].includes(type))
    .map(({ payload }) => {
      const decoded = decodeAnnouncement(payload);
      return decoded.ok ? decoded.value.knownPeers.length : Number.NaN;
    });

describe("five nodes with --privacy, of which each is told of one other", () => {
  const lab = useLab();
  const nodes = chain(
    lab,
    Array.from({ length: 5 }, () => ["--privacy"]),
  );

  test("all find each other, and no message on the underlay names a third", async () => {
    const sealer = MeshSecret.fromFile(lab.secretFile);
    const outside = await Promise.all(nodes.map((node) => recordMessages(node, "eth0", sealer)));
    // Its tunnels are watched from the first one on.
    const [middle, ...others] = [...nodes.slice(2), ...nodes.slice(0, 2)] as [MeshNode, ...MeshNode[]];
    const [inMiddle] = (await started([middle])) as [Member];
    const inside = await recordMessages(middle, middle.iface, sealer);
    const members = [inMiddle, ...(await started(others))];
    await pingAllPairs(members, 6_000);

    const seen = (await Promise.all(outside.map(({ finish }) => finish()))).flat();
    const named = namedIn(seen);
    expect(named.length).toBeGreaterThan(2 * 10);
    expect(new Set(named)).toEqual(new Set([0]));
    expect(typesOf(seen)).not.toContain("DANDELION");
    const carried = await inside.finish();
    expect(typesOf(carried)).toContain("DANDELION");
    expect(new Set([0, ...namedIn(carried)])).toEqual(new Set([0]));
  });

  test("say in their status which epoch it is, and run it as a task", async () => {
    const [node] = nodes as [MeshNode];
    const { layers, tasks } = await node.clientJson<
      StatusJson & {
        layers: { name: string; state: string; detail: string }[];
        tasks: { name: string; state: string }[];
      }
    >("status");
    const layer = layers.find(({ name }) => name === "privacy");
    expect(layer?.state).toBe("running");
    expect(layer?.detail).toMatch(/^epoch 1 ends in \d+ s, 2 relays, \d+ announced, \d+ passed on$/);
    const epochs = tasks.find(({ name }) => name === "discovery.epochs");
    expect(epochs?.state).toBe("running");
    expect(layers).toContainEqual(
      expect.objectContaining({ name: "gossip", state: "off", detail: "--privacy" }),
    );
  });

  test("end in order", async () => {
    const [node] = nodes as [MeshNode];
    expect(await node.stop()).toMatchObject({ code: 0 });
  });
});

describe("a mesh in which one node does without --privacy", () => {
  const lab = useLab();
  const nodes = chain(lab, [["--privacy"], [], ["--privacy"], ["--privacy"]]);

  test("is one mesh all the same", async () => {
    const members = await started(nodes);
    await pingAllPairs(members, 6_000);
    const [, plain] = members as [Member, Member];
    const passedOn = await until("it has passed announcements on", allowanceMs(2_000), async () => {
      const { layers } = await plain.node.clientJson<{ layers: { name: string; detail: string }[] }>(
        "status",
      );
      const detail = layers.find(({ name }) => name === "privacy")?.detail ?? "";
      return Number(/(\d+) announcements of others passed on/.exec(detail)?.[1] ?? 0) > 0;
    });
    expect(passedOn).toBe(true);
  });
});
