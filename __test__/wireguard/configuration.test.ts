/** What wg(8) sets and reads, in amounts and forms that need several reads, or care. */
import { describe, expect } from "vitest";
import { INITIATION, messageType, Sniffer } from "./harness/datagrams.ts";
import { newKeyPair, newPresharedKey } from "./harness/keys.ts";
import { vethPair } from "./harness/pair.ts";
import { type Scene, test } from "./harness/scene.ts";
import { Tunnel } from "./harness/tunnel.ts";

/** One end, alone. */
async function alone(scene: Scene): Promise<Tunnel> {
  return await Tunnel.make(await scene.place(), { port: 1, addresses: [] });
}

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Public keys with which everybody knows the secret that is agreed on: points of low order, and what stands for them. */
const lowOrderKeys = [
  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  "4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=",
  "X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc=",
  "7P///////////////////////////////////////38=",
  "7f///////////////////////////////////////38=",
  "7v///////////////////////////////////////38=",
];

describe.concurrent("wg(8)", () => {
  test("sets and shows a peer with 130,560 allowed IPs", async ({ scene }) => {
    const tunnel = await alone(scene);
    const networks = range(255).flatMap((first) =>
      range(256).map(
        (second) =>
          `AllowedIPs=${first + 1}.${second}.0.0/16,${(first + 1).toString(16)}::${second.toString(16)}/128`,
      ),
    );
    const file = [
      "[Interface]",
      `PrivateKey=${newKeyPair().privateKey}`,
      "[Peer]",
      `PublicKey=${newKeyPair().publicKey}`,
      ...networks,
    ];
    await tunnel.wg("setconf wg0 /dev/stdin", file.join("\n"));
    const [shown] = await tunnel.peers();
    expect(new Set(shown?.allowedIps).size).toBe(2 * 255 * 256);
  });

  test("sets and shows 1,000 peers of 10 allowed IPs", async ({ scene }) => {
    const tunnel = await alone(scene);
    const peers = range(1000).map((number) => ({
      publicKey: newKeyPair().publicKey,
      allowedIps: range(10).map(
        (network) => `10.${Math.floor(number / 25)}.${(number % 25) * 10 + network}.0/24`,
      ),
    }));
    const file = peers.flatMap(({ publicKey, allowedIps }) => [
      "[Peer]",
      `PublicKey=${publicKey}`,
      `AllowedIPs=${allowedIps.join(",")}`,
    ]);
    await tunnel.wg(
      "setconf wg0 /dev/stdin",
      ["[Interface]", `PrivateKey=${newKeyPair().privateKey}`, ...file].join("\n"),
    );
    const shown = new Map(
      (await tunnel.peers()).map(({ publicKey, allowedIps }) => [publicKey, [...allowedIps].sort()]),
    );
    expect(shown).toEqual(
      new Map(peers.map(({ publicKey, allowedIps }) => [publicKey, [...allowedIps].sort()])),
    );
  });

  test("sets, shows and takes away keys", async ({ scene }) => {
    const tunnel = await alone(scene);
    const peer = newKeyPair();
    const presharedKey = newPresharedKey();
    await tunnel.setPeer(peer, { presharedKey });
    expect((await tunnel.wg("show wg0 private-key")).trim()).toBe(tunnel.keys.privateKey);
    expect((await tunnel.wg("show wg0 preshared-keys")).trim()).toBe(`${peer.publicKey}\t${presharedKey}`);
    await tunnel.wg(`set wg0 private-key /dev/null peer ${peer.publicKey} preshared-key /dev/null`);
    expect((await tunnel.wg("show wg0 private-key")).trim()).toBe("(none)");
    expect((await tunnel.wg("show wg0 preshared-keys")).trim()).toBe(`${peer.publicKey}\t(none)`);
    // Its own key is no peer's, whichever comes first.
    await tunnel.setKey(peer);
    expect(await tunnel.peers()).toEqual([]);
    await tunnel.outside.try(`wg set wg0 peer ${peer.publicKey}`);
    expect(await tunnel.peers()).toEqual([]);
  });

  test("clamps a private key as Curve25519 wants it", async ({ scene }) => {
    const tunnel = await alone(scene);
    const bytes = Buffer.alloc(32, 0xff);
    await tunnel.wg("set wg0 private-key /dev/stdin", bytes.toString("base64"));
    bytes[0] = 0xf8;
    bytes[31] = 0x7f;
    expect((await tunnel.wg("show wg0 private-key")).trim()).toBe(bytes.toString("base64"));
  });

  test("allowed IPs are cut to their prefix, replaced and moved", async ({ scene }) => {
    const tunnel = await alone(scene);
    const [one, two] = [newKeyPair(), newKeyPair()];
    await tunnel.setPeer(one, { allowedIps: ["10.1.2.3/8", "fd00::1:2:3/64"] });
    expect(new Set((await tunnel.peer(one)).allowedIps)).toEqual(new Set(["10.0.0.0/8", "fd00::/64"]));
    await tunnel.setPeer(one, {
      allowedIps: ["0.0.0.0/0", "10.0.0.0/8", "100.0.0.0/10", "172.16.0.0/12", "192.168.0.0/16"],
    });
    await tunnel.setPeer(one, { allowedIps: ["::/0", "1700::/111", "5000::/4", "e000::/37", "9000::/75"] });
    expect((await tunnel.peer(one)).allowedIps).toHaveLength(5);
    await tunnel.setPeer(two, { allowedIps: ["::/0"] });
    expect((await tunnel.peer(one)).allowedIps).toHaveLength(4);
    await tunnel.removePeer(one);
    expect((await tunnel.peers()).map(({ publicKey }) => publicKey)).toEqual([two.publicKey]);
  });

  test("no handshake is ever begun with a key of low order", async ({ scene }) => {
    const { a, b } = await vethPair(scene);
    const sniffer = await Sniffer.on(a.outside, "eth0", b.outside);
    for (const key of lowOrderKeys) {
      // Refused, or taken and never used.
      await a.outside.try(
        `wg set wg0 peer ${key} persistent-keepalive 1 endpoint 192.0.2.2:1111 allowed-ips 10.99.0.9/32`,
      );
      await a.inside.try("ping -n -c 1 -W 1 10.99.0.9");
    }
    expect((await sniffer.sent()).filter((seen) => messageType(seen) === INITIATION)).toEqual([]);
  });
});
