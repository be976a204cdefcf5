/**
 * @wgmesh/native beside what people use instead of it: node:crypto, and wg(8) as a process. The device is the embedded one, which
 * wg reaches over its UAPI socket, so both ask the same engine.
 */
import { execFileSync } from "node:child_process";
import { type Bench, type Measure, rounds } from "./measure.ts";

interface Samples {
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
}

type Name = "keyPair" | "keyPairOfWg" | "derivation" | "read" | "applyOne";

/** Namespaces of its own; /run is ours there, so that /var/run/wireguard is nobody else's. */
const apart = ["--net", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh"];

function measured(): Readonly<Record<Name, Samples>> {
  const program = [process.execPath, "bench/nativeRates.mjs", `${rounds}`];
  return JSON.parse(execFileSync("unshare", [...apart, ...program], { encoding: "utf8", timeout: 600_000 }));
}

const faster = "≥ 1.0";
const sooner = "≤ 1.0";

const rows: readonly [Name, what: string, against: string, Measure["unit"], goal: string][] = [
  ["keyPair", "key pairs, private one behind a handle", "node:crypto generateKeyPairSync", "1/s", faster],
  ["keyPairOfWg", "key pairs, private one behind a handle", "wg genkey, a process each", "1/s", faster],
  ["derivation", "keys derived from a secret, behind handles", "node:crypto hkdfSync", "1/s", faster],
  ["read", "reading 1,000 peers, embedded", "wg show dump", "µs", sooner],
  ["applyOne", "changing one of 1,000 peers, embedded", "wg set", "µs", sooner],
];

export const native: Bench = {
  name: "native",
  async run() {
    const samples = measured();
    return rows.map(([name, what, against, unit, goal]) => ({
      name: `native-${name}`,
      what,
      unit,
      goal,
      samples: samples[name].ours,
      against: { what: against, samples: samples[name].theirs },
    }));
  },
};
