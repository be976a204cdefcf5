import type { ConfigView } from "../../rpc/views/config.ts";
import type { ViewParts } from "./viewParts.ts";

export function configView({ configuration }: ViewParts): ConfigView {
  return {
    configuration: () => configuration.shown(),
    setConfig: (changes, keep) => configuration.set(changes, keep),
    unsetConfig: (keys) => configuration.unset(keys),
  };
}
