/** Answers probes at the addresses and the port of the next mesh, from the grace on until the daemon ends. */

import type { NodeParts } from "../parts.ts";
import { listenForProbes } from "../probeListening.ts";
import type { Supervisor } from "../supervisor.ts";
import type { SecondMesh } from "./secondMesh.ts";

/** Once a mesh: one that is taken again after an abort has its listener still. */
export function openNextProbe(
  { clock, log }: NodeParts,
  { mesh, self }: SecondMesh,
  supervisor: Supervisor,
): void {
  const port = mesh.parameters.probePort;
  const name = `probe-listener-${port}`;
  if (supervisor.statuses().some((task) => task.name === name && task.state !== "failed")) return;
  // Whether they are well is the business of the present mesh, whose handshakes these are.
  const probes = { clock, log, port, self, asked: (): void => {} };
  supervisor.start(name, "restart", (signal) => listenForProbes(probes, signal));
}
