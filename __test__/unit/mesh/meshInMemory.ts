import { afterEach } from "vitest";
import type { Cidr, IpAddress } from "../../../src/core/types.ts";
import type { InterfaceAddress } from "../../../src/mesh/interfaceDifference.ts";
import type { Path } from "../../../src/mesh/mtuPolicy.ts";
import { Reconciler, type ReconcilerOptions } from "../../../src/mesh/reconciler.ts";
import { LocalNode, NOTHING_LEARNED } from "../../../src/peers/localNode.ts";
import { PathTable } from "../../../src/peers/paths.ts";
import type { Sighting } from "../../../src/peers/peer.ts";
import { PeerStore } from "../../../src/peers/store.ts";
import { ReplaceableBackend } from "../../../src/wireguard/replaceableBackend.ts";
import { testDerivation } from "../support/derivation.ts";
import { ManualClock } from "../support/manualClock.ts";
import { MemoryLog } from "../support/memoryLog.ts";
import { settle } from "../support/settle.ts";
import { FakeInterface } from "./fakeInterface.ts";
import { FakeRoutes } from "./fakeRoutes.ts";
import { keyOf } from "./peers.ts";

export const US = keyOf(0);
export const ADDRESSES: readonly InterfaceAddress[] = [
  { address: testDerivation.meshIpv4(US, 0), prefixLength: 16 },
  { address: testDerivation.meshIpv6(US), prefixLength: 64 },
];
const running: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  for (const mesh of running.splice(0)) await mesh.stop();
});

/** A reconciler over an interface in memory. */
export async function makeMesh(change: Partial<ReconcilerOptions> = {}) {
  const clock = new ManualClock();
  const log = new MemoryLog();
  const link = new FakeInterface({ publicKey: US });
  const replaceable = new ReplaceableBackend(link.name);
  const make = async (): Promise<void> => {
    await replaceable.open(() => link.open());
    replaceable.configure(51820);
    for (const address of ADDRESSES) link.addAddress(address);
    replaceable.up();
  };
  await make();
  const self = new LocalNode({
    ...NOTHING_LEARNED,
    publicKey: US,
    hostname: "us",
    meshIp: testDerivation.meshIpv4(US, 0) as IpAddress,
    meshIpv6: testDerivation.meshIpv6(US) as IpAddress,
    wireguardPort: 51820,
    natType: "",
    instance: "us",
  });
  const store = new PeerStore({
    clock,
    ownKey: US,
    addresses: testDerivation,
    strictAddresses: false,
    noIpv6: false,
    self,
  });
  const routes = new FakeRoutes();
  const accepted: Cidr[][] = [];
  const forwarded: (readonly Cidr[])[] = [];
  const changed: (() => void)[] = [];
  const paths = new Map<string, Path>();
  const peerPaths = new PathTable();
  const reconciler = new Reconciler({
    clock,
    log,
    backend: replaceable,
    store,
    paths: peerPaths,
    self,
    routeTable: routes,
    interface: {
      control: link,
      addresses: () => ADDRESSES,
      mtu: null,
      pathTo: (host) => paths.get(host) ?? null,
      remake: make,
    },
    routePolicy: "all",
    meshNetworks: [testDerivation.meshSubnet, testDerivation.meshIpv6Prefix],
    underlay: {
      connectedNetworks: () => ["172.20.0.0/24" as Cidr],
      setAcceptedNetworks: (networks) => accepted.push([...networks]),
      onChange: (listener) => {
        changed.push(listener);
        return () => {};
      },
    },
    forward: async (networks) => void forwarded.push(networks),
    ...change,
  });
  const mesh = { clock, log, link, self, store, routes, accepted, forwarded, paths, peerPaths, reconciler };
  return {
    ...mesh,
    /** The first; after a loss `link.backend` is the one that counts. */
    backend: link.backend,
    /** What netlink tells. */
    networkChanged: () => {
      for (const listener of changed) listener();
    },
    see: (number: number, sighting: Partial<Sighting> = {}) => store.observe(sightingOf(number, sighting)),
  };
}

/** The reconciler as the task it is in a daemon; ended after the test. */
export async function startMesh(change: Partial<ReconcilerOptions> = {}) {
  const mesh = await makeMesh(change);
  const abort = new AbortController();
  const ended = mesh.reconciler.run(abort.signal);
  running.push({
    stop: async () => {
      abort.abort();
      await ended.catch(() => {});
    },
  });
  await settle();
  const advance = async (ms: number): Promise<void> => {
    await settle();
    for (let left = ms; left > 0; left -= 10) {
      mesh.clock.advance(Math.min(10, left));
      await settle();
    }
  };
  return { ...mesh, ended, advance };
}

function sightingOf(number: number, change: Partial<Sighting>): Sighting {
  const publicKey = keyOf(number);
  return {
    publicKey,
    method: "lan",
    meshIp: testDerivation.meshIpv4(publicKey, 0) as IpAddress,
    meshIpv6: testDerivation.meshIpv6(publicKey) as IpAddress,
    endpoint: { host: "192.0.2.1", port: 1024 + number },
    ...change,
  };
}
