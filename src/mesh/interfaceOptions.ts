import type { InterfaceAddress } from "./interfaceDifference.ts";
import type { InterfaceControl } from "./interfaceSync.ts";
import type { Path } from "./mtuPolicy.ts";

/** What the interface is to be, apart from its peers. */
export interface InterfaceOptions {
  readonly control: InterfaceControl;
  readonly addresses: () => readonly InterfaceAddress[];
  /** Bytes, what the operator gave; null follows the paths to the peers. */
  readonly mtu: number | null;
  /** The path that packets to an IP address take; null when there is none. */
  readonly pathTo: (host: string) => Path | null;
  /** Makes the interface again, all but its peers. */
  readonly remake: () => Promise<void>;
}
