import { randomBytes, randomInt } from "node:crypto";

/** The chance seam: tests give a fixed stream. */
export interface Random {
  bytes(count: number): Buffer;
  /** A number from 0 (included) to 1 (excluded). */
  unit(): number;
}

export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  unit: () => randomInt(0, 2 ** 47) / 2 ** 47,
};
