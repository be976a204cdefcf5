/**
 * What plain hole punching does between each kind and each: both sides send every 100 ms to the endpoint STUN told of the
 * other and to where packets came from. Fixed by how the NATs work; the laboratory is right only when it shows this.
 */
import { type KindName, kinds } from "./kinds.ts";

/** `one side first`: only if the side of kind I sends first, since an early packet takes its port. */
export type Punch = "direct" | "one side first" | "never";

/** Kinds in the order of the table. */
export const punchKinds = [
  "O",
  "F",
  "S",
  "M",
  "I",
  "R",
  "FC",
  "AR",
  "PR",
] as const satisfies readonly KindName[];

const portsMatter: readonly KindName[] = ["F", "M", "MM", "I", "R", "Q", "PR"];

/** What must happen between two kinds. */
export function expectedPunch(one: KindName, other: KindName): Punch {
  const symmetric = [one, other].filter((kind) => kinds[kind].mapping === "port").length;
  // A symmetric NAT's port towards the other is not the one STUN saw: only who does not look at ports lets it in.
  if (symmetric === 2) return "never";
  if (symmetric === 1) return [one, other].every((kind) => portsMatter.includes(kind)) ? "never" : "direct";
  const takers = [one, other].filter((kind) => kind === "I").length;
  if (takers === 2) return "never";
  if (takers === 1)
    return [one, other].every((kind) => portsMatter.includes(kind)) ? "one side first" : "direct";
  return "direct";
}
