import type { Cidr } from "../../core/types.ts";
import type { Client } from "../../peers/clients.ts";
import type { ClientsView, ClientView } from "../../rpc/views/clients.ts";
import { gatewayEndpoint } from "../gatewayEndpoint.ts";
import type { ViewParts } from "./viewParts.ts";

/** Any addresses of the Internet: nothing is sent to them. */
const ANYWHERE = ["192.0.2.1", "2001:db8::1"];

export function clientsView(view: ViewParts): ClientsView {
  const { parts, node } = view;
  const { clients } = node;
  const viewOf = (client: Client): ClientView => {
    const actual = node.reconciler.actual(client.publicKey);
    return {
      ...client,
      lastHandshakeMs: actual?.lastHandshakeMs ?? 0,
      endpoint: actual?.endpoint ?? null,
      rxBytes: actual?.rxBytes ?? 0,
      txBytes: actual?.txBytes ?? 0,
    };
  };
  const tell = (type: "client.added" | "client.removed", { name, publicKey, ip, ipv6 }: Client): void =>
    parts.events.emit(type, { peer: publicKey, data: { name, ip, ipv6 } });
  return {
    clients: () => clients.list().map(viewOf).sort(byName),
    clientNetworks: () => clients.networks,
    clientGateway: () => ({
      publicKey: node.self.snapshot.publicKey,
      reachedAt: gatewayEndpoint({
        own: node.self.snapshot,
        advertised: view.configuration.options.advertiseEndpoint,
        linkAddresses: node.underlay.addresses().map(({ address }) => address),
        usual: ANYWHERE.flatMap((host) => parts.system.pathTo(host)?.source ?? []),
      }),
      mtu: node.reconciler.mtu(),
      networks: reachable(view),
      exitNode: node.routing.isWayOut(node.self.snapshot),
    }),
    addClient: async (name, publicKey) => {
      const client = clients.add(name, publicKey);
      await node.reconciler.runOnce();
      tell("client.added", client);
      return viewOf(client);
    },
    removeClient: async (name) => {
      const found = clients.list().find((client) => client.name === name);
      const last = found === undefined ? null : viewOf(found);
      const client = clients.remove(name);
      await node.reconciler.runOnce();
      tell("client.removed", client);
      return last ?? viewOf(client);
    },
  };
}

/** What a client gets to through this node. */
function reachable({ node }: ViewParts): Cidr[] {
  const { ipv4, ipv6 } = node.clients.networks;
  const refused = new Set(
    node.reconciler.refusedNetworks().map((each) => `${each.publicKey} ${each.network}`),
  );
  const accepted = node.store
    .list()
    .flatMap(({ publicKey, networks }) =>
      networks.filter((network) => !refused.has(`${publicKey} ${network}`)),
    );
  const all = [
    ...node.meshNetworks,
    ipv4,
    ...(ipv6 === null ? [] : [ipv6]),
    ...node.self.snapshot.networks,
    ...accepted,
  ];
  return [...new Set(all)];
}

const byName = (a: Client, b: Client): number => (a.name < b.name ? -1 : 1);
