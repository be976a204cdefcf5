/** `npm run simulate`: one seed, or several, with what happens told; see CONTRIBUTING.md. */
import { replayCommand, simulate } from "./simulator.ts";

const numberOf = (name: string, otherwise: number): number => Number(process.env[name] || otherwise);

const first = numberOf("WGMESH_SIM_SEED", 1);
const count = numberOf("WGMESH_SIM_SEEDS", 1);
const nodes = numberOf("WGMESH_SIM_NODES", 30);
const reconcile = nodes > 100 ? { coalesceMs: 1_000, firstLookMs: 2_000, sweepMs: 30_000 } : {};
let failed = 0;
for (let seed = first; seed < first + count; seed += 1) {
  const started = process.cpuUsage();
  const outcome = await simulate({
    ...{ seed, nodes, reconcile },
    untilDeadForgotten: process.env.WGMESH_SIM_DEAD !== undefined,
    ...(count === 1 ? { tell: (line: string) => console.log(line) } : {}),
  });
  const { failure, hash, events, convergedAfterMs, virtualMs, busiestMinute } = outcome;
  const { user, system } = process.cpuUsage(started);
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  console.log(
    `seed ${seed}, ${nodes} nodes: ${failure ?? `agreed ${seconds(convergedAfterMs ?? 0)} after the last fault`}; ` +
      `${seconds(virtualMs)} simulated with ${seconds((user + system) / 1000)} of CPU, ${events} events, ` +
      `at most ${busiestMinute} datagrams of a node in a minute, hash ${hash}`,
  );
  if (failure === null) continue;
  failed += 1;
  console.log(`again with: ${replayCommand({ seed, nodes })}`);
}
if (failed > 0) process.exitCode = 1;
