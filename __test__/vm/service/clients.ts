/** A device of plain WireGuard behind the service's node: root adds it, the daemon keeps it and forwards for it. */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { type Cases, note } from "../cases.ts";
import { addMachine } from "../namespace.ts";
import { call, good, inNamespace, pings, run, status, until } from "./machine.ts";

const CONFIGURATION = "/srv/phone.conf";
const KEPT = "/var/lib/wgmesh/wg0.clients.json";

const fromPhone = (address: string): boolean =>
  inNamespace("phone", "ping", "-c1", "-W1", address).code === 0;

/** wg-quick(8): lines it takes for itself go to ip(8), the others to wg(8), and a route for each network. */
function quick(text: string): void {
  const ours = /^(Address|MTU) = (.*)$/;
  const values = new Map<string, string>();
  const rest = text.split("\n").filter((line) => {
    const [, key = "", value = ""] = ours.exec(line) ?? [];
    values.set(key, value);
    return key === "";
  });
  const listOf = (list: string): string[] => list.split(",").map((word) => word.trim());
  writeFileSync("/srv/phone.wg", rest.join("\n"), { mode: 0o600 });
  const inside = ["-n", "phone"];
  good("ip", ...inside, "link", "add", "client0", "type", "wireguard");
  assert.equal(inNamespace("phone", "wg", "setconf", "client0", "/srv/phone.wg").code, 0);
  for (const address of listOf(values.get("Address") ?? "")) {
    good("ip", ...inside, "address", "add", address, "dev", "client0");
  }
  good("ip", ...inside, "link", "set", "client0", "mtu", values.get("MTU") ?? "", "up");
  const [, networks = ""] = /^AllowedIPs = (.*)$/m.exec(text) ?? [];
  for (const network of listOf(networks)) good("ip", ...inside, "route", "add", network, "dev", "client0");
}

/** The gateway, another node, and a host in a network behind the gateway. */
async function reachesAll(): Promise<void> {
  const { mesh_ip: gateway } = await status();
  const { mesh_ip: other } = await status("far");
  for (const address of [gateway, other, "10.77.0.2"]) {
    await until(`the client reaches ${address}`, () => fromPhone(address));
  }
}

export const clientCases: Cases = {
  "a client that root adds reaches the mesh and the network behind it": async () => {
    addMachine(good, "phone", { near: "air", network: "10.9.2" });
    const { listen_port: port } = await status();
    const add = ["client", "add", "phone", "--endpoint", `10.9.2.1:${port}`, "--output", CONFIGURATION];
    // The program waits 5 s for an answer, of a daemon that has just been given a new link on a slow machine.
    await until("root adds it", async () => {
      const { code, err } = run("wgmesh", ...add);
      if (code === 0) return true;
      note(err.trim());
      await call("clients.remove", { name: "phone" }).catch(() => null);
      return false;
    });
    const { uid, mode } = statSync(CONFIGURATION);
    assert.deepEqual([uid, mode & 0o777], [0, 0o600]);
    const kept = statSync(KEPT);
    assert.deepEqual([kept.uid, kept.mode & 0o777], [statSync("/var/lib/wgmesh").uid, 0o600]);
    assert.notEqual(kept.uid, 0);
    quick(readFileSync(CONFIGURATION, "utf8"));
    await reachesAll();
    const { clients } = await call("clients.list");
    await until("it is reached", () => pings(clients[0]?.ip ?? ""));
  },
};

export const clientAfterRestartCases: Cases = {
  "the client is let in again after the restarts": reachesAll,

  "a client that is removed is cut off": async () => {
    await call("clients.remove", { name: "phone" });
    const { mesh_ip: gateway } = await status();
    await until("nothing comes through", () => !fromPhone(gateway));
    assert.equal(good("wg", "show", "wg0", "peers").trim(), (await status("far")).pubkey);
    good("ip", "netns", "del", "phone");
  },
};
