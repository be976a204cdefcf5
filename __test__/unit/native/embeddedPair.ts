/** Two embedded devices, each in a process and network namespace of its own, with a veth pair between them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateSecretUri } from "@wgmesh/native";
import { TunnelEnd } from "./tunnelEnd.ts";

export interface Side {
  readonly end: TunnelEnd;
  readonly publicKey: string;
  readonly outer: string;
  readonly inner: string;
}

interface Options {
  /** Bring up peers too. */
  readonly peers?: boolean;
  /** With the test build of the addon. */
  readonly testBuild?: boolean;
}

/** Both ends with wg0 up on port 51820, inner addresses 10.99.0.1, .2 and fd99::1, ::2. */
export async function withPair(
  body: (a: Side, b: Side) => Promise<void>,
  { peers = true, testBuild = false }: Options = {},
): Promise<void> {
  const ends = Array.from({ length: 2 }, () => new TunnelEnd(undefined, "own", testBuild));
  try {
    const secret = generateSecretUri();
    const opened = await Promise.all(
      ends.map(async (end) => {
        await end.call("secret", { text: secret });
        return await end.call("open", { name: "wg0" });
      }),
    );
    join(ends[0], ends[1]);
    const sides = ends.map((end, i): Side => {
      const n = i + 1;
      end.run(`ip address add 192.0.2.${n}/24 dev under`);
      end.run(`ip address add 10.99.0.${n}/24 dev wg0`);
      end.run(`ip address add fd99::${n}/64 dev wg0 nodad`);
      for (const link of ["lo", "under"]) end.run(`ip link set ${link} up`);
      return { end, publicKey: opened[i].publicKey, outer: `192.0.2.${n}:51820`, inner: `10.99.0.${n}` };
    });
    const [a, b] = sides as [Side, Side];
    for (const { end } of sides) {
      await end.call("configure", { port: 51820 });
      await end.call("up");
    }
    if (peers) {
      await apply(a, [peer(b)]);
      await apply(b, [peer(a)]);
    }
    await body(a, b);
  } finally {
    await Promise.all(ends.map((end) => end.kill()));
  }
}

/** A veth pair named `under` in both namespaces. */
function join(a: TunnelEnd | undefined, b: TunnelEnd | undefined): void {
  const line = `link add under netns ${a?.pid} type veth peer name under netns ${b?.pid}`;
  execFileSync("ip", line.split(" "));
}

export function peer(side: Side): object {
  const n = side.inner.at(-1);
  return {
    publicKey: side.publicKey,
    presharedKey: true,
    endpoint: side.outer,
    allowedIps: [`${side.inner}/32`, `fd99::${n}/128`],
  };
}

export async function apply({ end }: Side, changes: readonly object[]): Promise<void> {
  assert.deepEqual(await end.call("apply", { changes }), []);
}

export function ping({ end }: Side, target: string, options = ""): void {
  end.run(`ping -c 3 -i 0.05 -W 2 ${options} ${target}`.replace(/ +/g, " "));
}

export async function transfer(from: Side, to: Side, host: string, bytes: number): Promise<void> {
  await to.end.call("serve", { port: 7000 });
  await send(from, host, bytes);
}

/** To the server that an earlier {@link transfer} left. */
export async function send(from: Side, host: string, bytes: number): Promise<void> {
  const { sent, received } = await from.end.call("send", { host, port: 7000, bytes });
  assert.equal(received, sent);
}
