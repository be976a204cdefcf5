/**
 * Notices that the packet filter drops what this node is to forward (row E3): Docker's does, and nothing else would tell. It reads the
 * rules from the kernel, never by a program, and only while something is forwarded.
 */
import { nextBeatMs } from "../core/beat.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Troubles } from "../core/troubles.ts";
import { forwardFate } from "../doctor/forwardFate.ts";
import { parseRuleset } from "../doctor/ruleset.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { System } from "./system.ts";

/** Firewalls are set up at the boot, too, and by whatever starts containers. */
const LOOK_EVERY_MS = 30_000;
const TROUBLE = "forward-firewall";
/** Addresses of the Internet that nobody has (RFC 5737, RFC 3849): where an exit node forwards to. */
const INTERNET = ["203.0.113.1/32", "2001:db8::1/128"];

export interface FirewallWatchOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly troubles: Troubles;
  readonly system: Pick<System, "packetFilter" | "pathTo">;
  readonly interfaceName: string;
  readonly self: LocalNode;
}

export class FirewallWatch {
  readonly #options: FirewallWatchOptions;
  #forwarded = "";

  constructor(options: FirewallWatchOptions) {
    this.#options = options;
  }

  /** The body of its task; ends at once where the rules cannot be read. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, self, system } = this.#options;
    if (system.packetFilter === undefined) return;
    let wake = new AbortController();
    const end = self.subscribe(() => {
      if (this.#networks().join() !== this.#forwarded) wake.abort();
    });
    try {
      while (!signal.aborted) {
        await this.look();
        const nowMs = clock.monotonicMs();
        const waitMs = this.#forwarded === "" ? 2 ** 31 - 1 : nextBeatMs(nowMs, LOOK_EVERY_MS) - nowMs;
        await sleep(clock, waitMs, AbortSignal.any([signal, wake.signal])).catch(() => {});
        if (wake.signal.aborted) wake = new AbortController();
      }
    } finally {
      end();
    }
  }

  async look(): Promise<void> {
    const { troubles, log } = this.#options;
    const networks = this.#networks();
    this.#forwarded = networks.join();
    try {
      const dropped = networks.length === 0 ? [] : await this.#dropped(networks);
      const [first] = dropped;
      if (first === undefined) {
        troubles.clear(TROUBLE);
        return;
      }
      const more = dropped.length > 1 ? ` (and to ${dropped.length - 1} of the other networks)` : "";
      troubles.raise(TROUBLE, `${first.what}${more} is dropped by ${first.how}`);
    } catch (error) {
      log.debug({ reason: messageOf(error) }, "packet filter not read");
    }
  }

  #networks(): readonly string[] {
    const { networks, exitNode, meshIpv6 } = this.#options.self.snapshot;
    const internet = INTERNET.filter((network) => meshIpv6 !== null || !network.includes(":"));
    return exitNode ? [...networks, ...internet] : networks;
  }

  /** Only what is dropped for certain. */
  async #dropped(networks: readonly string[]): Promise<{ readonly what: string; readonly how: string }[]> {
    const { system, interfaceName } = this.#options;
    const ruleset = parseRuleset((await system.packetFilter?.()) ?? '{"nftables":[]}');
    return networks.flatMap((network) => {
      const path = system.pathTo(network.split("/")[0] ?? "");
      // To clients it leaves by the interface it came in by.
      if (path === null) return [];
      const { fate, by, remedy } = forwardFate(ruleset, network, interfaceName, path.linkName);
      if (fate.verdict !== "drop") return [];
      const where = INTERNET.includes(network) ? "the Internet" : network;
      return [
        {
          what: `what the mesh sends to ${where}`,
          how: `${fate.chain}${by}: load what 'wgmesh firewall' prints, or ${remedy}`,
        },
      ];
    });
  }
}
