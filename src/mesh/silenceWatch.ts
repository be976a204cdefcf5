/**
 * Notices within seconds that a peer we send to has gone silent: a router between may have started anew, or the path is no more.
 * WireGuard by itself needs 15 s to doubt, and a handshake counts for three minutes.
 *
 * Who only listens owes no answer, so the peer is asked through the tunnel before anything is made of its silence.
 */
import { BEAT_MS, nextBeatMs } from "../core/beat.ts";
import { type Clock, sleep } from "../core/clock.ts";
import type { PublicKey } from "../core/types.ts";
import { isConnected } from "../peers/connected.ts";
import type { ActualPeer } from "../wireguard/backend.ts";

/** Reading a thousand peers takes the kernel tens of milliseconds: with so many the reconciler's readings have to do. */
const FEW_PEERS = 100;
/** While something is sent. Else only the interface's total is looked at. */
const LOOK_EVERY_MS = 1_500;
const TOTAL_EVERY_MS = BEAT_MS / 2;
/** After something was sent: does it go on? A message that needs no answer, such as gossip, costs no more than that question. */
const TOTAL_SOON_MS = 1_000;
/** While an answer is outstanding. */
const LOOK_SOON_MS = 500;
/** More than two keepalives: those alone are no reason to expect an answer. A ping is more. */
const SENT_BYTES = 70;
/** A keepalive and less than a ping: whoever sends no more between two looks has nothing to say. */
const LITTLE_BYTES = 64;
/** Since it was seen that something is unanswered; on no path that is of use an answer takes longer. */
const ASK_MS = 450;
const DOUBT_MS = 950;
const SILENT_MS = 1_950;
/** So long it is watched whether more is sent. */
const LISTEN_MS = 1_500;
/** In one look: a node that lost its network asks them in turn. */
const MAX_ASKED = 8;

export type Traffic = Pick<ActualPeer, "publicKey" | "rxBytes" | "txBytes" | "lastHandshakeMs">;

interface Seen {
  readonly rxBytes: number;
  readonly txBytes: number;
  /** What had been sent when nothing was unanswered yet. */
  readonly quietTxBytes: number;
  /** When it was first seen that more was sent than is answered, monotonic; null when nothing is outstanding. */
  readonly waitsSinceMs: number | null;
  /** More was sent since. One message that nobody answers, such as gossip, is no reason to ask. */
  readonly goesOn: boolean;
  readonly told: "nothing" | "asked" | "doubtful" | "silent";
}

export interface Look {
  /** To be sent something that they have to answer. */
  readonly ask: readonly PublicKey[];
  /** Peers whose silence is strange; each is named once. */
  readonly doubtful: readonly PublicKey[];
  /** Peers that did not answer what they had to answer either; each is named once. */
  readonly silent: readonly PublicKey[];
  /** Peers named as silent that have been heard since. */
  readonly heard: readonly PublicKey[];
  /** Some peer owes an answer. */
  readonly waits: boolean;
  /** One that owes an answer was sent more since. */
  readonly goesOn: boolean;
  /** Something is being sent to a connected peer: it is worth looking again soon. */
  readonly busy: boolean;
}

/** Pure. */
export class Silence {
  #seen = new Map<PublicKey, Seen>();

  look(peers: readonly Traffic[], nowMs: number, wallMs: number): Look {
    const ask: PublicKey[] = [];
    const told = { doubtful: [] as PublicKey[], silent: [] as PublicKey[] };
    const heard: PublicKey[] = [];
    let waits = false;
    let goesOn = false;
    let busy = false;
    const seen = new Map<PublicKey, Seen>();
    for (const peer of peers) {
      const { publicKey, txBytes } = peer;
      const before = this.#seen.get(publicKey);
      if (!isConnected(peer.lastHandshakeMs, wallMs)) {
        // Whose silence was told is told of when it is back, however late.
        if (before?.told === "silent") seen.set(publicKey, before);
        continue;
      }
      const now = next(before, peer, nowMs);
      seen.set(publicKey, now);
      if (before !== undefined && txBytes - before.txBytes > LITTLE_BYTES) busy = true;
      if (before?.told === "silent" && now.told === "nothing") heard.push(publicKey);
      if (now.waitsSinceMs === null || now.told === "silent") continue;
      const waitedMs = nowMs - now.waitsSinceMs;
      if (now.goesOn || waitedMs < LISTEN_MS) waits = true;
      goesOn ||= now.goesOn;
      if (waitedMs < ASK_MS || !now.goesOn) continue;
      const step = nextStep(now.told, waitedMs);
      if (step === "doubtful" || step === "silent") {
        if (step !== now.told) told[step].push(publicKey);
        seen.set(publicKey, { ...now, told: step });
      }
      if (step === "silent" || ask.length >= MAX_ASKED) continue;
      ask.push(publicKey);
      if (step === "asked") seen.set(publicKey, { ...now, told: step });
    }
    this.#seen = seen;
    return { ask, ...told, heard, waits, goesOn, busy };
  }
}

/** Nobody is silent who has not been asked before. */
function nextStep(told: Seen["told"], waitedMs: number): Exclude<Seen["told"], "nothing"> {
  if (told === "nothing" || waitedMs < DOUBT_MS) return "asked";
  return waitedMs >= SILENT_MS ? "silent" : "doubtful";
}

function next(before: Seen | undefined, { rxBytes, txBytes }: Traffic, nowMs: number): Seen {
  if (before === undefined || rxBytes !== before.rxBytes || txBytes < before.txBytes) {
    return { rxBytes, txBytes, quietTxBytes: txBytes, waitsSinceMs: null, goesOn: false, told: "nothing" };
  }
  if (txBytes === before.txBytes && before.waitsSinceMs === null) return before;
  const waits = txBytes - before.quietTxBytes >= SENT_BYTES;
  const goesOn = before.goesOn || (before.waitsSinceMs !== null && txBytes > before.txBytes);
  return { ...before, txBytes, goesOn, waitsSinceMs: waits ? (before.waitsSinceMs ?? nowMs) : null };
}

export interface SilenceWatchOptions {
  readonly clock: Clock;
  read(): Promise<readonly Traffic[]>;
  /** What the interface has sent, bytes; null where that cannot be had for next to nothing. */
  sentBytes(): number | null;
  /** Sends each of them something through the tunnel that it has to answer. */
  ask(peers: readonly PublicKey[]): void;
  doubtful(peers: readonly PublicKey[]): void;
  silent(peers: readonly PublicKey[]): void;
  heard(peers: readonly PublicKey[]): void;
}

export class SilenceWatch {
  readonly #options: SilenceWatchOptions;
  readonly #silence = new Silence();
  #peers = 0;
  #next: "wait" | "listen" | "look" | "look soon" = "wait";
  #wasBusy = false;
  #sentBytes = 0;
  #wake: (() => void) | null = null;

  constructor(options: SilenceWatchOptions) {
    this.#options = options;
  }

  /** Takes what somebody else has read; while nothing is sent, nothing else is looked at. */
  noted(peers: readonly Traffic[]): void {
    const { clock } = this.#options;
    const look = this.#silence.look(peers, clock.monotonicMs(), clock.wallMs());
    this.#peers = peers.length;
    this.#next = peers.length > FEW_PEERS ? "wait" : this.#after(look);
    this.#wasBusy = look.busy;
    if (this.#next !== "wait") this.#wake?.();
    for (const what of ["ask", "doubtful", "silent", "heard"] as const) {
      if (look[what].length > 0) this.#options[what](look[what]);
    }
  }

  /** The body of its task. Rejects with what `read` rejects with. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, read } = this.#options;
    while (!signal.aborted) {
      if (this.#next === "wait") await this.#untilSent(signal);
      else if (this.#next === "listen") {
        if (!(await this.#isMoreSent(signal))) continue;
      } else await sleep(clock, this.#next === "look" ? LOOK_EVERY_MS : LOOK_SOON_MS, signal).catch(() => {});
      if (signal.aborted) return;
      this.noted(await read());
    }
  }

  #after({ goesOn, waits, busy }: Look): "wait" | "listen" | "look" | "look soon" {
    if (waits && (goesOn || this.#wasBusy)) return "look soon";
    if (!this.#wasBusy && (waits || busy)) return "listen";
    return busy ? "look" : "wait";
  }

  /** Whether the interface sends on; true where that cannot be told. What others read meanwhile decides what comes next. */
  async #isMoreSent(signal: AbortSignal): Promise<boolean> {
    const { clock, sentBytes } = this.#options;
    const before = sentBytes();
    this.#next = "wait";
    await sleep(clock, TOTAL_SOON_MS, signal).catch(() => {});
    const now = sentBytes();
    return before === null || now === null || now > before;
  }

  /** Until the interface has sent more than keepalives, or somebody's reading showed that. */
  #untilSent(signal: AbortSignal): Promise<void> {
    const { clock, sentBytes } = this.#options;
    return new Promise((resolve) => {
      let cancel = (): void => {};
      const done = (): void => {
        cancel();
        signal.removeEventListener("abort", done);
        this.#wake = null;
        resolve();
      };
      const pauseMs = (): number => nextBeatMs(clock.monotonicMs(), TOTAL_EVERY_MS) - clock.monotonicMs();
      const look = (): void => {
        const before = this.#sentBytes;
        this.#sentBytes = sentBytes() ?? before;
        if (this.#peers <= FEW_PEERS && this.#sentBytes - before > LITTLE_BYTES) done();
        else cancel = clock.after(pauseMs(), look);
      };
      if (signal.aborted) return done();
      signal.addEventListener("abort", done, { once: true });
      this.#wake = done;
      this.#sentBytes = sentBytes() ?? 0;
      cancel = clock.after(pauseMs(), look);
    });
  }
}
