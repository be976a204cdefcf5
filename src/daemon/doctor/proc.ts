/**
 * What Linux tells of processes, sockets, modules and links in /proc, /sys and /run; read, never written.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { release } from "node:os";
import { basename } from "node:path";
import { parseIp } from "../../core/types.ts";
import type { LinkFacts, Rights, UdpHolder } from "../../doctor/host.ts";

/** Bits of capabilities(7). */
const CAP_NET_ADMIN = 12n;
const CAP_NET_RAW = 13n;

export function processRights(pid: number): Rights | null {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readText(`/proc/${pid}/status`) ?? "")?.[1];
  if (effective === undefined) return null;
  const set = BigInt(`0x${effective}`);
  const has = (bit: bigint): boolean => ((set >> bit) & 1n) === 1n;
  return { netAdmin: has(CAP_NET_ADMIN), netRaw: has(CAP_NET_RAW) };
}

export function processDescriptors(pid: number | null): { limit: number; open: number } | null {
  const folder = `/proc/${pid ?? "self"}`;
  const limit = /^Max open files\s+(\d+|unlimited)/m.exec(readText(`${folder}/limits`) ?? "")?.[1];
  if (limit === undefined) return null;
  try {
    const open = readdirSync(`${folder}/fd`).length;
    return { limit: limit === "unlimited" ? Infinity : Number(limit), open };
  } catch {
    return null;
  }
}

/** Those of iptables-legacy, with rules or without; `nat` drops nothing. */
export function legacyTables(): string[] {
  return ["ip", "ip6"].flatMap((family) =>
    (readText(`/proc/net/${family}_tables_names`) ?? "")
      .split("\n")
      .filter((table) => table !== "" && table !== "nat")
      .map((table) => `${family} ${table}`),
  );
}

/** Null in a container that has not the modules of its kernel: who starts a node finds out. */
export function kernelWireguard(): "there" | "loadable" | "missing" | null {
  if (existsSync("/sys/module/wireguard")) return "there";
  const modules = `/lib/modules/${release()}`;
  if (!existsSync(modules)) return null;
  const names = /\/wireguard\.ko/m;
  if (names.test(readText(`${modules}/modules.builtin`) ?? "")) return "there";
  return names.test(readText(`${modules}/modules.dep`) ?? "") ? "loadable" : "missing";
}

/** Of this network namespace. */
export function udpHolders(): UdpHolder[] {
  const sockets = ["udp", "udp6"].flatMap((table) =>
    (readText(`/proc/self/net/${table}`) ?? "").trim().split("\n").slice(1).map(parseSocket),
  );
  const owners = socketOwners(new Set(sockets.map(({ inode }) => inode)));
  return sockets.map(({ port, address, inode }) => {
    const pid = owners.get(inode) ?? null;
    return { port, address, pid, program: pid === null ? null : programOf(pid) };
  });
}

/** A line of /proc/net/udp (proc(5)): the address is in hex, the port too. */
function parseSocket(line: string): { port: number; address: string; inode: string } {
  const [, local = "", ...rest] = line.trim().split(/\s+/);
  const [address = "", port = ""] = local.split(":");
  return {
    port: Number.parseInt(port, 16),
    address: addressOf(address),
    inode: rest[7] ?? "",
  };
}

/** Each 32 bits as the processor has them; on those wgmesh runs on, the last byte comes first. */
function addressOf(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  if (bytes.length !== 4 && bytes.length !== 16) return hex;
  bytes.swap32();
  if (bytes.length === 4) return [...bytes].join(".");
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return parseIp(groups.join(":")) ?? hex;
}

/** PIDs by socket, as far as this user may look. */
function socketOwners(inodes: ReadonlySet<string>): Map<string, number> {
  const owners = new Map<string, number>();
  for (const pid of listing("/proc").filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of listing(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${descriptor}`))?.[1];
      if (inode !== undefined && inodes.has(inode)) owners.set(inode, Number(pid));
    }
  }
  return owners;
}

/** `wgmeshd` for a daemon, whatever runs it. */
function programOf(pid: number): string | null {
  const words = (readText(`/proc/${pid}/cmdline`) ?? "").split("\0").slice(0, 3);
  if (words.some((word) => /(^|\/)wgmeshd(\.[cm]?[jt]s)?$/.test(word))) return "wgmeshd";
  return readText(`/proc/${pid}/comm`)?.trim() ?? (basename(words[0] ?? "") || null);
}

/** As they write it down for others (networkctl(1), nmcli(1) read the same). */
export function linkManagers({ index }: LinkFacts): string[] {
  const networkd = readText(`/run/systemd/netif/links/${index}`) ?? "";
  const manager = readText(`/run/NetworkManager/devices/${index}`) ?? "";
  return [
    ...(/^ADMIN_STATE=(configured|configuring|pending)$/m.test(networkd) ? ["systemd-networkd"] : []),
    ...(/^managed=(1|true|yes|full)$/m.test(manager) ? ["NetworkManager"] : []),
  ];
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function listing(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    // Another user's, or gone meanwhile.
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
