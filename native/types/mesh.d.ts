/// <reference types="node" />

import type { PresharedKey } from "./keys.js";

/**
 * A mesh secret and everything derived from it (PROTOCOL.md section 2): a handle. The bytes stay in native memory and are zeroised
 * when the handle is collected. `String()`, `JSON.stringify()` and `console.log()` show `MeshSecret([redacted])`.
 */
export class MeshSecret {
  private constructor();

  /**
   * Takes any input form (PROTOCOL.md section 1): the secret as it is, or a `wgmesh://v1/…` URI. **The text stays in JavaScript's
   * memory** until it happens to be collected and overwritten; prefer the other ways in.
   *
   * Errors: `SECRET_SHORT` (under 16 bytes), `SECRET_URI` (nothing after the prefix).
   */
  static fromText(text: string): MeshSecret;

  /**
   * Reads a regular file or pipe of at most 64 KiB; a pipe blocks until its writer is done. A systemd credential may be readable
   * by its group.
   *
   * Errors: those of open(2); `SECRET_FILE` (others than owner and root can read or write it, or another user owns it);
   * `SECRET_SHORT`, `SECRET_URI`.
   */
  static fromFile(path: string): MeshSecret;

  /** Reads a descriptor (pipe, standard input) to its end, at most 64 KiB, and leaves it open. Blocks until the writer closes it. */
  static fromFd(fd: number): MeshSecret;

  /** Asks on /dev/tty with echo off. Blocks until the line is entered. Errors: `ENXIO` without a terminal. */
  static fromPrompt(prompt: string): MeshSecret;

  /**
   * Writes the secret's URI as a QR code to a descriptor, which stays open; the picture is drawn in native memory and never
   * becomes a JavaScript value. `terminal`: half blocks, black on white by escape sequences; `plain`: half blocks alone, right on a
   * dark background; `svg`; `png`. Blocks until all is taken, 0.4 MB at most.
   *
   * Errors: `EINVAL` for a secret that no URI stands for (it has both a question mark and a slash) or of more than some 2,900
   * bytes; those of write(2).
   */
  writeQr(fd: number, form: "terminal" | "plain" | "svg" | "png"): void;

  /**
   * Takes over what {@link MeshSecret.toPipe} put there, and closes the descriptor. Errors: `EBADF`, `EINVAL` (no pipe),
   * `SECRET_SHORT`.
   */
  static fromPipe(fd: number): MeshSecret;

  /**
   * A pipe that holds the secret, for the process that is to have it next: its bytes can be read once, and by whoever has the
   * descriptor. The descriptor is the caller's; no child inherits it unless it is named. Errors: `EMFILE`.
   */
  toPipe(): number;

  /**
   * Estimated strength in whole bits: what a guesser who knows words, keyboard rows, years and repeats must search. wgmesh refuses
   * secrets under 80.
   */
  strengthBits(): number;

  /** What may be known of the derivation. About 50 µs. */
  parameters(): MeshParameters;

  /** Hourly DHT infohash, 40 hex digits; `hour` is floor(Unix seconds / 3600). */
  infohash(hour: number): string;

  /**
   * Mesh IPv4 for a key; `nonce` 0 is the normal address, 1.. the ones for collisions (PROTOCOL.md 2.1, 2.4). Errors: `EINVAL` for
   * what is no public key.
   */
  meshIpv4(publicKey: string, nonce: number): string;

  /** The same inside an operator's network (PROTOCOL.md 2.2). Errors: `EINVAL`, also for a network that is not IPv4 with prefix 0..30. */
  meshIpv4In(publicKey: string, subnet: string, nonce: number): string;

  /** Mesh IPv6 for a key (PROTOCOL.md 2.3), RFC 5952 text. Errors: `EINVAL` for what is no public key. */
  meshIpv6(publicKey: string): string;

  /**
   * AES-256-GCM under the gossip key, 16 bytes of tag appended (PROTOCOL.md section 3).
   *
   * @param nonce - 12 bytes, never the same for two texts.
   *
   * Errors: `EINVAL` for a nonce of another length.
   */
  seal(nonce: Uint8Array, plaintext: Uint8Array): Buffer;

  /** The opposite; null when the tag does not fit. Errors: `EINVAL` for a nonce that is not 12 bytes. */
  open(nonce: Uint8Array, ciphertext: Uint8Array): Buffer | null;

  /** Always `MeshSecret([redacted])`. */
  toString(): string;

  /** Always `MeshSecret([redacted])`. */
  toJSON(): string;
}

/** What may be known of a secret's derivation. */
export interface MeshParameters {
  /** 40 hex digits. */
  networkId: string;
  /** 12 hex digits. */
  meshId: string;
  /** `10.x.0.0/16` */
  meshSubnet: string;
  /** `fd…::/64`, four digits a group as the Go peer prints it, so not always the canonical text. */
  meshIpv6Prefix: string;
  /** `239.192.a.b` */
  multicastGroup: string;
  /** UDP control port, 51821..52820. */
  gossipPort: number;
  /** TCP probe port on the mesh addresses, 53821..54820. */
  probePort: number;
  /** 16 hex digits. */
  rendezvousId: string;
}

/**
 * A new secret of 128 random bytes as a `wgmesh://v1/…` URI (PROTOCOL.md section 1), to be handed to people; a text, so a program
 * that needs the secret itself should read it back with {@link MeshSecret.fromFile}.
 */
export function generateSecretUri(): string;

/**
 * Writes a text as a QR code to a descriptor, which stays open, as {@link MeshSecret.writeQr} writes the secret: for what is a JavaScript
 * string anyway, such as a WireGuard configuration that is shown. Blocks until all is taken.
 *
 * @param text - At most some 2,900 bytes of UTF-8.
 *
 * Errors: `EINVAL` for a text that is too long; those of write(2).
 */
export function writeTextQr(text: string, fd: number, form: "terminal" | "plain" | "svg" | "png"): void;

/**
 * A node's key pair and pinned addresses, kept in a state file (PROTOCOL.md section 14): a handle like {@link MeshSecret}. For a key
 * alone, in a file of its own, there is {@link PrivateKey}.
 */
export class NodeIdentity {
  private constructor();

  /**
   * Reads the state file, or makes a key pair in memory when the file does not exist (nothing is written before `save`).
   *
   * Errors, none of which changes the file: `STATE_DAMAGED` (not JSON, a key missing, keys that do not match), `STATE_UNREADABLE`,
   * `STATE_PERMISSIONS` (mode wider than 0600, other owner, not a regular file).
   */
  static load(path: string): NodeIdentity;

  /** True when the key pair is new. */
  readonly created: boolean;

  /** Base64, 44 characters. */
  readonly publicKey: string;

  /** Pinned IPv4 of the file, as it stands there. */
  readonly meshIp: string | null;

  /** Pinned IPv6 of the file, as it stands there. */
  readonly meshIpv6: string | null;

  /**
   * Writes the state file atomically (temporary file in the same folder, 0600, fsync, rename, fsync of the folder), unknown members
   * kept; does nothing when the file already says the same. `meshIpv6` null removes it. May take tens of ms on a slow disk.
   *
   * Errors: `EINVAL`; `STATE_WRITE` (also when the file has another identity by now); those of `load` when it was spoilt meanwhile.
   */
  save(meshIp: string, meshIpv6: string | null): void;

  /**
   * The preshared key between this node and a client of it, a device that runs plain WireGuard: HKDF-SHA256 of the private key, no salt,
   * info `wgmesh client psk v1` and the 32 bytes of the client's public key. Nobody has to store it.
   *
   * @param publicKey - The client's, base64, 44 characters.
   *
   * Errors: `EINVAL` for what is no public key.
   */
  clientPresharedKey(publicKey: string): PresharedKey;

  /**
   * The same key as base64 text, for the configuration file of the client. **The text stays in JavaScript's memory**: it is for a command
   * that prints it and ends, never for a process that goes on.
   *
   * Errors: `EINVAL` for what is no public key.
   */
  exportClientPresharedKey(publicKey: string): string;

  /** Always `NodeIdentity([redacted])`. */
  toString(): string;

  /** Always `NodeIdentity([redacted])`. */
  toJSON(): string;
}

/**
 * What the members of one mesh sign with its membership key (PROTOCOL.md section 13): tokens, announcements of a new secret, and
 * the withdrawal of one. A handle like {@link MeshSecret}; a call costs some 2 µs, comparisons take constant time.
 */
export class Membership {
  constructor(secret: MeshSecret);

  /** The token of a key for one hour, floor(unix seconds / 3600): 32 bytes, HMAC over `KEY|HOUR`. */
  token(key: string, hour: number): Buffer;

  /** True for the token of the hour, the one before or the one after. */
  isToken(key: string, token: Uint8Array, hour: number): boolean;

  /**
   * Signs that the mesh moves to the secret of this commitment ({@link secretCommitment}): 32 bytes. `grace` is in seconds, `at` in Unix
   * seconds. Errors: `EINVAL` for a commitment of another length than 32 bytes, as with the methods below.
   */
  signRotation(commitment: Uint8Array, grace: number, at: number): Buffer;

  /** True when a member of this mesh signed that. */
  isRotation(commitment: Uint8Array, grace: number, at: number, signature: Uint8Array): boolean;

  /** Signs, as the mesh that would have been moved to, that it is not. Our own; `at` in Unix seconds. */
  signAbort(commitment: Uint8Array, at: number): Buffer;

  /** True when somebody who has this secret signed that. */
  isAbort(commitment: Uint8Array, at: number, signature: Uint8Array): boolean;

  /** Always `Membership([redacted])`. */
  toString(): string;

  /** Always `Membership([redacted])`. */
  toJSON(): string;
}

/** What may be told of a secret without telling it: SHA-256, 32 bytes. Whoever knows a weak secret's can guess the secret. */
export function secretCommitment(secret: MeshSecret): Buffer;

/** A new secret as {@link generateSecretUri} makes them, which stays in native memory. Errors: `EIO` without random numbers. */
export function generateSecret(): MeshSecret;

/**
 * Writes a secret, byte for byte, to a file of mode 0600 that belongs to the owner of its folder; at any instant the file has its old
 * content or the new one. Waits for the disk. Errors: `SECRET_WRITE`.
 */
export function saveSecret(secret: MeshSecret, path: string): void;

/** Reads what {@link saveSecret} wrote. Errors: those of open(2), `SECRET_FILE` for a file that others can read, `SECRET_SHORT`. */
export function loadKeptSecret(path: string): MeshSecret;

/**
 * Proofs of who speaks, between two nodes that know each other's WireGuard keys: HMAC-SHA256 under the X25519 secret of the two
 * static keys, over a type of message, a zero byte and the payload. A handle like {@link MeshSecret}: the key and the agreed secrets
 * stay in native memory. The first call for a peer costs some 50 µs, later ones about 2 µs.
 */
export class MessageProver {
  /** Proofs in the name of the identity. */
  constructor(identity: NodeIdentity);

  /** 32 bytes that `peer` can check; null when its key is of low order. Errors: `EINVAL` for what is no public key. */
  prove(peer: string, type: string, payload: Uint8Array): Buffer | null;

  /** True when `peer` made the proof for this type and payload; compared in constant time. Errors: as `prove`. */
  verify(peer: string, type: string, payload: Uint8Array, proof: Uint8Array): boolean;

  /** Always `MessageProver([redacted])`. */
  toString(): string;

  /** Always `MessageProver([redacted])`. */
  toJSON(): string;
}
