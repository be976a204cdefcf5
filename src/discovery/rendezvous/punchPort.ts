/**
 * PUNCH messages on WireGuard's port: sealed and proved on the way out, judged on the way in, the cheapest check first. Nothing here
 * throws, whatever comes in.
 */
import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import { TokenBucket } from "../../core/tokenBucket.ts";
import { type Endpoint, endpointText, type PublicKey } from "../../core/types.ts";
import { ReplayCache } from "../../peers/replayCache.ts";
import { openEnvelope, sealEnvelope } from "../../wire/envelope.ts";
import { MESSAGE_ID_BYTES, type Prover, splitProof, withProof } from "../../wire/proof.ts";
import { decodePunch, encodePunch, PUNCH, type Punch } from "../../wire/punch.ts";
import type { Sealer } from "../seams.ts";
import { Buckets } from "./budget.ts";

const HEAD = Buffer.from(`{"type":"${PUNCH}",`);
const MAX_BYTES = 1_200;
/** Each is opened in about a tenth of a millisecond: a flood costs 3 % of a core. */
const OVERALL_RATE_PER_SECOND = 300;
const OVERALL_BURST = 600;
const SOURCE_RATE_PER_SECOND = 100;
const SOURCE_BURST = 200;

export interface PunchPortOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly sealer: Sealer;
  readonly prover: Prover;
  readonly ownKey: PublicKey;
  isKnown(publicKey: PublicKey): boolean;
}

export class PunchPort {
  readonly #options: PunchPortOptions;
  readonly #replays: ReplayCache;
  readonly #sources = new Buckets(SOURCE_RATE_PER_SECOND, SOURCE_BURST);
  readonly #overall: TokenBucket;

  constructor(options: PunchPortOptions) {
    this.#options = options;
    this.#replays = new ReplayCache(options.clock, 8_192);
    this.#overall = new TokenBucket(OVERALL_RATE_PER_SECOND, OVERALL_BURST, options.clock.monotonicMs());
  }

  /** A datagram; each differs from all others, so that a repeated one is known as such. */
  seal(punch: Omit<Punch, "from" | "timestampSeconds">): Buffer {
    const { clock, ownKey, prover, random, sealer } = this.#options;
    const timestampSeconds = Math.floor(clock.wallMs() / 1000);
    const payload = encodePunch({ ...punch, from: ownKey, timestampSeconds });
    const proven = withProof(payload, PUNCH, punch.to, prover, random.bytes(MESSAGE_ID_BYTES));
    return sealEnvelope(PUNCH, proven, sealer, random);
  }

  /** The message when a peer that is known made it for us and it did not come before; else null. */
  open(data: Buffer, from: Endpoint): Punch | null {
    const { clock, ownKey, prover, sealer, isKnown } = this.#options;
    if (data.length > MAX_BYTES || !data.subarray(0, HEAD.length).equals(HEAD)) return null;
    const nowMs = clock.monotonicMs();
    if (!this.#sources.take(from.host, nowMs) || !this.#overall.take(nowMs)) return null;
    const envelope = openEnvelope(data, sealer, clock.wallMs());
    if (!envelope.ok || envelope.type !== PUNCH) return null;
    const decoded = decodePunch(envelope.payload);
    if (!decoded.ok || decoded.value.to !== ownKey || !isKnown(decoded.value.from)) return null;
    const split = splitProof(envelope.plaintext);
    if (split === null || !prover.verify(decoded.value.from, PUNCH, split.signed, split.proof)) return null;
    return this.#replays.check(split.proof, endpointText(from)) === "new" ? decoded.value : null;
  }
}
