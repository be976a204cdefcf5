/**
 * The kernel backend at scale beside `wg`: 1 to 5,000 peers and long lists of allowed IPs, on two kernels, each in a VM under
 * emulation, both in turn in the same run. The figures of the emulated machine are slow; the ratios are what counts.
 */
import { withBundle } from "../__test__/vm/bundle.ts";
import { inVm, type Kernel } from "../__test__/vm/vm.ts";
import { type Row, SCALE_SIZES } from "./kernelScaleRows.ts";
import { type Bench, type Measure, rounds } from "./measure.ts";

const kernels: readonly Kernel[] = ["default", "6.12"];

/** Of one VM, which takes some three minutes; emulation slows down more than most when others use the machine, too. */
const TIMEOUT_SECONDS = 1_800;

const goals = {
  everything: "≤ 1.1 times setconf",
  nothing: "≤ 1.1 times syncconf",
  "move endpoints": "≤ 1.1 times syncconf",
  "move allowed IPs": "≤ 1.1 times syncconf",
  "remove half": "≤ 1.1 times syncconf",
  read: "≤ 1.1 times show dump",
  reconcile: "≤ 1.1 times syncconf",
} as const satisfies Record<Row["step"], string>;

/** One a kernel. */
export const kernelScales: readonly Bench[] = kernels.map((kernel) => ({
  name: `kernel-scale-${linuxOf(kernel)}`,
  async run(found) {
    const inside = 'import "./bench/kernelScaleInside.ts";';
    const { stderr, exitCode } = await withBundle("kernelScale", inside, (script) =>
      inVm(["node", script, `${rounds}`, ...SCALE_SIZES], {
        kernel,
        memoryMib: 2_048,
        timeoutSeconds: TIMEOUT_SECONDS,
        onLine: (line) => {
          if (line.startsWith("{")) found(measureOf(kernel, JSON.parse(line)));
        },
      }),
    );
    // Rows that were measured before that were found all the same.
    if (exitCode !== 0) throw new Error(`the VM ended with ${exitCode}: ${stderr.slice(-2000)}`);
    return [];
  },
}));

function linuxOf(kernel: Kernel): string {
  return kernel === "default" ? "6.1" : kernel;
}

function measureOf(kernel: Kernel, { size, step, command, ours, theirs }: Row): Measure {
  const subject = size === "lists" ? "2 peers with 2,000 allowed IPs each" : `${size} peers`;
  const linux = linuxOf(kernel);
  return {
    name: `kernel-scale ${linux} ${size} ${step}`,
    what: `kernel ${linux} (emulated), ${subject}: ${step}`,
    unit: "ms",
    goal: goals[step],
    samples: ours,
    against: { what: `wg ${command}`, samples: theirs },
  };
}
