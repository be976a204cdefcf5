/**
 * What goes out on one connection: answers, which are waited for, and notifications, which are not.
 */
import type net from "node:net";
import type { Clock } from "../core/clock.ts";

/** Notifications that may wait for a client that does not read: an hour of a busy node, and small beside the daemon. */
const MAX_WAITING_BYTES = 256 * 1024;

export class Outgoing {
  readonly #socket: net.Socket;
  readonly #clock: Clock;
  #lost = 0;

  constructor(socket: net.Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    socket.on("drain", () => this.#tellLost());
  }

  /** Resolves when the kernel has it all, or the socket is gone; a client that does not take it in time is cut off. */
  write(text: string, timeMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(timeMs, () => this.#socket.destroy());
      this.#socket.write(text, () => {
        cancel();
        resolve();
      });
    });
  }

  /** Sends, or drops when the client is too far behind: then it is told how many it lost once it reads again. */
  notify(method: string, params: object): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#tellLost();
    if (this.#lost > 0 || this.#isFull()) this.#lost += 1;
    else this.#socket.write(lineOf(method, params));
  }

  #isFull(): boolean {
    return this.#socket.writableLength > MAX_WAITING_BYTES;
  }

  #tellLost(): void {
    if (this.#lost === 0 || this.#isFull() || this.#socket.destroyed || this.#socket.writableEnded) return;
    const lost = this.#lost;
    this.#lost = 0;
    this.#socket.write(lineOf("lagged", { lagged: lost }));
  }
}

const lineOf = (method: string, params: object): string =>
  `${JSON.stringify({ jsonrpc: "2.0", method, params })}\n`;
