/**
 * Lets in who shows a token, and ends the tries of who guesses. One for all TCP listeners.
 */
import type { Clock } from "../core/clock.ts";
import { WgmeshError } from "../core/errors.ts";
import type { Caller } from "./caller.ts";
import { FailedTries } from "./failedTries.ts";
import type { Tokens } from "./tokens.ts";

export class Gate {
  readonly #clock: Clock;
  readonly #tries = new FailedTries();
  tokens: Tokens;

  constructor(clock: Clock, tokens: Tokens) {
    this.#clock = clock;
    this.tokens = tokens;
  }

  /** Throws ERR_RPC_AUTH. */
  callerAt(address: string, token: string): Caller {
    const nowMs = this.#clock.monotonicMs();
    if (!this.#tries.mayTry(address, nowMs)) {
      throw new WgmeshError("ERR_RPC_AUTH", "too many wrong tokens", { hint: "try again in a minute" });
    }
    const caller = this.tokens.callerOf(token);
    if (caller !== null) return caller;
    this.#tries.failed(address, nowMs);
    throw new WgmeshError("ERR_RPC_AUTH", "the token is not known");
  }
}
