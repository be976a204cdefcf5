/** When something was seen of a peer. */
export interface EchoProof {
  /** Its mesh address. */
  address: string;
  /** Milliseconds ago. */
  ageMs: number;
}

/** What has happened since it was taken last. */
export interface EchoNews {
  /** Our questions that were answered. */
  answered: EchoProof[];
  /** Addresses of those that did not answer in time. */
  unanswered: string[];
  /** Who asked us and has got our answer: so both directions work. */
  asked: EchoProof[];
}

/**
 * Asks peers whether they are there, and answers those that ask, by datagrams from mesh address to mesh address, on a thread of its own
 * (native/src/health/echo.rs has the form). What happens waits until it is taken, so that JavaScript need not wake for it.
 */
export class EchoPort {
  private constructor();

  /**
   * Binds all addresses, or none.
   *
   * @param addresses - Our mesh addresses.
   * @param port - UDP port, of ours and of those that ask; 0 is any.
   * @param callback - Called when a question was not answered in time, and with {@link EchoPort.setEager} also when there is a proof: once,
   *   until {@link EchoPort.takeNews}. Does not keep the process alive.
   *
   * Errors: `EADDRINUSE`, `EADDRNOTAVAIL`, `EINVAL`.
   */
  static open(addresses: readonly string[], port: number, callback: () => void): EchoPort;

  /**
   * Asks.
   *
   * @param from - One of our addresses.
   * @param to - The mesh address of the peer.
   * @param port - Its port.
   * @param timeoutMs - How long to wait for the answer.
   *
   * @returns False when it cannot be asked this way: `from` is not bound, it is being asked already, or too many are.
   *
   * Errors: `EINVAL`, `EBADF`.
   */
  ask(from: string, to: string, port: number, timeoutMs: number): boolean;

  /** What has happened since the last call. Errors: `EBADF`. */
  takeNews(): EchoNews;

  /** Whether the callback is called for proofs, too, as it is not at first. Errors: `EBADF`. */
  setEager(eager: boolean): void;

  /** All that was sent since it was opened, as IP packets. Errors: `EBADF`. */
  sentBytes(): number;

  /** Ends it and joins its thread; questions under way are not told of any more, and every other call fails with `EBADF`. Twice is once. */
  close(): void;
}
