/**
 * Three processes in network namespaces of their own: two WireGuard devices, and between them a host that routes nothing, so that
 * its relay is the only way from one to the other.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import type { BackendKind, RelaySession } from "@wgmesh/native";
import { TunnelEnd } from "./tunnelEnd.ts";

export const tokens = ["0101010101010101", "0202020202020202"] as const;

export interface Side {
  readonly end: TunnelEnd;
  readonly publicKey: string;
  /** Inside the tunnel. */
  readonly inner: string;
  readonly token: string;
  /** The relay as this side reaches it. */
  readonly relay: string;
  /** What bridge options it began with. */
  readonly bridge: object;
}

export interface Relayed {
  readonly a: Side;
  readonly b: Side;
  readonly relay: TunnelEnd;
  readonly session: number;
}

export interface Limits {
  readonly bytesPerSecond?: number;
  readonly packetsPerSecond?: number;
}

const unlimited: Limits = { bytesPerSecond: 4e9, packetsPerSecond: 1e7 };

/** Devices up, bridges open, each peer's endpoint its bridge; the first handshake is not made yet. */
export async function withRelayed(
  body: (world: Relayed) => Promise<void>,
  { limits = unlimited, kind = "embedded" }: { limits?: Limits; kind?: BackendKind } = {},
): Promise<void> {
  const relay = new TunnelEnd();
  const ends = [new TunnelEnd(), new TunnelEnd()];
  try {
    await relay.call("threads");
    relay.run("ip link set lo up");
    const secret = randomBytes(32).toString("hex");
    const port = await relay.call("openRelay", unlimited);
    const [first, second] = tokens;
    const session = await relay.call("addSession", { first, second, limits });
    const opened = await Promise.all(
      ends.map(async (end) => {
        await end.call("secret", { text: secret });
        return await end.call("open", { name: "wg0", mtu: 1400, kind });
      }),
    );
    const sides = ends.map((end, index): Side => {
      const near = `192.0.2.${16 * index}`.replace(/\d+$/, (last) => String(Number(last) + 1));
      const far = `192.0.2.${16 * index + 2}`;
      const link = `link add under netns ${end.pid} type veth peer name under${index} netns ${relay.pid}`;
      execFileSync("ip", link.split(" "));
      end.run(`ip address add ${near}/28 dev under`);
      relay.run(`ip address add ${far}/28 dev under${index}`);
      relay.run(`ip link set under${index} up`);
      for (const name of ["lo", "under"]) end.run(`ip link set ${name} up`);
      end.run(`ip address add 10.97.0.${index + 1}/24 dev wg0`);
      const at = `${far}:${port}`;
      const token = tokens[index] ?? "";
      const bridge = { wireguardPort: 51820, remote: at, token };
      return {
        end,
        publicKey: opened[index].publicKey,
        inner: `10.97.0.${index + 1}`,
        token,
        relay: at,
        bridge,
      };
    });
    const [a, b] = sides as [Side, Side];
    for (const { end } of sides) {
      await end.call("configure", { port: 51820 });
      await end.call("up");
    }
    for (const [side, other] of [
      [a, b],
      [b, a],
    ] as const) {
      await pointAt(side, other, await side.end.call("openBridge", side.bridge));
    }
    await untilConnected(relay);
    await body({ a, b, relay, session });
  } finally {
    await Promise.all([relay, ...ends].map((end) => end.kill()));
  }
}

/** The endpoint of the other end, as `side` has it. */
export async function pointAt(side: Side, other: Side, endpoint: string): Promise<void> {
  const peer = { publicKey: other.publicKey, presharedKey: true, allowedIps: [`${other.inner}/32`] };
  assert.deepEqual(await side.end.call("apply", { changes: [{ ...peer, endpoint }] }), []);
}

export async function untilConnected(relay: TunnelEnd): Promise<void> {
  await eventually("both ends are known to the relay", async () => {
    const sessions: RelaySession[] = await relay.call("sessions");
    return sessions.every(({ connected }) => connected.every(Boolean));
  });
}

export async function eventually(what: string, happened: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await happened())) {
    assert.ok(performance.now() < deadline, `in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Sends through the tunnel; what comes out at the other end is what went in. */
export async function transfer(from: Side, to: Side, bytes: number, text?: string): Promise<void> {
  const { sent, received } = await from.end.call("send", { host: to.inner, port: 7000, bytes, text });
  assert.equal(received, sent);
}

export interface Seen {
  readonly packets: number;
  /** Packets that held the text. */
  readonly plain: number;
  readonly frames: number;
}

/** Watches all interfaces of a host while `body` runs. */
export async function watching(end: TunnelEnd, text: string, body: () => Promise<void>): Promise<Seen> {
  const script = path.resolve("__test__/unit/native/capture.py");
  const child = spawn("nsenter", [`--target=${end.pid}`, "--net", "python3", script, text]);
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, "listening");
    await body();
    child.stdin.end("\n");
    return JSON.parse((await lines.next()).value);
  } finally {
    if (child.exitCode === null) {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    }
  }
}
