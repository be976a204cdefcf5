/** A device without wgmesh that takes the configuration a gateway printed, as wg-quick(8) would. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect } from "vitest";
import { type MeshNode, testBackend } from "./node.ts";

/** A command on the device that has to succeed; what it said. */
export async function onDevice(device: MeshNode, ...command: string[]): Promise<string> {
  const { code, stdout, stderr } = await device.exec(command);
  // wireguard-go says much about the kernel.
  const said = code === 0 && command[0] === "wireguard-go" ? "" : stderr;
  expect({ command, code, said }).toEqual({ command, code: 0, said: "" });
  return stdout;
}

const forWg = (device: MeshNode): string => path.join(device.host.folder, "wg.conf");

/** Without a session it may have: WireGuard uses that for a quarter of a minute after the other end was restarted. */
export async function connect(device: MeshNode): Promise<void> {
  await onDevice(device, "wg", "setconf", "wg0", forWg(device));
}

/** Lines it takes for itself go to ip(8), the others to wg(8), and a route for each network. Again for another configuration. */
export async function quick(device: MeshNode, text: string): Promise<void> {
  const ours = /^\s*(Address|MTU|DNS)\s*=\s*(.*)$/i;
  const lines = text.split("\n").map((line) => line.replace(/#.*/, ""));
  const listOf = (name: string): string[] =>
    lines.flatMap((line) => {
      const [key, values] = line.split(/\s*=\s*/);
      return key?.trim() === name ? (values ?? "").split(",").map((value) => value.trim()) : [];
    });
  if (await device.hasInterface()) await onDevice(device, "ip", "link", "delete", "wg0");
  if (testBackend === "kernel") await onDevice(device, "ip", "link", "add", "wg0", "type", "wireguard");
  else await onDevice(device, "wireguard-go", "wg0");
  writeFileSync(forWg(device), lines.filter((line) => !ours.test(line)).join("\n"), { mode: 0o600 });
  await connect(device);
  for (const address of listOf("Address")) {
    const isLong = address.includes(":");
    await onDevice(device, "ip", "address", "add", address, "dev", "wg0", ...(isLong ? ["nodad"] : []));
  }
  await onDevice(device, "ip", "link", "set", "wg0", "mtu", listOf("MTU")[0] ?? "1420", "up");
  for (const network of listOf("AllowedIPs")) await routeTo(device, network);
}

/** Everything is led past what goes to the gateway itself: by two halves, as some apps do, and the way on the device's own link stays. */
async function routeTo(device: MeshNode, network: string): Promise<void> {
  const halves: Readonly<Record<string, string[]>> = {
    "0.0.0.0/0": ["0.0.0.0/1", "128.0.0.0/1"],
    "::/0": ["::/1", "8000::/1"],
  };
  for (const part of halves[network] ?? [network]) {
    await onDevice(device, "ip", "route", "replace", part, "dev", "wg0");
  }
}
