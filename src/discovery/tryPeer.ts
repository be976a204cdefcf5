/**
 * One question to one address: who is there (`wgmesh test-peer`, PROTOCOL.md section 16). A HELLO under a key of its own that is
 * forgotten at the end; the GOODBYE after it takes back what the other side stored (weak point 25: the Go tool leaves a peer
 * that spoils the other's interface).
 */
import { type Clock, sleep } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { type Endpoint, endpointText, type IpAddress, type PublicKey } from "../core/types.ts";
import { decodeAnnouncement, encodeAnnouncement } from "../wire/announcement.ts";
import { openEnvelope, sealEnvelope } from "../wire/envelope.ts";
import { encodeGoodbye } from "../wire/goodbye.ts";
import { MESSAGE_ID_BYTES, type Prover, splitProof, withProof } from "../wire/proof.ts";
import type { Sealer } from "../wire/sealer.ts";
import type { Announcement } from "../wire/types.ts";
import { ControlSocket } from "./controlSocket.ts";
import type { UdpSocketFactory } from "./udpSocket.ts";

export interface TryOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly sealer: Sealer;
  readonly bind: UdpSocketFactory;
  /** The passing identity: a key nobody else has, its address, its proofs. */
  readonly publicKey: PublicKey;
  readonly meshIp: IpAddress;
  readonly prover: Prover;
  readonly to: Endpoint;
}

export interface PeerAnswer {
  readonly announcement: Announcement;
  /** From the first HELLO, milliseconds. */
  readonly afterMs: number;
  /** `ok`: the holder of that key spoke; `none`: a Go node, or an older one; `wrong`: somebody else speaks in its name. */
  readonly proof: "ok" | "none" | "wrong";
}

export interface TryOutcome {
  readonly answer: PeerAnswer | null;
  /** What else came from there: datagrams that are no answer of this mesh. */
  readonly strangers: number;
  /** Why sending failed, or null. */
  readonly sendError: string | null;
}

/** PROTOCOL.md section 16. */
const ANSWER_WITHIN_MS = 10_000;
/** The same bytes again, since a datagram may be lost; the first is at once. */
const SEND_AT_MS = [0, 500, 1_500, 4_000] as const;
const GOODBYE_AGAIN_MS = 60;

/** Asks, waits up to 10 s, says goodbye. Rejects when no socket can be had. */
export async function tryPeer(options: TryOptions): Promise<TryOutcome> {
  const { bind, clock, to } = options;
  let strangers = 0;
  let sendError: string | null = null;
  let answered: (answer: PeerAnswer) => void = () => {};
  const answer = new Promise<PeerAnswer>((resolve) => {
    answered = resolve;
  });
  const startMs = clock.monotonicMs();
  const socket = await ControlSocket.open({
    bind,
    port: 0,
    noIpv6: !to.host.includes(":"),
    datagram: (data, from) => {
      if (endpointText(from) !== endpointText(to)) return;
      const read = readReply(data, options);
      if (read === null) strangers += 1;
      else answered({ ...read, afterMs: clock.monotonicMs() - startMs });
    },
    failed: (error) => {
      sendError ??= error.message;
    },
  });
  const done = new AbortController();
  try {
    const hello = sealed("HELLO", encodeAnnouncement("HELLO", introduction(options)).payload, options);
    const asking = askAgain(options, socket, hello, done.signal);
    const late = sleep(clock, ANSWER_WITHIN_MS, done.signal).then(
      () => null,
      () => null,
    );
    const result = await Promise.race([answer, late]);
    done.abort();
    await asking;
    await sayGoodbye(options, socket, result?.announcement.publicKey ?? null);
    return { answer: result, strangers, sendError };
  } finally {
    done.abort();
    socket.close();
  }
}

async function askAgain(
  { clock, to }: TryOptions,
  socket: ControlSocket,
  hello: Buffer,
  signal: AbortSignal,
): Promise<void> {
  let atMs = 0;
  for (const nextAtMs of SEND_AT_MS) {
    try {
      if (nextAtMs > atMs) await sleep(clock, nextAtMs - atMs, signal);
    } catch {
      return;
    }
    atMs = nextAtMs;
    socket.send(hello, to);
  }
}

/** Twice, since nobody acknowledges it; proven when the other's key is known, so that it counts at once. */
async function sayGoodbye(options: TryOptions, socket: ControlSocket, to: PublicKey | null): Promise<void> {
  const { clock, publicKey } = options;
  const payload = encodeGoodbye(publicKey, Math.floor(clock.wallMs() / 1000));
  const goodbye = sealed("GOODBYE", payload, options, to);
  socket.send(goodbye, options.to);
  await sleep(clock, GOODBYE_AGAIN_MS);
  socket.send(goodbye, options.to);
  // Closing at once could overtake what waits in the socket.
  await sleep(clock, GOODBYE_AGAIN_MS);
}

function sealed(
  type: "HELLO" | "GOODBYE",
  payload: string,
  { prover, random, sealer }: TryOptions,
  to: PublicKey | null = null,
): Buffer {
  const proven = to === null ? payload : withProof(payload, type, to, prover, random.bytes(MESSAGE_ID_BYTES));
  return sealEnvelope(type, proven, sealer, random);
}

/** Says as little as the format allows: no endpoint to connect to, no networks, nobody else. */
function introduction({ clock, meshIp, publicKey }: TryOptions): Announcement {
  return {
    publicKey,
    hostname: "test-peer",
    meshIp,
    meshIpv6: null,
    wgEndpoint: "",
    introducer: false,
    natType: "",
    networks: [],
    timestampSeconds: Math.floor(clock.wallMs() / 1000),
    knownPeers: [],
    observedEndpoint: "",
    instance: "",
  };
}

function readReply(data: Buffer, { clock, prover, sealer }: TryOptions): Omit<PeerAnswer, "afterMs"> | null {
  const envelope = openEnvelope(data, sealer, clock.wallMs());
  if (!envelope.ok || envelope.type !== "REPLY") return null;
  const decoded = decodeAnnouncement(envelope.payload);
  if (!decoded.ok) return null;
  const split = splitProof(envelope.plaintext);
  const good = split !== null && prover.verify(decoded.value.publicKey, "REPLY", split.signed, split.proof);
  return { announcement: decoded.value, proof: split === null ? "none" : good ? "ok" : "wrong" };
}
