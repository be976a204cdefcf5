/**
 * What nodes say to each other of a new secret: signs and checks it. Announcements are signed by the old secret, which every member has;
 * aborts by the new one.
 */

import type { Membership } from "../../identity/derivation.ts";
import { type Closed, NOTICE_MS, type RotationEvent, type RotationState } from "../../rotation/state.ts";
import { MAX_NOTICES, type RotationNotice } from "../../wire/rotation.ts";
import type { Meshes } from "./meshes.ts";

/** An announcement is signed anew this often, with what is then left of the grace: it is good for an hour. */
const RENEW_MS = NOTICE_MS / 3;

export class NoticeBoard {
  /** As others said it, to be passed on, by commitment. */
  readonly #heard = new Map<string, RotationNotice>();
  #own: {
    readonly key: string;
    readonly signedAtMs: number;
    readonly notices: readonly RotationNotice[];
  } | null = null;

  /** What this node says: what it aborted, what it moves to, what it heard. */
  notices(state: RotationState, membership: Membership, nowMs: number): readonly RotationNotice[] {
    const aborted = state.closed.filter(
      ({ how, atMs, signature }) => how === "aborted" && signature !== "" && nowMs - atMs < NOTICE_MS,
    );
    const { held, phase, offers } = state;
    const moving = phase === "accepted" && held !== null ? held : null;
    if (aborted.length === 0 && moving === null && offers.length === 0) return [];
    const own = this.#ownNotices(aborted.at(-1), moving, membership, nowMs);
    const passedOn = offers.flatMap(({ commitment }) => this.#heard.get(commitment) ?? []);
    return [...own, ...passedOn].slice(0, MAX_NOTICES);
  }

  /** The event that a notice is, its signature checked; null for one that does not count here. */
  read(notice: RotationNotice, meshes: Meshes, state: RotationState, nowMs: number): RotationEvent | null {
    const { commitment, graceSeconds, timestampSeconds, signature, abort } = notice;
    const text = Buffer.from(commitment).toString("base64");
    if (abort !== undefined) {
      // Only who has the new secret can check it, and only for him it counts.
      const atMs = abort.timestampSeconds * 1000;
      const mine = state.phase === "accepted" && meshes.next?.commitment === text;
      if (!mine || Math.abs(nowMs - atMs) > NOTICE_MS) return null;
      if (!meshes.next.membership.isAbort(commitment, abort.timestampSeconds, abort.signature)) return null;
      return { kind: "abort", atMs, signature: Buffer.from(abort.signature).toString("base64") };
    }
    if (state.held?.commitment === text) return null;
    if (!meshes.current.membership.isRotation(commitment, graceSeconds, timestampSeconds, signature))
      return null;
    this.#remember(text, notice, state);
    return { kind: "heard", commitment: text, graceSeconds, atMs: timestampSeconds * 1000 };
  }

  #ownNotices(
    aborted: Closed | undefined,
    moving: { readonly commitment: string; readonly endsAtMs: number } | null,
    membership: Membership,
    nowMs: number,
  ): readonly RotationNotice[] {
    const key = `${aborted?.commitment} ${moving?.commitment}`;
    const own = this.#own;
    if (own?.key === key && Math.abs(nowMs - own.signedAtMs) < RENEW_MS) return own.notices;
    const notices: RotationNotice[] = [];
    const timestampSeconds = Math.floor(nowMs / 1000);
    const signed = (text: string, graceSeconds: number): RotationNotice => {
      const commitment = Buffer.from(text, "base64");
      const signature = membership.signRotation(commitment, graceSeconds, timestampSeconds);
      return { commitment, graceSeconds, timestampSeconds, signature };
    };
    if (aborted !== undefined) {
      const abort = {
        timestampSeconds: Math.floor(aborted.atMs / 1000),
        signature: Buffer.from(aborted.signature, "base64"),
      };
      notices.push({ ...signed(aborted.commitment, 0), abort });
    }
    if (moving !== null) {
      const leftSeconds = Math.max(0, Math.ceil(moving.endsAtMs / 1000) - timestampSeconds);
      notices.push(signed(moving.commitment, leftSeconds));
    }
    this.#own = { key, signedAtMs: nowMs, notices };
    return notices;
  }

  /** The newest of each, of those that are offers. */
  #remember(text: string, notice: RotationNotice, state: RotationState): void {
    const known = this.#heard.get(text);
    if (known !== undefined && known.timestampSeconds >= notice.timestampSeconds) return;
    const offered = new Set([...state.offers.map(({ commitment }) => commitment), text]);
    for (const key of this.#heard.keys()) if (!offered.has(key)) this.#heard.delete(key);
    this.#heard.set(text, notice);
  }
}
