/** Why an operator cannot have what he asks of a rotation, in words. */
import { WgmeshError } from "../../core/errors.ts";
import type { RotationProblem } from "../../rotation/state.ts";

export function problem(found: RotationProblem): WgmeshError {
  const [message, hint] = PROBLEMS[found];
  return new WgmeshError("ERR_ROTATION", message, hint === undefined ? {} : { hint });
}

const PROBLEMS: Readonly<Record<RotationProblem, readonly [message: string, hint?: string]>> = {
  unknown: [
    "nobody announced this secret to this node within the last hour",
    "check that it is the right one; to take it all the same, say with --grace how long the old one counts too",
  ],
  held: ["this node is moving to another new secret already", "complete or abort that first"],
  closed: ["this secret was aborted or completed before", "make a new one: 'wgmesh rotate-secret'"],
  nothing: ["no move to a new secret is under way here"],
  unsettled: [
    "this node is still started with the secret of before the last move",
    "put the present secret where it gets its secret, start it anew, and try again",
  ],
  completed: ["the old secret is dropped already: there is no way back", "rotate to a new secret again"],
};
