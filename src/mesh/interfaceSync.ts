/**
 * Keeps the interface itself as it is to be: there, up, with its addresses, MTU, key, port and firewall mark. What others
 * do to it is mended; one that was taken away, or whose engine died, is made anew.
 */
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { LocalNode } from "../peers/localNode.ts";
import type { ActualDevice } from "../wireguard/backend.ts";
import type { ReplaceableBackend } from "../wireguard/replaceableBackend.ts";
import type { FailureBook } from "./failures.ts";
import {
  type InterfaceAddress,
  type InterfaceRepair,
  interfaceRepairs,
  judgeLink,
  type LinkVerdict,
  type RepairStep,
  type SeenLink,
} from "./interfaceDifference.ts";
import type { MendPacer } from "./mendPacer.ts";

/** The link of the interface's name, as the kernel knows it. */
export interface InterfaceControl {
  /** Null when there is none. */
  link(): SeenLink | null;
  addresses(): readonly InterfaceAddress[];
  /** Adds the address with the route to its network. */
  addAddress(address: InterfaceAddress): void;
  removeAddress(address: InterfaceAddress): void;
  /** False when packets to the address's network would leave by another, less specific way. */
  isRouted(address: InterfaceAddress): boolean;
  setMtu(mtu: number): void;
}

export interface InterfaceSyncOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly backend: ReplaceableBackend;
  readonly failures: FailureBook;
  readonly pacer: MendPacer;
  readonly self: LocalNode;
  readonly control: InterfaceControl;
  /** Asked at each look, since the node may move to others. */
  readonly addresses: () => readonly InterfaceAddress[];
  /** Makes the interface again from the first step to the last: key, port, addresses, up. Peers follow. */
  readonly remake: () => Promise<void>;
}

export interface InterfaceState {
  /** False while there is no interface to work with. */
  readonly present: boolean;
  /** It was made anew: nothing that was once written to it, or to the kernel's tables for it, is there. */
  readonly remade: boolean;
  /** What others had done to it and was mended. */
  readonly found: readonly string[];
}

/** Longer than the reconciler's sweep. */
const SOUND_MS = 30_000;
const LINK = "interface";
const PORT = "listen port";
/** As it is to be. */
const UNTOUCHED: InterfaceState = { present: true, remade: false, found: [] };
const ABSENT: InterfaceState = { present: false, remade: false, found: [] };

export class InterfaceSync {
  readonly #options: InterfaceSyncOptions;
  readonly #pacer: MendPacer;
  #engineFailure: string | null = null;
  /** Why there is no interface, as it was found first, or null. */
  #absence: string | null = null;
  /** Index of the link that had the name when making ours failed last. */
  #failedBeside: number | null | undefined;
  /** Bytes: what was set last; null before the first decision. */
  #wantedMtu: number | null = null;
  #seenMtu: number | null = null;
  /** Until when addresses and routes are believed to be as they were found, monotonic. */
  #soundUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: InterfaceSyncOptions) {
    this.#options = options;
    this.#pacer = options.pacer;
  }

  /** Bytes, as the kernel showed it last; null before the first look. */
  get mtu(): number | null {
    return this.#seenMtu;
  }

  /** The engine behind the interface ended, and can only be made anew. */
  engineFailed(reason: string): void {
    this.#engineFailure = reason;
  }

  /** Addresses or routes may have changed. */
  doubt(): void {
    this.#soundUntilMs = Number.NEGATIVE_INFINITY;
  }

  /**
   * One look, and what follows from it: at the link itself always, at its addresses and routes when they are in doubt, and else every
   * 30 s, since the kernel tells of them. Rejects only when the kernel cannot be asked.
   */
  async ensure(): Promise<InterfaceState> {
    const seen = this.#options.control.link();
    const verdict = this.#judge(seen);
    if (verdict.state === "ours") return seen === null || this.#isSound(seen) ? UNTOUCHED : this.#mend(seen);
    this.#absence ??= verdict.found;
    this.#seenMtu = null;
    if (verdict.state === "lost") return await this.#remake(seen?.index ?? null);
    this.#giveUp();
    this.#absence = verdict.found;
    this.#options.failures.failed(LINK, verdict.found);
    this.#failedBeside = undefined;
    return ABSENT;
  }

  /** True when the interface is not there, or its engine is not; false also while the kernel cannot be asked. */
  isLost(): boolean {
    try {
      return this.#judge(this.#options.control.link()).state !== "ours";
    } catch {
      return false;
    }
  }

  /** Key, port and mark as the device shows them. Returns what others had done and was mended. */
  mendDevice(device: ActualDevice): string[] {
    const { backend, failures, self } = this.#options;
    const { publicKey, wireguardPort } = self.snapshot;
    const found: string[] = [];
    if (device.publicKey !== publicKey) found.push("private key");
    if (device.listenPort !== wireguardPort) found.push(`listen port ${device.listenPort}`);
    if (device.fwmark !== backend.fwmark) found.push(`fwmark ${markText(device.fwmark)}`);
    if (found.length > 0 && failures.isPaused(PORT)) return [];
    try {
      if (found.length > 0) backend.configure(wireguardPort);
    } catch (error) {
      failures.failed(PORT, messageOf(error));
      return [];
    }
    failures.succeeded(PORT);
    return found;
  }

  /** Sets the MTU that we want from now on, in bytes. Returns how many changes that took. */
  setMtu(mtu: number): number {
    const { control, failures, log } = this.#options;
    const from = this.#seenMtu;
    this.#wantedMtu = mtu;
    if (from === null || from === mtu || failures.isPaused("mtu")) return 0;
    try {
      control.setMtu(mtu);
    } catch (error) {
      failures.failed("mtu", messageOf(error));
      return 0;
    }
    failures.succeeded("mtu");
    this.#seenMtu = mtu;
    log.info({ from, to: mtu }, "interface MTU set");
    return 1;
  }

  /** Sentences for the operator. */
  warnings(): string[] {
    const { interfaceName } = this.#options.backend;
    const absent =
      this.#absence === null ? [] : [`interface ${interfaceName} is not there: ${this.#absence}`];
    const contests = this.#pacer.contests().map(({ object, times, retryInMs }) => {
      const what = object === LINK ? interfaceName : `the ${object} of ${interfaceName}`;
      const next = retryInMs === 0 ? "" : `; the next time not before ${Math.ceil(retryInMs / 1_000)} s`;
      return `another program works against wgmesh: ${what} had to be mended ${times} times in a row${next}`;
    });
    return [...absent, ...contests];
  }

  #isSound({ mtu, up }: SeenLink): boolean {
    const { clock, failures } = this.#options;
    const isCalm = failures.isEmpty && this.#pacer.nextAtMs() === null;
    return isCalm && up && mtu === this.#seenMtu && clock.monotonicMs() < this.#soundUntilMs;
  }

  #mend(seen: SeenLink): InterfaceState {
    const state = this.#repair(seen);
    if (state.found.length === 0) this.#soundUntilMs = this.#options.clock.monotonicMs() + SOUND_MS;
    return state;
  }

  #judge(seen: SeenLink | null): LinkVerdict {
    const { backend } = this.#options;
    return judgeLink(seen, backend.isOpen ? backend.interfaceIndex : null, this.#engineFailure);
  }

  async #remake(beside: number | null): Promise<InterfaceState> {
    const { clock, failures, log, backend } = this.#options;
    this.#giveUp();
    const waits = failures.isPaused(LINK) && this.#failedBeside === beside;
    if (waits || this.#pacer.isPaused(LINK)) return ABSENT;
    const startMs = clock.monotonicMs();
    try {
      await this.#options.remake();
    } catch (error) {
      this.#failedBeside = beside;
      failures.failed(LINK, messageOf(error));
      return ABSENT;
    }
    failures.succeeded(LINK);
    this.#pacer.mended(LINK);
    const found = [this.#absence ?? ""];
    const durationMs = Math.round(clock.monotonicMs() - startMs);
    this.#absence = null;
    this.#failedBeside = undefined;
    this.#seenMtu = this.#options.control.link()?.mtu ?? null;
    log.warn({ found, interfaceIndex: backend.interfaceIndex, durationMs }, "interface made anew");
    if (this.#wantedMtu !== null) this.setMtu(this.#wantedMtu);
    return { present: true, remade: true, found };
  }

  /** What is left of a lost interface still has its port, its threads and its UAPI socket. */
  #giveUp(): void {
    const { backend, log } = this.#options;
    this.#engineFailure = null;
    if (!backend.isOpen) return;
    const error = backend.discard();
    if (error !== null) log.debug({ reason: messageOf(error) }, "remains of the interface not removed");
  }

  #repair(seen: SeenLink): InterfaceState {
    const { control, failures } = this.#options;
    const addresses = this.#options.addresses();
    this.#absence = null;
    this.#seenMtu = seen.mtu;
    const unrouted = seen.up ? addresses.filter((address) => !control.isRouted(address)) : [];
    const wanted = { mtu: this.#wantedMtu, addresses };
    const repairs = interfaceRepairs(wanted, { ...seen, addresses: control.addresses(), unrouted });
    this.#forgetAllBut(repairs);
    const found: string[] = [];
    for (const repair of repairs) {
      const { object, steps } = repair;
      if (this.#pacer.isPaused(object) || failures.isPaused(object)) continue;
      try {
        for (const step of steps) this.#take(step);
      } catch (error) {
        // One that is taken away in the midst of it is made anew, addresses and all.
        if (this.isLost()) throw error;
        failures.failed(object, messageOf(error));
        continue;
      }
      failures.succeeded(object);
      this.#pacer.mended(object);
      found.push(repair.found);
    }
    return { present: true, remade: false, found };
  }

  /** What needs no repair fails no more, whoever mended it. */
  #forgetAllBut(repairs: readonly InterfaceRepair[]): void {
    const { addresses, failures } = this.#options;
    const broken = new Set(repairs.map(({ object }) => object));
    for (const object of ["mtu", "link", ...addresses().map(({ address }) => `address ${address}`)]) {
      if (!broken.has(object)) failures.succeeded(object);
    }
  }

  #take(step: RepairStep): void {
    const { backend, control } = this.#options;
    switch (step.kind) {
      case "set-up":
        backend.up();
        break;
      case "add-address":
        control.addAddress(step.address);
        break;
      case "remove-address":
        control.removeAddress(step.address);
        break;
      case "set-mtu":
        control.setMtu(step.mtu);
        this.#seenMtu = step.mtu;
    }
  }
}

/** As `wg show` has it. */
const markText = (mark: number): string => (mark === 0 ? "off" : `0x${mark.toString(16)}`);
