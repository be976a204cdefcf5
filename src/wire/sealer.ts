/** Sealing under the mesh's gossip key (PROTOCOL.md section 3); the key itself stays in the addon. */
export interface Sealer {
  /** AES-256-GCM without additional data; `nonce` has 12 bytes, the answer ends in the 16-byte tag. */
  seal(nonce: Uint8Array, plaintext: Uint8Array): Buffer;
  /** The plaintext, or null when the tag does not fit. */
  open(nonce: Uint8Array, ciphertext: Uint8Array): Buffer | null;
}
