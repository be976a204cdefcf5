/**
 * Notices within seconds that a peer we send to has gone silent: a router between may have started anew, or the path is no more.
 * WireGuard by itself needs 15 s to doubt, and a handshake counts for three minutes.
 *
 * Who only listens owes no answer, so the peer is asked through the tunnel before anything is made of its silence.
 */
import { BEAT_MS, nextBeatMs } from "../core/beat.ts";
import type { Clock } from "../core/clock.ts";
import { Pacemaker } from "../core/pacemaker.ts";
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
/** Of one peer, where the looks are further apart: a ping a second is twice as much, a question after its health in 5 s two thirds. */
const LITTLE_BYTES_PER_SECOND = 64;
/** Since it was seen that something is unanswered; on no path that is of use an answer takes longer. */
const ASK_MS = 450;
const DOUBT_MS = 950;
const SILENT_MS = 1_950;
/**
 * Since it was asked. What waits for an answer may be a message that needs none, long ago; and a question after its health that goes out with
 * the look, on the same beat, looks as if it went on.
 */
const ASKED_DOUBT_MS = 450;
const ASKED_SILENT_MS = 950;
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
  /** When it was first asked for the sake of that, monotonic; null before. */
  readonly askedAtMs: number | null;
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
  readonly #seen = new Map<PublicKey, Seen>();
  #lookedAtMs = 0;

  look(peers: readonly Traffic[], nowMs: number, wallMs: number): Look {
    const ask: PublicKey[] = [];
    const told = { doubtful: [] as PublicKey[], silent: [] as PublicKey[] };
    const heard: PublicKey[] = [];
    let waits = false;
    let goesOn = false;
    let busy = false;
    let kept = 0;
    const littleBytes = Math.max(
      LITTLE_BYTES,
      (LITTLE_BYTES_PER_SECOND * (nowMs - this.#lookedAtMs)) / 1_000,
    );
    this.#lookedAtMs = nowMs;
    const seen = this.#seen;
    for (const peer of peers) {
      const { publicKey, txBytes } = peer;
      const before = seen.get(publicKey);
      if (!isConnected(peer.lastHandshakeMs, wallMs)) {
        // Whose silence was told is told of when it is back, however late.
        if (before?.told === "silent") kept += 1;
        else if (before !== undefined) seen.delete(publicKey);
        continue;
      }
      kept += 1;
      const now = next(before, peer, nowMs);
      if (now !== before) seen.set(publicKey, now);
      if (before !== undefined && txBytes - before.txBytes > littleBytes) busy = true;
      if (before?.told === "silent" && now.told === "nothing") heard.push(publicKey);
      if (now.waitsSinceMs === null || now.told === "silent") continue;
      const waitedMs = nowMs - now.waitsSinceMs;
      if (now.goesOn || waitedMs < LISTEN_MS) waits = true;
      goesOn ||= now.goesOn;
      if (waitedMs < ASK_MS || !now.goesOn) continue;
      const step = nextStep(now, waitedMs, nowMs);
      if (step === "doubtful" || step === "silent") {
        if (step !== now.told) told[step].push(publicKey);
        seen.set(publicKey, { ...now, told: step });
      }
      if (step === "silent" || ask.length >= MAX_ASKED) continue;
      ask.push(publicKey);
      if (step === "asked") seen.set(publicKey, { ...now, told: step, askedAtMs: now.askedAtMs ?? nowMs });
    }
    if (seen.size > kept) this.#forgetOthers(peers);
    return { ask, ...told, heard, waits, goesOn, busy };
  }

  #forgetOthers(peers: readonly Traffic[]): void {
    const there = new Set(peers.map(({ publicKey }) => publicKey));
    for (const publicKey of this.#seen.keys()) if (!there.has(publicKey)) this.#seen.delete(publicKey);
  }
}

/** Nobody is silent who has not been asked before, and had the time to answer that. */
function nextStep(
  { told, askedAtMs }: Seen,
  waitedMs: number,
  nowMs: number,
): Exclude<Seen["told"], "nothing"> {
  const askedMs = nowMs - (askedAtMs ?? nowMs);
  if (waitedMs < DOUBT_MS || askedMs < ASKED_DOUBT_MS) return told === "doubtful" ? told : "asked";
  return waitedMs >= SILENT_MS && askedMs >= ASKED_SILENT_MS ? "silent" : "doubtful";
}

function next(before: Seen | undefined, { rxBytes, txBytes }: Traffic, nowMs: number): Seen {
  if (before === undefined || rxBytes !== before.rxBytes || txBytes < before.txBytes) {
    return {
      rxBytes,
      txBytes,
      quietTxBytes: txBytes,
      waitsSinceMs: null,
      goesOn: false,
      told: "nothing",
      askedAtMs: null,
    };
  }
  if (txBytes === before.txBytes && before.waitsSinceMs === null) return before;
  const waits = txBytes - before.quietTxBytes >= SENT_BYTES;
  const goesOn = before.goesOn || (before.waitsSinceMs !== null && txBytes > before.txBytes);
  return { ...before, txBytes, goesOn, waitsSinceMs: waits ? (before.waitsSinceMs ?? nowMs) : null };
}

export interface SilenceWatchOptions {
  readonly clock: Clock;
  read(): Promise<readonly Traffic[]>;
  /**
   * What the interface has sent, bytes, but for what is watched by others; null where that cannot be had for next to nothing. It may be
   * a little less than the last time.
   */
  sentBytes(): number | null;
  /** Sends each of them something through the tunnel that it has to answer. */
  ask(peers: readonly PublicKey[]): void;
  doubtful(peers: readonly PublicKey[]): void;
  silent(peers: readonly PublicKey[]): void;
  heard(peers: readonly PublicKey[]): void;
}

/** What to do next: wait until something is sent, see whether more is sent, or read the device. */
type Next = "wait" | "listen" | "look" | "look soon";

export class SilenceWatch {
  readonly #options: SilenceWatchOptions;
  readonly #silence = new Silence();
  readonly #pacemaker: Pacemaker;
  #peers = 0;
  /** What the last reading makes of it. */
  #next: Next = "wait";
  #wasBusy = false;
  /** What the pacemaker waits for, and until when. */
  #doing: Next = "wait";
  #dueMs = 0;
  /** At the last look at the total; null where it cannot be had, and before. */
  #sentBytes: number | null = null;

  constructor(options: SilenceWatchOptions) {
    this.#options = options;
    this.#pacemaker = new Pacemaker(options.clock, { nextAtMs: () => this.#dueMs, act: () => this.#act() });
  }

  /** Takes what somebody else has read; while nothing is sent, nothing else is looked at. */
  noted(peers: readonly Traffic[]): void {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const look = this.#silence.look(peers, nowMs, clock.wallMs());
    this.#peers = peers.length;
    this.#next = peers.length > FEW_PEERS ? "wait" : this.#after(look);
    this.#wasBusy = look.busy;
    if (this.#doing === "wait" && this.#next !== "wait") {
      this.#doing = "look";
      this.#dueMs = nowMs;
      this.#pacemaker.wake();
    }
    for (const what of ["ask", "doubtful", "silent", "heard"] as const) {
      if (look[what].length > 0) this.#options[what](look[what]);
    }
  }

  /** The body of its task. Rejects with what `read` rejects with. */
  run(signal: AbortSignal): Promise<void> {
    this.#begin();
    return this.#pacemaker.run(signal);
  }

  #after({ goesOn, waits, busy }: Look): Next {
    if (waits && (goesOn || this.#wasBusy)) return "look soon";
    if (!this.#wasBusy && (waits || busy)) return "listen";
    return busy ? "look" : "wait";
  }

  #begin(): void {
    const { clock, sentBytes } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#doing = this.#next;
    if (this.#doing === "wait" || this.#doing === "listen") this.#sentBytes ??= sentBytes();
    if (this.#doing === "wait") this.#dueMs = nextBeatMs(nowMs, TOTAL_EVERY_MS);
    else if (this.#doing === "listen") this.#dueMs = nowMs + TOTAL_SOON_MS;
    else this.#dueMs = nowMs + (this.#doing === "look" ? LOOK_EVERY_MS : LOOK_SOON_MS);
    // Unless what others read meanwhile says otherwise, one that listened in vain waits.
    if (this.#doing === "listen") this.#next = "wait";
  }

  async #act(): Promise<void> {
    if (this.#isWorthALook()) {
      this.#sentBytes = null;
      this.noted(await this.#options.read());
    }
    this.#begin();
  }

  /** Whether the interface sends: more than keepalives for one that waits, anything for one that listens, which looks too where nobody can tell. */
  #isWorthALook(): boolean {
    if (this.#doing !== "wait" && this.#doing !== "listen") return true;
    const before = this.#sentBytes;
    const now = this.#options.sentBytes();
    this.#sentBytes = now;
    if (before === null || now === null) return this.#doing === "listen";
    return this.#doing === "listen" ? now > before : this.#peers <= FEW_PEERS && now - before > LITTLE_BYTES;
  }
}
