/**
 * The receive path, the cheapest check first (row D10): size, limit of the source, limit of all, seal, fields, proof, replay,
 * and only then the message is acted on. From the seal on a burst is taken in turns, so that a flood keeps nobody else from the thread.
 * Each stage has a counter; nothing here throws.
 */
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type Endpoint, endpointText, type PublicKey } from "../core/types.ts";
import { WorkTurns } from "../core/workTurns.ts";
import { ReplayCache } from "../peers/replayCache.ts";
import { decodeAnnouncement } from "../wire/announcement.ts";
import { type OpenedEnvelope, openEnvelope } from "../wire/envelope.ts";
import { decodeGoodbye } from "../wire/goodbye.ts";
import { hourOf, type Membership } from "../wire/membership.ts";
import { type Prover, splitProof } from "../wire/proof.ts";
import type { Announcement, Goodbye } from "../wire/types.ts";
import { ClockDifferences } from "./clockDifferences.ts";
import { Copies } from "./copies.ts";
import type { Counters } from "./counters.ts";
import { GlobalLimiter, SourceLimiter } from "./rateLimiter.ts";
import type { RotationTalk, Sealer } from "./seams.ts";
import type { ReadSignal, SignalReaders } from "./signals.ts";

/** Which socket a datagram came in on. */
export type Door = "control" | "lan" | "wireguard";

export interface ReceivedAnnouncement {
  readonly type: "HELLO" | "REPLY" | "ANNOUNCE";
  readonly announcement: Announcement;
  readonly from: Endpoint;
  readonly sizeBytes: number;
  /** The same datagram from the same address came before: it may be answered, but changes nothing (row D10). */
  readonly repeat: boolean;
  /** It carries the proof that the holder of its sender's key made it, for us. */
  readonly proven: boolean;
}

export interface ReceivedGoodbye {
  readonly goodbye: Goodbye;
  readonly proven: boolean;
}

export interface InboundOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly sealer: Sealer;
  readonly prover: Prover;
  /** Checks tokens; absent takes any. */
  readonly membership?: Membership | undefined;
  readonly rotation?: RotationTalk | undefined;
  readonly counters: Counters;
  readonly ownKey: PublicKey;
  /** True while a HELLO to that address waits for its REPLY; others are not worth opening. */
  awaits(source: Endpoint, door: Door): boolean;
  /** True for an address that answered us: it does not share a limit with invented ones. */
  isKnown(source: Endpoint): boolean;
  /** True for a key that has shown a proof: what comes in its name without one changes nothing. */
  hasProven(publicKey: PublicKey): boolean;
  announced(message: ReceivedAnnouncement, door: Door): void;
  leaving(message: ReceivedGoodbye): void;
  /** Other types of messages, taken from the control socket. */
  readonly signals: SignalReaders;
  /** Somebody used the name of a key that proves itself; `announcement` is null for any other message. */
  unproven(publicKey: PublicKey, announcement: ReceivedAnnouncement | null, door: Door): void;
}

/** Shorter than an envelope around the shortest payload. */
const MIN_BYTES = 100;
/** What UDP can carry; the Go peer fills it in large meshes. */
const MAX_BYTES = 65_507;
/** Opening and acting, until whatever else waits has its turn: callers of RPC, timers of health and rendezvous. */
const TURN_MS = 10;
/** Two seconds of what all may send. */
const MOST_WAITING = 4_000;
const REPLY_HEAD = Buffer.from('{"type":"REPLY",');
/** A flood of rejects must not become a flood of log lines (weak point 17). */
const LOG_EVERY_MS = 60_000;

type Decoded =
  | {
      readonly kind: "announcement";
      readonly type: ReceivedAnnouncement["type"];
      readonly value: Announcement;
    }
  | { readonly kind: "goodbye"; readonly value: Goodbye }
  | { readonly kind: "signal"; readonly value: ReadSignal & { readonly ok: true } };

/** Null when the message does not say. */
const senderOf = (decoded: Decoded): PublicKey | null =>
  decoded.kind === "signal" ? decoded.value.sender : decoded.value.publicKey;

export class Inbound {
  readonly #options: InboundOptions;
  readonly #sources = new SourceLimiter();
  readonly #global: GlobalLimiter;
  readonly #replays: ReplayCache;
  readonly #clocks = new ClockDifferences();
  readonly #loggedAtMs = new Map<string, number>();
  readonly #turns: WorkTurns;
  readonly #copies = new Copies();

  constructor(options: InboundOptions) {
    this.#options = options;
    this.#turns = new WorkTurns(options.clock, TURN_MS, MOST_WAITING);
    options.counters.queue("datagrams", () => this.#turns.size);
    this.#global = new GlobalLimiter(options.clock.monotonicMs());
    this.#replays = new ReplayCache(options.clock);
  }

  /** Takes one datagram from a canonical source address. */
  receive(data: Buffer, from: Endpoint, door: Door): void {
    this.#options.counters.add("received");
    const refused = this.#admit(data, from);
    if (refused !== null) this.#reject(refused, door, from, refused);
    else if (!this.#turns.take(() => this.#look(data, from, door)))
      this.#reject("limited", door, from, "crowd");
  }

  #look(data: Buffer, from: Endpoint, door: Door): void {
    const { awaits, clock, counters } = this.#options;
    // Who starts among many is answered late and so repeats itself: two in three of what comes then are copies and second answers.
    if (this.#copies.has(data, from, clock.monotonicMs())) {
      counters.add("replayed");
      return;
    }
    if (data.subarray(0, REPLY_HEAD.length).equals(REPLY_HEAD) && !awaits(from, door)) {
      counters.add("unsolicitedReplies");
      return;
    }
    try {
      this.#open(data, from, door);
    } catch (error) {
      this.#note("error", door, from, messageOf(error));
    }
  }

  /** Why members may not be heard, or null. */
  clockProblem(): string | null {
    return this.#clocks.problem(this.#options.clock.monotonicMs());
  }

  #open(data: Buffer, from: Endpoint, door: Door): void {
    const { counters, ownKey } = this.#options;
    const envelope = openEnvelope(data, this.#options.sealer, this.#options.clock.wallMs());
    if (!envelope.ok) {
      this.#reject("sealRejected", door, from, envelope.stage);
      if (envelope.aheadSeconds !== undefined) this.#noteClock(from, envelope.aheadSeconds);
      return;
    }
    counters.add("sealOpened");
    this.#copies.note(data, from, this.#options.clock.monotonicMs());
    const decoded = this.#decode(envelope, door);
    if (typeof decoded === "string") {
      this.#reject("fieldsRejected", door, from, decoded);
      return;
    }
    if (!this.#isMember(decoded)) {
      this.#reject("tokensRejected", door, from, "token");
      return;
    }
    counters.add("fieldsAccepted");
    const sender = senderOf(decoded);
    if (sender === ownKey) {
      // Our own multicast comes back to us.
      counters.add("own");
      return;
    }
    const proof = sender === null ? null : this.#proofOf(envelope, sender);
    // Another member can seal a message anew, but the proof in it stays the same.
    const verdict = this.#replays.check(proof ?? envelope.nonce, endpointText(from));
    if (verdict !== "new") counters.add("replayed");
    if (verdict === "replay") return;
    this.#act(
      decoded,
      { from, sizeBytes: data.length, repeat: verdict === "repeat", proven: proof !== null },
      door,
    );
  }

  #act(
    decoded: Decoded,
    about: Pick<ReceivedAnnouncement, "from" | "sizeBytes" | "repeat" | "proven">,
    door: Door,
  ): void {
    const { announced, counters, hasProven, leaving, unproven } = this.#options;
    const sender = senderOf(decoded);
    const message = decoded.kind === "announcement" ? announcement(decoded, about) : null;
    const rotations = message?.announcement.rotations ?? [];
    // Signed by themselves: it does not count who brings them.
    if (rotations.length > 0 && !about.repeat) this.#options.rotation?.heard(rotations);
    if (!about.proven && sender !== null && hasProven(sender)) {
      counters.add("unproven");
      if (!about.repeat) unproven(sender, message, door);
    } else if (message !== null) {
      announced(message, door);
    } else if (decoded.kind === "goodbye" && !about.repeat) {
      leaving({ goodbye: decoded.value, proven: about.proven });
    } else if (decoded.kind === "signal" && !about.repeat) {
      decoded.value.act(about);
    }
  }

  /** The proof of the message when it is good. A wrong one is none: it may be for whoever had this address before. */
  #proofOf({ type, plaintext }: OpenedEnvelope, sender: PublicKey): Buffer | null {
    const split = splitProof(plaintext);
    if (split === null) return null;
    return this.#options.prover.verify(sender, type, split.signed, split.proof) ? split.proof : null;
  }

  /** False for a wrong token only: Go peers send none. */
  #isMember(decoded: Decoded): boolean {
    const { clock, membership } = this.#options;
    if (membership === undefined || decoded.kind !== "announcement") return true;
    const { publicKey, token } = decoded.value;
    return token === undefined || membership.isToken(publicKey, token, hourOf(clock.wallMs()));
  }

  /** Null when the datagram is worth a look. */
  #admit(data: Buffer, from: Endpoint): "sizeRejected" | "limited" | null {
    if (data.length < MIN_BYTES || data.length > MAX_BYTES) return "sizeRejected";
    const nowMs = this.#options.clock.monotonicMs();
    if (!this.#sources.take(from.host, nowMs)) return "limited";
    return this.#global.take(data.length, this.#options.isKnown(from), nowMs) ? null : "limited";
  }

  /** The message, or what is wrong with it. */
  #decode(envelope: OpenedEnvelope, door: Door): Decoded | string {
    const { type, payload } = envelope;
    switch (type) {
      case "HELLO":
      case "REPLY":
      case "ANNOUNCE": {
        // To the LAN is announced and nothing else; on WireGuard's port peers greet.
        if ((door === "lan" && type !== "ANNOUNCE") || (door === "wireguard" && type === "ANNOUNCE"))
          return `type ${type}`;
        const decoded = decodeAnnouncement(payload);
        if (decoded.ok) return { kind: "announcement", type, value: decoded.value };
        return decoded.stage === "field" ? decoded.field : decoded.stage;
      }
      case "GOODBYE": {
        if (door !== "control") return `type ${type}`;
        const decoded = decodeGoodbye(payload, this.#options.clock.wallMs());
        return decoded.ok ? { kind: "goodbye", value: decoded.value } : decoded.stage;
      }
      default: {
        const read = door === "control" ? this.#options.signals.get(type)?.(payload) : undefined;
        if (read === undefined) return "unknown type";
        return read.ok ? { kind: "signal", value: read } : read.field;
      }
    }
  }

  #reject(
    counter: "sizeRejected" | "limited" | "sealRejected" | "fieldsRejected" | "tokensRejected",
    door: Door,
    from: Endpoint,
    reason: string,
  ): void {
    this.#options.counters.add(counter);
    this.#note("debug", door, from, reason);
  }

  #noteClock(from: Endpoint, aheadSeconds: number): void {
    const { clock, log } = this.#options;
    if (!this.#clocks.note(from.host, aheadSeconds, clock.monotonicMs())) return;
    const reason = this.clockProblem() ?? "";
    const nowMs = clock.monotonicMs();
    if (nowMs - (this.#loggedAtMs.get("clock") ?? Number.NEGATIVE_INFINITY) < LOG_EVERY_MS) return;
    this.#loggedAtMs.set("clock", nowMs);
    log.warn({ source: endpointText(from), reason }, "message of a member refused");
  }

  /** At most one line a minute for each socket and level. */
  #note(level: "debug" | "error", door: Door, from: Endpoint, reason: string): void {
    const { clock, log } = this.#options;
    const kind = `${door} ${level}`;
    const nowMs = clock.monotonicMs();
    const lastMs = this.#loggedAtMs.get(kind);
    if (lastMs !== undefined && nowMs - lastMs < LOG_EVERY_MS) return;
    this.#loggedAtMs.set(kind, nowMs);
    const fields = { door, source: endpointText(from), reason };
    if (level === "debug") log.debug(fields, "datagram rejected");
    else log.error(fields, "datagram could not be handled");
  }
}

function announcement(
  { type, value }: Decoded & { kind: "announcement" },
  about: Pick<ReceivedAnnouncement, "from" | "sizeBytes" | "repeat" | "proven">,
): ReceivedAnnouncement {
  return { type, announcement: value, ...about };
}
