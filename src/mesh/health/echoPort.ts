/** The sockets of {@link Echo}: one on each of our mesh addresses. */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Clock } from "../../core/clock.ts";
import { WgmeshError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { ProbePath } from "../probe.ts";
import { Echo, MAX_ECHO_BYTES } from "./echo.ts";

/** IPv4 or IPv6, and UDP. */
const HEADER_BYTES = { 4: 28, 6: 48 } as const;

export interface EchoPortOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Told whose question was answered, when that is known to have arrived. */
  readonly asked: (from: string) => void;
}

export class EchoPort {
  readonly #options: EchoPortOptions;
  readonly #echo: Echo;
  readonly #sockets = new Map<string, Socket>();
  /** By the mesh address that was asked. */
  readonly #waiting = new Map<string, (answered: boolean) => void>();
  #sentBytes = 0;

  constructor(options: EchoPortOptions) {
    this.#options = options;
    this.#echo = new Echo(options.random);
  }

  /** All that went into the tunnels, as IP packets. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Binds every address, or none: rejects with ERR_SYSTEM naming the one that could not be had. Opened again after {@link close}. */
  async open(addresses: readonly string[], port: number): Promise<void> {
    try {
      for (const address of addresses) this.#sockets.set(address, await this.#bind(address, port));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    for (const end of [...this.#waiting.values()]) end(false);
  }

  /** Null when the question cannot be asked this way; else whether the answer came within `timeoutMs`. */
  ask({ from, to }: ProbePath, port: number, timeoutMs: number): Promise<boolean> | null {
    const { clock } = this.#options;
    const socket = this.#sockets.get(from);
    if (socket === undefined || this.#waiting.has(to)) return null;
    const question = this.#echo.ask(to, clock.monotonicMs());
    if (question === null) return null;
    return new Promise((resolve) => {
      const end = (answered: boolean): void => {
        cancel();
        this.#waiting.delete(to);
        resolve(answered);
      };
      const cancel = clock.after(timeoutMs, () => end(false));
      this.#waiting.set(to, end);
      // What cannot be sent is not answered either.
      this.#send(socket, question, port, to);
    });
  }

  #bind(address: string, port: number): Promise<Socket> {
    const family = isIPv6(address) ? 6 : 4;
    const socket = createSocket({
      type: family === 6 ? "udp6" : "udp4",
      // Addresses only: the system's resolver is never asked.
      lookup: (host, _options, done) => done(null, host, family),
    });
    return new Promise((resolve, reject) => {
      socket.once("error", (cause) => {
        socket.close();
        const message = `echo port on ${address} port ${port}: ${cause.message}`;
        reject(new WgmeshError("ERR_SYSTEM", message, { cause }));
      });
      socket.bind({ address, port }, () => {
        socket.removeAllListeners("error").on("error", () => {});
        socket.on("message", (data, from) => this.#received(socket, data, from));
        resolve(socket);
      });
    });
  }

  #received(socket: Socket, data: Buffer, { address, port }: RemoteInfo): void {
    if (data.length > MAX_ECHO_BYTES) return;
    const step = this.#echo.received(data.toString("latin1"), address, this.#options.clock.monotonicMs());
    if (step.reply !== null) this.#send(socket, step.reply, port, address);
    if (step.proof === "answered") this.#waiting.get(address)?.(true);
    if (step.proof === "asked") this.#options.asked(address);
  }

  #send(socket: Socket, text: string, port: number, to: string): void {
    this.#sentBytes += HEADER_BYTES[isIPv6(to) ? 6 : 4] + text.length;
    socket.send(text, port, to, () => {});
  }
}
