/** Nodes of the DHT with one another, and with others that wish them ill; all on this host's loopback. */
import { createSocket, type Socket } from "node:dgram";
import { readdirSync, readFileSync } from "node:fs";
import { DhtNode, type DhtOptions } from "@wgmesh/native";
import { afterEach, describe, expect, test, vi } from "vitest";
import { nodeAddresses } from "../../../src/discovery/dht/nodesFile.ts";
import { seededRandom } from "../support/seededRandom.ts";

vi.setConfig({ testTimeout: 60_000 });

const ID = "4a0e5c9c1333c9a19eb5985827d198d27354387b";
const address = "127.0.0.1";
const open: DhtNode[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  await Promise.all(open.splice(0).map((node) => node.close()));
});

function start(options: DhtOptions): DhtNode {
  const node = DhtNode.open({ address, ...options });
  open.push(node);
  return node;
}

const at = async (node: DhtNode): Promise<string> => `${address}:${(await node.status()).port}`;

/** A DHT of its own: where its nodes are. */
async function network(size: number): Promise<string[]> {
  const first = start({ server: true });
  const places = [await at(first)];
  for (let count = 1; count < size; count += 1) {
    places.push(await at(start({ server: true, bootstrap: places.slice(0, 1) })));
  }
  return places;
}

async function peersOf(node: DhtNode, id = ID): Promise<string[]> {
  const found: string[] = [];
  await node.lookup(id, (peers) => found.push(...peers));
  return found;
}

/** A socket on loopback, and its port. */
async function udp(onMessage: (data: Buffer, from: number, socket: Socket) => void): Promise<number> {
  const socket = createSocket("udp4");
  sockets.push(socket);
  socket.on("message", (data, { port }) => onMessage(data, port, socket));
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  return socket.address().port;
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries += 1) {
    if (tries > 500) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("nodes of one network", () => {
  test("find who announced itself, and list one another", async () => {
    const bootstrap = await network(4);
    const [alice, bob] = [start({ bootstrap }), start({ bootstrap })];
    expect(await peersOf(bob)).toEqual([]);
    await alice.announce(ID, 51_999);
    await until("bob finds alice", async () => (await peersOf(bob)).includes("127.0.0.1:51999"));
    await bob.announce(ID, 52_000);
    await until("alice finds both", async () => new Set(await peersOf(alice)).size === 2);
    const { id, nodes, publicAddress, server } = await alice.status();
    expect(id).toMatch(/^[0-9a-f]{40}$/);
    expect(nodes).toBeGreaterThan(0);
    expect(publicAddress).toBe(await at(alice));
    expect(server).toBe(false);
    const records = await alice.nodes();
    expect(records.length % 38).toBe(0);
    const listed = nodeAddresses(records).map(({ host, port }) => `${host}:${port}`);
    expect(listed).not.toEqual([]);
    expect(bootstrap).toEqual(expect.arrayContaining(listed));
  });

  test("announce for nobody: an error, soon", async () => {
    const dead = await udp(() => {});
    const node = start({ bootstrap: [`${address}:${dead}`], requestTimeoutMs: 100 });
    await expect(node.announce(ID, 1)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("closing", () => {
  test("ends calls under way, joins the threads, frees the port, and calls nobody afterwards", async () => {
    const threads = (): string[] =>
      readdirSync("/proc/self/task").map((task) => {
        try {
          return readFileSync(`/proc/self/task/${task}/comm`, "utf8").trim();
        } catch {
          return "";
        }
      });
    const ours = (): number => threads().filter((name) => /^(wgmesh-dht|Mainline)/.test(name)).length;
    const dead = await udp(() => {});
    const node = start({ bootstrap: [`${address}:${dead}`], requestTimeoutMs: 30_000 });
    const { port } = await node.status();
    expect(ours()).toBeGreaterThan(0);
    let called = 0;
    const pending = node.lookup(ID, () => {
      called += 1;
    });
    const announced = node.announce(ID, 1);
    const refused = Promise.all([
      expect(pending).rejects.toMatchObject({ code: "ECANCELED" }),
      expect(announced).rejects.toMatchObject({ code: "ECANCELED" }),
    ]);
    await node.close();
    await refused;
    await node.close();
    await expect(node.status()).rejects.toMatchObject({ code: "EBADF" });
    await until("no thread of ours is left", () => ours() === 0);
    const again = start({ port });
    expect((await again.status()).port).toBe(port);
    expect(called).toBe(0);
  });

  test("can come before the end of many calls, and too many are refused", async () => {
    const dead = await udp(() => {});
    const node = start({ bootstrap: [`${address}:${dead}`], requestTimeoutMs: 30_000 });
    const calls = Array.from({ length: 40 }, () => node.lookup(ID, () => {}).catch((error) => error.code));
    await node.close();
    const codes = await Promise.all(calls);
    expect(codes.filter((code) => code === "ECANCELED")).toHaveLength(16);
    expect(codes.filter((code) => code === "EAGAIN")).toHaveLength(24);
  });
});

test("options and arguments that make no sense are refused", async () => {
  const codeOf = (options: DhtOptions): string => {
    try {
      start(options);
    } catch (error) {
      return (error as { code: string }).code;
    }
    return "";
  };
  expect(codeOf({ bootstrap: ["router.example:6881"] })).toBe("EINVAL");
  expect(codeOf({ bootstrap: ["[2001:db8::1]:6881"] })).toBe("EINVAL");
  expect(codeOf({ bootstrap: Array.from({ length: 101 }, () => "127.0.0.1:1") })).toBe("EINVAL");
  expect(codeOf({ port: 65_536 })).toBe("EINVAL");
  expect(codeOf({ address: "192.0.2.77" })).toBe("EADDRNOTAVAIL");
  expect(codeOf({ requestTimeoutMs: 10 })).toBe("EINVAL");
  expect(codeOf({ bootsrap: [] } as DhtOptions)).toBe("EINVAL");
  const node = start({});
  const { port } = await node.status();
  expect(codeOf({ port })).toBe("EADDRINUSE");
  await expect(node.announce(ID, 0)).rejects.toMatchObject({ code: "EINVAL" });
  await expect(node.announce(ID, 65_536)).rejects.toMatchObject({ code: "EINVAL" });
  await expect(node.lookup("xyz", () => {})).rejects.toMatchObject({ code: "EINVAL" });
  await expect(node.lookup(ID, 7 as never)).rejects.toMatchObject({ code: "EINVAL" });
});

/** Datagrams that no implementation sends, most of them a little more than nonsense. */
function malformed(): Buffer[] {
  const id = "20:aaaaaaaaaaaaaaaaaaaa";
  const query = (method: string, args: string, rest = "1:t4:aaaa1:y1:q"): string =>
    `d1:a${args}1:q${method.length}:${method}${rest}e`;
  const nest = (open: string, count: number, close = ""): string => open.repeat(count) + close.repeat(count);
  const texts = [
    "",
    "d",
    "de",
    "le",
    "i1e",
    "d1:t4:aaaa1:y1:qe",
    "d1:t4:aaaa1:y1:re",
    "d1:t4:aaaa1:y1:ee",
    "d1:eli201ee1:t4:aaaa1:y1:ee",
    "d1:eli99999999999999999999e1:xe1:t4:aaaa1:y1:ee",
    "d1:eli-1e1:xe1:t4:aaaa1:y1:ee",
    "d1:el1:xi201ee1:t4:aaaa1:y1:ee",
    query("ping", "d2:id0:e"),
    query("ping", `d2:id${id}e`, "1:t2:aa1:y1:q"),
    query("ping", `d2:id${id}e`, "1:t0:1:y1:q"),
    query("ping", `d2:id${id}e`, `1:t400:${"a".repeat(400)}1:y1:q`),
    query("ping", `d2:id${id}e`, "1:ti7e1:y1:q"),
    query("ping", `d2:id${id}e`, "2:roi99999999999999e1:t4:aaaa1:y1:q"),
    query("find_node", `d2:id${id}6:target1:ae`),
    query("find_node", `d2:id${id}6:target21:aaaaaaaaaaaaaaaaaaaaae`),
    query("find_node", `d2:id${id}6:target${id}4:wantl2:n42:n67:garbageee`),
    query("get_peers", `d2:id${id}9:info_hashi1ee`),
    query("get_peers", `d2:id${id}9:info_hashle`),
    query("announce_peer", `d2:id${id}9:info_hash${id}4:porti70000e5:token4:aaaae`),
    query("announce_peer", `d2:id${id}9:info_hash${id}4:porti-1e5:token0:e`),
    query("announce_peer", `d2:id${id}9:info_hash${id}12:implied_porti300e4:porti1e5:token4:aaaae`),
    query("get", `d2:id${id}6:target${id}3:seqi-9223372036854775808ee`),
    query("put", `d2:id${id}1:k32:${"k".repeat(32)}3:sig64:${"s".repeat(64)}3:seqi1e5:token0:1:v0:e`),
    query("put", `d2:id${id}4:salt200:${"x".repeat(200)}5:token0:1:v1500:${"v".repeat(1500)}e`),
    query("vote", `d2:id${id}e`),
    `d1:rd2:id${id}5:nodes25:${"n".repeat(25)}e1:t4:aaaa1:y1:re`,
    `d1:rd2:id${id}5:nodesi1ee1:t4:aaaa1:y1:re`,
    `d1:rd2:id${id}5:token4:aaaa6:valuesl5:aaaaa18:aaaaaaaaaaaaaaaaaaee1:t4:aaaa1:y1:re`,
    `d1:rd2:id${id}5:token0:6:valuesd1:a1:bee1:t4:aaaa1:y1:re`,
    `d2:ip6:aaaaaa1:rd2:id${id}e1:t4:\x00\x00\x00\x001:y1:re`,
    `d2:ip18:aaaaaaaaaaaaaaaaaa1:rd2:id${id}e1:t4:\x00\x00\x00\x001:y1:re`,
    "d1:a18446744073709551615:e",
    "d1:a18446744073709551616:e",
    "d1:a9223372036854775807:e",
    "d1:a4294967295:eaaaaaaaaaaaaaaaa",
    "d1:a-1:eaaaaaaaaaaaaaaaaaaaaaaaaa",
    "d1:a01:eaaaaaaaaaaaaaaaaaaaaaaaaa",
    "d1:a2:xe1:a2:xe1:q4:ping1:q4:ping1:t4:aaaae",
    "d-1:ae",
    `di1e${"i-0e".repeat(100)}e`,
    `d1:t4:aaaa1:t4:bbbb1:y1:q1:y1:re`,
    // As deep as its buffer lets them be.
    `d1:a${nest("l", 2_040)}`,
    `d1:a${nest("l", 1_000, "e")}e`,
    `d1:a${nest("d1:a", 500)}`,
    `d1:a${nest("d0:", 600, "e")}`,
    `d1:rd2:id${id}1:v${nest("l", 1_990)}`,
    `d1:rd2:id${id}6:values${nest("l", 1_990)}`,
    `d1:el${nest("l", 2_030)}`,
    "d".repeat(2_048),
    "l".repeat(60_000),
    "0:".repeat(1_000),
    "\xff".repeat(1_500),
  ];
  return texts.map((text) => Buffer.from(text, "latin1"));
}

describe("whatever is sent to it", () => {
  test("a node answers on: malformed datagrams, cut ones, and noise", async () => {
    const [place = ""] = await network(2);
    const [server] = open;
    const port = Number(place.split(":")[1]);
    const from = createSocket("udp4");
    sockets.push(from);
    const send = (data: Buffer): Promise<unknown> =>
      new Promise((resolve) => from.send(data, port, address, resolve));
    const random = seededRandom("noise");
    const shapes = malformed();
    let sent = 0;
    for (const shape of shapes) {
      await send(shape);
      sent += 1;
      for (let cut = 0; cut < 6; cut += 1) {
        const changed = Buffer.from(shape.subarray(0, Math.ceil(shape.length * random.unit())));
        if (changed.length > 0) changed[Math.floor(changed.length * random.unit())] = random.bytes(1)[0] ?? 0;
        await send(changed);
        sent += 1;
      }
      // Its buffer must have been read before the next ones come.
      if (sent % 70 === 0) await server?.status();
    }
    for (let count = 0; count < 500; count += 1) {
      await send(random.bytes(Math.ceil(1_500 * random.unit())));
      if (count % 50 === 0) await server?.status();
    }
    expect(sent).toBeGreaterThan(350);
    const alice = start({ bootstrap: [place] });
    await alice.announce(ID, 51_999);
    expect(await peersOf(alice)).toContain("127.0.0.1:51999");
  });

  test("answers that are poisoned end in addresses at most, and hardly reach a victim", async () => {
    let atVictim = 0;
    const victim = await udp(() => {
      atVictim += 1;
    });
    const compact = (port: number): Buffer => Buffer.from([127, 0, 0, 1, (port >> 8) & 255, port & 255]);
    const random = seededRandom("poison");
    let asked = 0;
    const bytes = (data: Buffer): Buffer => Buffer.concat([Buffer.from(`${data.length}:`), data]);
    const liar = await udp((data, from, socket) => {
      asked += 1;
      const tid = /1:t4:([\s\S]{4})/.exec(data.toString("latin1"))?.[1];
      if (tid === undefined) return;
      // Nodes ever nearer to the id, all of them the victim, and as many values as fit, of all kinds.
      const near = Buffer.from(ID, "hex");
      const nodes = Array.from({ length: 20 }, () => {
        const node = Buffer.from(near);
        random.bytes(4).copy(node, 16);
        return Buffer.concat([node, compact(victim)]);
      });
      const values = Array.from({ length: 120 }, (_, index) =>
        bytes(index % 40 === 0 ? Buffer.alloc(6) : compact(1 + ((asked * 120 + index) % 60_000))),
      );
      const answer = Buffer.concat([
        Buffer.from("d2:ip"),
        bytes(compact(victim)),
        Buffer.from("1:rd2:id"),
        bytes(random.bytes(20)),
        Buffer.from("5:nodes"),
        bytes(Buffer.concat(nodes)),
        Buffer.from("5:token1000:"),
        Buffer.alloc(200, 0x61),
        Buffer.alloc(0),
      ]);
      const head = answer.subarray(0, answer.indexOf("5:token1000:"));
      const tail = Buffer.concat([
        Buffer.from("5:token4:aaaa6:valuesl"),
        ...values,
        Buffer.from("ee1:t4:"),
        Buffer.from(tid, "latin1"),
        Buffer.from("1:y1:re"),
      ]);
      socket.send(Buffer.concat([head, tail]), from, address);
    });
    const node = start({ bootstrap: [`${address}:${liar}`], requestTimeoutMs: 200 });
    const found = await peersOf(node);
    expect(asked).toBeGreaterThan(0);
    expect(found.length).toBeGreaterThan(50);
    expect(found.length).toBeLessThanOrEqual(2_000);
    expect(found).not.toContain("0.0.0.0:0");
    // One host is in a look-up once, whatever its ids.
    expect(atVictim).toBeLessThanOrEqual(20);
    expect((await node.status()).nodes).toBeGreaterThanOrEqual(0);
  });
});
