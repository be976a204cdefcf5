/** A rotation on a node whose other parts are counters. */
import type { PublicKey } from "../../../../src/core/types.ts";
import type { RunningNode } from "../../../../src/daemon/lifecycle.ts";
import type { NodeParts } from "../../../../src/daemon/parts.ts";
import type { Beginning, RotationFiles } from "../../../../src/daemon/rotation/files.ts";
import { Meshes } from "../../../../src/daemon/rotation/meshes.ts";
import type { MovingDiscovery } from "../../../../src/daemon/rotation/movingDiscovery.ts";
import { Rotation } from "../../../../src/daemon/rotation/rotation.ts";
import type { Supervisor } from "../../../../src/daemon/supervisor.ts";
import { type MeshIdentity, meshIdentity } from "../../../../src/identity/meshIdentity.ts";
import { secretOfText } from "../../../../src/identity/meshSecret.ts";
import type { InterfaceControl } from "../../../../src/mesh/interfaceSync.ts";
import { TroubleRegistry } from "../../../../src/observe/troubles.ts";
import { LocalNode, type LocalNodeSnapshot } from "../../../../src/peers/localNode.ts";
import type { ManualClock } from "../../support/manualClock.ts";
import { MemoryLog } from "../../support/memoryLog.ts";
import { settle } from "../../support/settle.ts";

export const meshOf = (text: string): MeshIdentity => meshIdentity(secretOfText(text), null);
export const OWN_KEY = Buffer.alloc(32, 1).toString("base64") as PublicKey;

/** What the rotation does to the rest of the node, counted. */
export interface Seen {
  requests: number;
  readonly readers: Set<unknown>;
  spoken: number;
  /** How often the peer cache was told to forget who is lost. */
  forgotten: number;
}

export interface Rig {
  readonly clock: ManualClock;
  readonly supervisor: Supervisor;
  readonly files: RotationFiles;
  /** The node begins in this one. */
  readonly mesh: MeshIdentity;
  readonly nextMesh: MeshIdentity;
  readonly beginning: Beginning;
  /** The interface, and who makes it; without them it has no addresses. */
  readonly made?: RunningNode["made"];
  readonly control?: InterfaceControl;
}

const noInterface = { addresses: () => [], addressesOf: () => [], setMore: () => {}, setChoice: () => {} };

export async function startRotation(rig: Rig): Promise<readonly [Rotation, Seen]> {
  const { clock, supervisor, files, mesh, beginning } = rig;
  const seen: Seen = { requests: 0, readers: new Set(), spoken: 0, forgotten: 0 };
  let paused = false;
  const discovery = {
    context: { log: new MemoryLog() },
    get paused() {
      return paused;
    },
    announce: () => {},
    askSecond: () => {},
    startSecond: async () => {},
    stopSecond: async () => {},
    pause: async () => {
      paused = true;
    },
    resume: async () => {
      paused = false;
      seen.spoken += 1;
    },
  };
  const meshes = new Meshes(mesh);
  const rotation = new Rotation({
    ...{ files, meshes, beginning },
    discovery: discovery as unknown as MovingDiscovery,
  });
  const log = new MemoryLog();
  const parts = {
    ...{ clock, log, troubles: new TroubleRegistry(clock, log), addresses: meshes.addresses },
    options: { interfaceName: "wg0", meshSubnet: null, ipv6: true, strictAddresses: false },
    system: { interfaceControl: () => rig.control ?? {} },
  };
  const made = rig.made ?? noInterface;
  const { meshIp, meshIpv6 } = rig.made?.choice ?? { meshIp: null, meshIpv6: null };
  const node = {
    reconciler: {
      request: () => {
        seen.requests += 1;
      },
      setMoving: () => {},
      onRead: (reader: unknown) => {
        seen.readers.add(reader);
        return () => seen.readers.delete(reader);
      },
    },
    self: new LocalNode({ publicKey: OWN_KEY, meshIp, meshIpv6 } as unknown as LocalNodeSnapshot),
    store: { list: () => [] },
    clients: { list: () => [] },
    made,
    underlay: { setMeshNetworks: () => {} },
    meshNetworks: [],
    saveAddresses: () => {},
    remembered: {
      forgetLost: async () => {
        seen.forgotten += 1;
      },
    },
  };
  // The next mesh's would open a socket.
  supervisor.start(`probe-listener-${rig.nextMesh.parameters.probePort}`, "once", async () => {});
  await rotation.attach(parts as unknown as NodeParts, node as unknown as RunningNode, supervisor);
  await settle();
  return [rotation, seen];
}
