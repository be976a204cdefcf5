import type { MeshSecret } from "./mesh.js";

/**
 * An X25519 private key: a handle to 32 bytes in native memory, which are zeroised when the handle is collected. There is no way
 * to get the key out but {@link PrivateKey.save}. `String()`, `JSON.stringify()` and `console.log()` show `PrivateKey([redacted])`.
 */
export class PrivateKey {
  private constructor();

  /** A new key from the system's random source. About 20 µs, with its public key. */
  static generate(): PrivateKey;

  /**
   * Reads a file, or a pipe (then it blocks until the writer is done), in the form of `wg genkey`: base64 and white space. The
   * key never is a JavaScript string.
   *
   * Errors: those of open(2); `KEY_FILE` when others than the owner and root can read or write the file, another user owns it, or
   * it is over 64 KiB; `EINVAL` for what is no key (all zeros is none).
   */
  static fromFile(path: string): PrivateKey;

  /**
   * Reads a descriptor (a pipe, standard input) to its end, and leaves it open. Blocks until the writer closes its side.
   *
   * Errors: `EBADF`; `KEY_FILE` over 64 KiB; `EINVAL` for what is no key.
   */
  static fromFd(fd: number): PrivateKey;

  /**
   * Takes base64 of 32 bytes. **The text stays in JavaScript's memory** until it happens to be collected and overwritten, where a heap
   * snapshot shows it; nothing can zeroise it. Prefer {@link PrivateKey.fromFile} and {@link PrivateKey.fromFd}.
   *
   * Errors: `EINVAL`, without the text.
   */
  static fromText(text: string): PrivateKey;

  /** The public key as base64, 44 characters. Computed at each call, about 20 µs. */
  readonly publicKey: string;

  /**
   * Makes the file, mode 0600, with base64 and a line feed, as `wg genkey` does; it is on the disk when this returns, which may
   * take tens of milliseconds. A key is never written over.
   *
   * Errors: `EEXIST` when anything of that name is there; those of open(2) and write(2).
   */
  save(path: string): void;

  /** Always `PrivateKey([redacted])`. */
  toString(): string;

  /** Always `PrivateKey([redacted])`. */
  toJSON(): string;
}

/**
 * A preshared key, mixed into every handshake with a peer: a handle like {@link PrivateKey}, with the same care. Both ends of a tunnel
 * need the same one.
 */
export class PresharedKey {
  private constructor();

  /** A new key from the system's random source. */
  static generate(): PresharedKey;

  /**
   * The key that all who hold the secret come to, without exchanging anything: HKDF-SHA256 of the secret, no salt, `label` as info.
   * Without a label it is the one every pair of nodes of a mesh uses.
   *
   * @param secret - What both ends hold.
   * @param label - 1 to 255 bytes, for a key of its own, such as `office to gateway`. Not beginning with `wgmesh-`.
   *
   * Errors: `EINVAL` for a label that cannot be.
   */
  static derive(secret: MeshSecret, label?: string): PresharedKey;

  /** As {@link PrivateKey.fromFile}, in the form of `wg genpsk`. */
  static fromFile(path: string): PresharedKey;

  /** As {@link PrivateKey.fromFd}. */
  static fromFd(fd: number): PresharedKey;

  /** As {@link PrivateKey.fromText}, with the same warning: **the text stays in JavaScript's memory**. */
  static fromText(text: string): PresharedKey;

  /** As {@link PrivateKey.save}. */
  save(path: string): void;

  /** Always `PresharedKey([redacted])`. */
  toString(): string;

  /** Always `PresharedKey([redacted])`. */
  toJSON(): string;
}

/** A key pair of {@link generateKeyPair}. */
export interface KeyPair {
  /** Base64, 44 characters: a secret. */
  privateKey: string;
  /** Base64, 44 characters. */
  publicKey: string;
}

/**
 * A new key pair as text, for a device that is only set up here: its private key goes into a configuration file. **The text stays in
 * JavaScript's memory**; for a key that this machine uses itself there is {@link PrivateKey.generate}.
 *
 * Errors: `EIO` without random numbers.
 */
export function generateKeyPair(): KeyPair;
