/** The systemd service as installed, on a Debian that systemd started: every feature under its rules (row G9). */
import { testElsewhere } from "./elsewhere.ts";
import { cases } from "./service.cases.ts";
import { underSystemd } from "./vm.ts";

const timeoutSeconds = 900;

testElsewhere("__test__/vm/service.cases.ts", cases, timeoutSeconds, (script) =>
  underSystemd(["node", "--enable-source-maps", script], { timeoutSeconds, memoryMib: 1536 }),
);
