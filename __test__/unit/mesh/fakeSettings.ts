import type { Change, ForwardingRecord, NetworkSettings } from "../../../src/mesh/forwarding.ts";

/** Kernel settings in memory. Writing `ipv6/conf/all/forwarding` overwrites every link's, as Linux does. */
export class FakeSettings implements NetworkSettings {
  readonly values = new Map<string, string>();
  readonly refuse = new Set<string>();

  constructor(links: readonly string[] = ["eth0", "eth1", "wg0"]) {
    for (const link of ["all", "default", ...links]) {
      this.values.set(`ipv4/conf/${link}/forwarding`, "0");
      this.values.set(`ipv6/conf/${link}/forwarding`, "0");
      this.values.set(`ipv6/conf/${link}/accept_ra`, "0");
      this.values.set(`ipv6/conf/${link}/disable_ipv6`, "0");
    }
  }

  read(setting: string): string | null {
    return this.values.get(setting) ?? null;
  }

  write(setting: string, value: string): void {
    if (this.refuse.has(setting)) throw new Error(`EROFS: ${setting}`);
    this.values.set(setting, value);
    if (setting !== "ipv6/conf/all/forwarding") return;
    for (const name of this.values.keys()) {
      if (name.startsWith("ipv6/") && name.endsWith("/forwarding")) this.values.set(name, value);
    }
  }

  links(family: "ipv4" | "ipv6"): string[] {
    const names = [...this.values.keys()].filter((name) => name.startsWith(`${family}/`));
    const links = new Set(names.map((name) => name.split("/")[2] ?? ""));
    return [...links].filter((link) => link !== "all" && link !== "default");
  }
}

export class FakeRecord implements ForwardingRecord {
  content: Readonly<Record<string, Change>> | null = null;

  async load(): Promise<Readonly<Record<string, Change>> | null> {
    return this.content;
  }

  async save(changes: Readonly<Record<string, Change>>): Promise<void> {
    this.content = changes;
  }

  async remove(): Promise<void> {
    this.content = null;
  }
}
