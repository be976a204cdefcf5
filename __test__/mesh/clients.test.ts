/** A device with plain WireGuard, and no wgmesh, has a member as its gateway. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { generateKeyPair, NodeIdentity } from "@wgmesh/native";
import { beforeAll, describe, expect, test } from "vitest";
import type { StatusJson } from "./harness/node.ts";
import { testBackend } from "./harness/node.ts";
import { formMesh, type Member } from "./harness/ping.ts";
import { allowanceMs, isEmulated, until } from "./harness/time.ts";
import { useLab } from "./harness/useLab.ts";

interface ClientJson {
  readonly ip: string;
  readonly ipv6: string;
}

describe("a device that runs plain WireGuard", () => {
  const lab = useLab();
  const [gateway, other, third] = [lab.addNode("gateway"), lab.addNode("other"), lab.addNode("third")];
  /** Never started: its namespace is what counts. */
  const device = lab.addNode("device");
  const keys = generateKeyPair();
  let members: Member[] = [];
  let client: ClientJson = { ip: "", ipv6: "" };

  const onDevice = async (...command: string[]): Promise<void> => {
    const { code, stderr } = await device.exec(command);
    expect([command.join(" "), code, code === 0 ? "" : stderr]).toEqual([command.join(" "), 0, ""]);
  };
  const reachesAll = async (): Promise<void> => {
    for (const { status } of members) {
      await device.pingUntilAnswered(status.mesh_ip, allowanceMs(8_000));
      await device.pingUntilAnswered(status.mesh_ipv6, allowanceMs(2_000));
    }
  };
  const clientPeer = async () => {
    const peers = (await gateway.wgPeers()) ?? [];
    return peers.find(({ publicKey }) => publicKey === keys.publicKey);
  };

  const configFile = (): string => path.join(device.host.folder, "wg0.conf");

  /** WireGuard would by itself notice after 15 s that the other end has forgotten the session. */
  async function switchOffAndOn(): Promise<void> {
    await onDevice("wg", "set", "wg0", "peer", members[0]?.status.pubkey ?? "", "remove");
    await onDevice("wg", "setconf", "wg0", configFile());
  }

  async function restart(): Promise<void> {
    const since = gateway.log.length;
    // The command has no patience with an emulated machine.
    if (isEmulated) await gateway.rpc("daemon.restart");
    else expect(await gateway.client("restart")).toMatchObject({ code: 0 });
    await until("the successor is ready", allowanceMs(3_000), () =>
      gateway.findLog(({ text }) => text.includes("wgmeshd is ready"), since),
    );
    await gateway.untilRunning();
  }

  /** As the device's owner would set it up, by the tools of WireGuard alone. */
  async function setUpDevice(status: StatusJson): Promise<void> {
    const stateFile = path.join(gateway.stateDir, "wg0.json");
    const presharedKey = NodeIdentity.load(stateFile).exportClientPresharedKey(keys.publicKey);
    const addresses = members.flatMap((member) => [member.status.mesh_ip, member.status.mesh_ipv6]);
    const peer = [
      ...["[Peer]", `PublicKey = ${status.pubkey}`, `PresharedKey = ${presharedKey}`],
      `Endpoint = ${gateway.host.address}:${status.listen_port}`,
      `AllowedIPs = ${addresses.join()}`,
      "PersistentKeepalive = 1",
    ];
    writeFileSync(configFile(), ["[Interface]", `PrivateKey = ${keys.privateKey}`, ...peer, ""].join("\n"), {
      mode: 0o600,
    });
    if (testBackend === "kernel") await onDevice("ip", "link", "add", "wg0", "type", "wireguard");
    else await onDevice("wireguard-go", "wg0");
    await onDevice("wg", "setconf", "wg0", configFile());
    await onDevice("ip", "address", "add", `${client.ip}/32`, "dev", "wg0");
    await onDevice("ip", "address", "add", `${client.ipv6}/128`, "dev", "wg0", "nodad");
    await onDevice("ip", "link", "set", "wg0", "mtu", "1420", "up");
    for (const address of addresses) await onDevice("ip", "route", "add", address, "dev", "wg0");
  }

  beforeAll(async () => {
    members = await formMesh([gateway, other, third]);
    client = await gateway.rpc<ClientJson>("clients.add", { name: "phone", public_key: keys.publicKey });
    await setUpDevice(members[0]?.status as StatusJson);
  });

  test("reaches its gateway and everybody behind it, who reach it", async () => {
    await reachesAll();
    for (const node of [other, gateway]) {
      await node.pingUntilAnswered(client.ip, allowanceMs(2_000));
      await node.pingUntilAnswered(client.ipv6, allowanceMs(2_000));
    }
    const { stdout } = await other.exec(["ip", "-4", "route", "get", client.ip]);
    expect(stdout).toContain("dev wg0");
    await until("the status counts it", allowanceMs(6_000), async () => {
      const status = await gateway.rpc<StatusJson & { clients: unknown }>("daemon.status");
      return JSON.stringify(status.clients) === JSON.stringify({ count: 1, connected: 1 });
    });
    const status = await gateway.rpc<StatusJson>("daemon.status");
    expect([status.peers.total, status.health.reconnecting]).toEqual([2, 0]);
    expect(await clientPeer()).toMatchObject({ allowedIps: [`${client.ip}/32`, `${client.ipv6}/128`] });
  });

  test("keeps its preshared key when somebody changes it, and no file or log has the key", async () => {
    const shown = async (): Promise<string> =>
      (await gateway.exec(["wg", "show", "wg0", "preshared-keys"])).stdout;
    const before = await shown();
    const key = Buffer.alloc(32, 5).toString("base64");
    const since = gateway.log.length;
    const change = `echo ${key} | wg set wg0 peer ${keys.publicKey} preshared-key /dev/stdin`;
    expect((await gateway.exec(["sh", "-c", change])).code).toBe(0);
    await until("the key is set again", allowanceMs(6_000), async () => (await shown()) === before);
    const mended = gateway.findLog(({ fields }) => fields?.msg === "foreign change mended", since);
    expect(mended?.fields?.found).toEqual([`preshared key ${keys.publicKey}`]);
    const own = new RegExp(`${keys.publicKey.replaceAll("+", "\\+")}\\s+(\\S+)`).exec(before)?.[1] ?? "";
    expect(own).toHaveLength(44);
    expect(readFileSync(path.join(gateway.stateDir, "wg0.clients.json"), "utf8")).not.toContain(own);
    expect(gateway.log.filter(({ text }) => text.includes(own) || text.includes(keys.privateKey))).toEqual(
      [],
    );
  });

  test("is served again after its gateway was killed, and after a restart", async () => {
    await gateway.kill9();
    await gateway.startAndWait();
    await switchOffAndOn();
    await reachesAll();
    await other.pingUntilAnswered(client.ip, allowanceMs(2_000));
    await restart();
    await switchOffAndOn();
    await reachesAll();
  });

  test("is off the interface when it is removed, and its network is nobody's any more", async () => {
    await gateway.rpc("clients.remove", { name: "phone" });
    expect(await clientPeer()).toBeUndefined();
    await until("no route is left", allowanceMs(2_000), async () => {
      const routes = await Promise.all(
        [gateway, other, third].map((node) => node.exec(["ip", "-4", "route", "show", "proto", "111"])),
      );
      return routes.every(({ stdout }) => stdout === "");
    });
    const { advertised_networks } = await gateway.rpc<StatusJson>("daemon.status");
    expect(advertised_networks).toEqual([]);
  });

  test("gets the same place when it is added again, and keeps it when its gateway moves to a new secret", async () => {
    const again = await gateway.rpc<ClientJson>("clients.add", { name: "phone", public_key: keys.publicKey });
    expect([again.ip, again.ipv6]).toEqual([client.ip, client.ipv6]);
    const file = path.join(lab.folder, "next.secret");
    for (const step of [["--grace", "1h", "--output", file], ["--complete"]])
      await gateway.clientJson("rotate-secret", ...step);
    expect((await gateway.rpc<StatusJson>("daemon.status")).mesh_ip).not.toBe(members[0]?.status.mesh_ip);
    expect(await clientPeer()).toMatchObject({ allowedIps: [`${client.ip}/32`, `${client.ipv6}/128`] });
    const change = gateway.log.length;
    await switchOffAndOn();
    await until("there is a new session", allowanceMs(3_000), async () => {
      const [peer] = (await device.wgPeers()) ?? [];
      return peer !== undefined && peer.latestHandshake > 0;
    });
    expect(gateway.log.slice(change).filter(({ text }) => text.includes("foreign change"))).toEqual([]);
  });
});
