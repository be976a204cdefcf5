import { type Check, fault, ok, together, warning } from "../check.ts";

/** Anything before is the clock of a machine that never was told the time: the release is younger. */
const EARLIEST_MS = Date.UTC(2025, 0, 1);

const REMEDY = "set the clock, and run a time service (timedatectl set-ntp true, or chrony)";

/** Members hear each other while their clocks are less than ten minutes apart. */
export const clockCheck: Check = {
  id: "clock",
  title: "Clock",
  async judge({ running }, host, signal) {
    const time = new Date(host.wallMs()).toISOString().replace(/\.\d+Z$/, "Z");
    if (host.wallMs() < EARLIEST_MS) return fault(`it is ${time}: years behind`, REMEDY);
    const synchronised = await host.clockSynchronised(signal);
    const ofMembers = running?.health.find(({ id }) => id === "clock");
    const findings = [
      ...(ofMembers?.state === "warn" || ofMembers?.state === "fail"
        ? [fault(ofMembers.detail, REMEDY)]
        : []),
      ...(synchronised === false ? [warning("no time service keeps the clock right", REMEDY)] : []),
    ];
    const kept = synchronised === null ? "whether a time service keeps it right is not known" : "kept right";
    const members = running === null ? "" : ", near that of every member heard";
    return together(findings, ok(`${time}, ${kept}${members}`));
  },
};
