/**
 * `wgmesh doctor` (row G7): the node is looked at, and each check says what it makes of it.
 */
import { systemClock } from "../../core/clock.ts";
import { WgmeshError } from "../../core/errors.ts";
import { type Check, type CheckResult, examine, type Severity, worst } from "../../doctor/check.ts";
import { doctorChecks } from "../../doctor/table.ts";
import { realDoctorHost } from "./host.ts";
import { findPatient, type PatientRequest } from "./patient.ts";

/** As `--json` prints it; members are only ever added. */
export interface DoctorReport {
  readonly interface: string;
  /** The PID of the daemon that lives; null when none does. */
  readonly daemon: number | null;
  /** The worst of the checks. */
  readonly severity: Severity;
  readonly checks: readonly CheckResult[];
}

/** @param ids only these; empty for all. Rejects with ERR_USAGE for one that is none. */
export async function doctor(request: PatientRequest, ids: readonly string[]): Promise<DoctorReport> {
  const checks = ids.length === 0 ? doctorChecks : ids.map(checkOf);
  const patient = await findPatient(request);
  const results = await examine([...new Set(checks)], patient, realDoctorHost(patient.options), systemClock);
  return {
    interface: patient.options.interfaceName,
    daemon: patient.pid,
    severity: worst(results),
    checks: results,
  };
}

function checkOf(id: string): Check {
  const check = doctorChecks.find((entry) => entry.id === id);
  if (check !== undefined) return check;
  throw new WgmeshError("ERR_USAGE", `--check: ${JSON.stringify(id)} is no check`, {
    hint: `the checks are ${doctorChecks.map((entry) => entry.id).join(", ")}`,
  });
}
