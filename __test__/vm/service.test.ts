/** The systemd service as installed, on a Debian that systemd started: every feature under its rules (row G9). */
import { testElsewhere } from "./elsewhere.ts";
import { cases } from "./service.cases.ts";
import { underSystemd } from "./vm.ts";

/** On a machine that has nothing else to do it takes a third of it. */
const timeoutSeconds = 1_500;

testElsewhere("__test__/vm/service.cases.ts", cases, timeoutSeconds, (script) =>
  underSystemd(["node", "--enable-source-maps", script], { timeoutSeconds, memoryMib: 1536 }),
);
