/**
 * The hooks as a step of the start: the up hook begins beside the steps that follow, the down hook runs when the step is undone, while the
 * interface is there still.
 */
import { leavesInterface } from "../handover.ts";
import type { InterfaceSteps } from "../interfaceSteps.ts";
import { defaultTiming, type NodeParts } from "../parts.ts";
import type { StepRunner } from "../stepRunner.ts";
import { Hooks } from "./hooks.ts";

/** Null without hooks; the node starts no process then. */
export async function startHooks(
  parts: NodeParts,
  steps: StepRunner,
  made: InterfaceSteps,
): Promise<Hooks | null> {
  const { options, clock, log, troubles, signals, addresses, system } = parts;
  if (options.upHook === null && options.downHook === null) return null;
  const { upHookMs: upLimitMs, downHookMs: downLimitMs } = { ...defaultTiming, ...parts.timing };
  let listenPort = 0;
  const listenPortNow = (): number => {
    try {
      listenPort = made.backend.listenPort();
    } catch {
      // Somebody removed the interface: the last one known.
    }
    return listenPort;
  };
  const facts = () => ({
    interfaceName: options.interfaceName,
    meshIp: made.choice.meshIp,
    meshIpv6: made.choice.meshIpv6,
    meshNetwork: addresses.meshSubnet,
    listenPort: listenPortNow(),
    backend: made.backend.name,
    mtu: system.interfaceControl(options.interfaceName).link()?.mtu ?? null,
  });
  const hooks = new Hooks({ options, clock, log, troubles, facts, upLimitMs, downLimitMs });
  await steps.step(
    "hooks",
    // An interface that was taken over is what the hook of the daemon before has seen.
    () => (parts.handover === true && made.backend.adopted ? undefined : hooks.up(signals.hurrySignal)),
    (_, hurry) => (leavesInterface(signals, made.backend) ? hooks.leave(hurry) : hooks.down(hurry)),
  );
  return hooks;
}
