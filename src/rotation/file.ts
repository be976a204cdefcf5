/**
 * The file of a rotation, `<state-dir>/<iface>.rotation.json`: the Go peer's rotation state (PROTOCOL.md section 13) with hashes in the place of
 * the two secrets, and what is ours after it. Text in, text out.
 */
import { WgmeshError } from "../core/errors.ts";
import { type Closed, IDLE, type Offer, type RotationState } from "./state.ts";

export interface RotationRecord {
  /** Of the secret the node was started with; "" when idle. */
  readonly oldCommitment: string;
  readonly state: RotationState;
}

export const NO_ROTATION: RotationRecord = { oldCommitment: "", state: IDLE };

export function rotationFileText({ oldCommitment, state }: RotationRecord): string {
  const { phase, held, offers, closed } = state;
  const record = {
    ...(held === null
      ? {}
      : {
          old_secret_hash: oldCommitment,
          new_secret_hash: held.commitment,
          grace_period: goDuration(held.endsAtMs - held.startedAtMs),
          started_at: timeText(held.startedAtMs),
          completed: phase === "completed",
          ends_at: timeText(held.endsAtMs),
        }),
    offers: offers.map(({ commitment, endsAtMs, heardAtMs }) => ({
      new_secret_hash: commitment,
      ends_at: timeText(endsAtMs),
      heard_at: timeText(heardAtMs),
    })),
    closed: closed.map(({ commitment, how, atMs, signature }) => ({
      new_secret_hash: commitment,
      how,
      at: timeText(atMs),
      signature,
    })),
  };
  return `${JSON.stringify(record, null, 2)}\n`;
}

/** Throws ERR_STATE_DAMAGED for what {@link rotationFileText} did not write. */
export function readRotationFile(text: string, path: string): RotationRecord {
  try {
    const { completed, offers, closed, ...record } = JSON.parse(text) as Record<string, unknown>;
    const held =
      record.new_secret_hash === undefined
        ? null
        : {
            commitment: hash(record.new_secret_hash),
            startedAtMs: time(record.started_at),
            endsAtMs: time(record.ends_at),
          };
    return {
      oldCommitment: held === null ? "" : hash(record.old_secret_hash),
      state: {
        phase: held === null ? "idle" : completed === true ? "completed" : "accepted",
        held,
        offers: list(offers).map(readOffer),
        closed: list(closed).map(readClosed),
      },
    };
  } catch (cause) {
    throw new WgmeshError("ERR_STATE_DAMAGED", `${path} does not say how far the move to a new secret is`, {
      cause,
      hint: "start the node with the secret that the mesh has now, after removing that file",
    });
  }
}

function readOffer(entry: Record<string, unknown>): Offer {
  return {
    commitment: hash(entry.new_secret_hash),
    endsAtMs: time(entry.ends_at),
    heardAtMs: time(entry.heard_at),
  };
}

function readClosed(entry: Record<string, unknown>): Closed {
  const { how, signature } = entry;
  if ((how !== "aborted" && how !== "completed") || typeof signature !== "string") throw new TypeError("how");
  return { commitment: hash(entry.new_secret_hash), how, atMs: time(entry.at), signature };
}

function list(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) throw new TypeError("no list");
  return value as Record<string, unknown>[];
}

function hash(value: unknown): string {
  if (typeof value !== "string" || Buffer.from(value, "base64").length !== 32) throw new TypeError("no hash");
  return value;
}

function time(value: unknown): number {
  const ms = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) throw new TypeError("no time");
  return ms;
}

const timeText = (ms: number): string => new Date(ms).toISOString();

/** As Go prints a duration of whole seconds: `24h0m0s`, `1m30s`, `0s`. */
export function goDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const rest = `${seconds % 60}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}
