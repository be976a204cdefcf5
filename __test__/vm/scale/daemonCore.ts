/** The reconciler of a daemon over a real interface, with peers in its store; no discovery, no sockets. */
import { MeshSecret } from "@wgmesh/native";
import { systemClock } from "../../../src/core/clock.ts";
import type { InterfaceName, IpAddress, PublicKey } from "../../../src/core/types.ts";
import { linuxSystem } from "../../../src/daemon/linuxSystem.ts";
import { meshAddresses } from "../../../src/identity/derivation.ts";
import { Reconciler } from "../../../src/mesh/reconciler.ts";
import { defaultReconcileSettings } from "../../../src/mesh/reconcileSettings.ts";
import { LocalNode, NOTHING_LEARNED } from "../../../src/peers/localNode.ts";
import { PathTable } from "../../../src/peers/paths.ts";
import { PeerStore } from "../../../src/peers/store.ts";
import { ReplaceableBackend } from "../../../src/wireguard/replaceableBackend.ts";
import { MemoryLog } from "../../unit/support/memoryLog.ts";
import { publicKey } from "./population.ts";
import type { Subject } from "./subject.ts";

const secret = MeshSecret.fromText("a secret for the tests of the kernel's WireGuard at scale");
const addresses = meshAddresses(secret, null);

export interface DaemonCore {
  readonly reconciler: Reconciler;
  readonly log: MemoryLog;
  /** The peer becomes known as if it had announced itself. */
  meet(number: number, port: number): void;
}

const meshIp = (key: PublicKey) => addresses.meshIpv4(key, 0) as IpAddress;
const meshIpv6 = (key: PublicKey) => addresses.meshIpv6(key) as IpAddress;

export async function daemonCore(subject: Subject): Promise<DaemonCore> {
  const name = subject.name as InterfaceName;
  const backend = new ReplaceableBackend(name);
  await backend.open(async () => subject.backend);
  backend.up();
  const { publicKey: ownKey } = await backend.read();
  if (ownKey === null) throw new Error(`${name} has no key`);
  const log = new MemoryLog();
  const self = new LocalNode({
    ...NOTHING_LEARNED,
    publicKey: ownKey,
    hostname: "us",
    meshIp: meshIp(ownKey),
    meshIpv6: meshIpv6(ownKey),
    wireguardPort: backend.listenPort(),
    natType: "",
    instance: "us",
  });
  const store = new PeerStore({
    clock: systemClock,
    ownKey,
    addresses,
    strictAddresses: false,
    noIpv6: false,
    self,
  });
  const reconciler = new Reconciler({
    clock: systemClock,
    log,
    backend,
    store,
    self,
    paths: new PathTable(),
    routeTable: linuxSystem.routeTable(name),
    interface: {
      control: linuxSystem.interfaceControl(name),
      addresses: () => [],
      mtu: null,
      pathTo: linuxSystem.pathTo,
      remake: () => Promise.reject(new Error("nobody takes the interface away")),
    },
    routePolicy: "all",
    meshNetworks: [addresses.meshSubnet, addresses.meshIpv6Prefix],
    underlay: { connectedNetworks: () => [], setAcceptedNetworks: () => {}, onChange: () => () => {} },
    forward: async () => {},
    // With a keepalive each of them would start a handshake to nowhere.
    settings: { ...defaultReconcileSettings, keepaliveSeconds: 0 },
  });
  return {
    reconciler,
    log,
    meet(number, port) {
      const key = publicKey(number);
      store.observe({
        publicKey: key,
        method: "lan",
        meshIp: meshIp(key),
        meshIpv6: meshIpv6(key),
        // Each at an address of its own: of strangers at one address only some are served at a time.
        endpoint: { host: `2001:db8::${number.toString(16)}`, port },
      });
    },
  };
}
