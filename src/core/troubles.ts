/**
 * What is wrong with the machine under the node, as modules tell it: a disk that is full, a folder that cannot be written.
 * `status` and `/healthz` show what stands (observe/troubles.ts).
 */
export interface Troubles {
  /** Says what is wrong, in a sentence for the operator. Again with the same id replaces the text. */
  raise(id: string, text: string): void;
  /** It is over. Without effect for what was never raised. */
  clear(id: string): void;
}

export const noTroubles: Troubles = { raise() {}, clear() {} };
