import { describe, expect, test } from "vitest";
import type { Cidr, IpAddress } from "../../../src/core/types.ts";
import { type HostAddress, type HostLink, HostUnderlay } from "../../../src/mesh/underlay.ts";

const link = (name: string, change: Partial<HostLink> = {}): HostLink => ({
  index: 3,
  name,
  kind: "",
  up: true,
  loopback: false,
  multicast: true,
  pointToPoint: false,
  ...change,
});
const address = (linkName: string, text: string): HostAddress => {
  const [ip = "", prefix] = text.split("/");
  return { linkName, address: ip, prefixLength: Number(prefix) };
};

function setUp(links: HostLink[], addresses: HostAddress[], listenAddresses: string[] = []) {
  let notify = (): void => {};
  let closed = 0;
  const underlay = new HostUnderlay({
    host: {
      links: () => links,
      addresses: () => addresses,
      watch: (onChange) => {
        notify = onChange;
        return {
          close: () => {
            closed += 1;
          },
        };
      },
    },
    interfaceName: "wg0",
    listenAddresses: listenAddresses as IpAddress[],
    meshNetworks: ["10.7.0.0/16", "fd00::/64"] as Cidr[],
  });
  return { underlay, notify: () => notify(), closed: () => closed };
}

describe("HostUnderlay", () => {
  test("this host may be reached at addresses of links that are up, but not through tunnels of WireGuard, nor link-local ones", () => {
    const links = [
      link("eth0"),
      link("ppp0", { pointToPoint: true }),
      link("down", { up: false }),
      link("lo", { loopback: true }),
      link("wg1", { kind: "wireguard" }),
      link("wg0", { kind: "tun" }),
      link("wg2", { kind: "tun" }),
    ];
    const addresses = links.map(({ name }, index) => address(name, `192.0.2.${index}/24`));
    const further = [
      address("eth0", "2a00::1/64"),
      address("eth0", "fe80::1/64"),
      address("eth0", "169.254.1.1/16"),
    ];
    expect(setUp(links, [...addresses, ...further]).underlay.addresses()).toEqual([
      { linkName: "eth0", address: "192.0.2.0" },
      { linkName: "ppp0", address: "192.0.2.1" },
      { linkName: "eth0", address: "2a00::1" },
    ]);
  });

  test("with addresses to listen on it is reached at these alone, and LAN discovery stays on their link", () => {
    const links = [link("eth0"), link("eth1")];
    const addresses = [
      address("eth0", "192.0.2.1/24"),
      address("eth1", "198.51.100.1/24"),
      address("eth1", "198.51.100.2/24"),
      address("eth1", "2a00::1/64"),
    ];
    const { underlay } = setUp(links, addresses, ["198.51.100.2"]);
    expect(underlay.addresses()).toEqual([{ linkName: "eth1", address: "198.51.100.2" }]);
    expect(underlay.hostAddresses()).toHaveLength(4);
    expect(underlay.suitableLinks()).toMatchObject([{ name: "eth1", ipv4: ["198.51.100.2"] }]);
    expect(setUp(links, addresses, ["2a00::1"]).underlay.suitableLinks()).toEqual([]);
  });

  test("listeners learn whether something changed or the machine slept", () => {
    const { underlay, notify } = setUp([], []);
    const events: string[] = [];
    const stop = underlay.onChange((event) => events.push(event));
    underlay.open();
    notify();
    underlay.woke();
    stop();
    underlay.woke();
    expect(events).toEqual(["changed", "woke"]);
  });

  test("a suitable link is up, multicast, with IPv4, and no tunnel", () => {
    const links = [
      link("eth0", { index: 5 }),
      link("eth1"),
      link("down", { up: false }),
      link("lo", { loopback: true }),
      link("ppp0", { pointToPoint: true }),
      link("dummy0", { multicast: false }),
      link("wg1", { kind: "wireguard" }),
      link("wg0", { kind: "tun" }),
    ];
    const addresses = links.flatMap(({ name }) => [
      address(name, "192.0.2.1/24"),
      address(name, "fd09::1/64"),
    ]);
    const { underlay } = setUp(
      links,
      addresses.filter(({ linkName, address: ip }) => linkName !== "eth1" || ip.includes(":")),
    );
    expect(underlay.suitableLinks()).toEqual([{ name: "eth0", index: 5, ipv4: ["192.0.2.1"] }]);
  });

  test("connected networks: all links' but ours and loopback", () => {
    const links = [link("eth0"), link("lo", { loopback: true }), link("wg0")];
    const addresses = [
      address("eth0", "192.168.1.7/24"),
      address("eth0", "192.168.1.8/24"),
      address("eth0", "fd09::1/64"),
      address("lo", "127.0.0.1/8"),
      address("wg0", "10.7.0.1/16"),
    ];
    expect(setUp(links, addresses).underlay.connectedNetworks()).toEqual(["192.168.1.0/24", "fd09::/64"]);
  });

  test("inside the mesh: its own networks and those routed into it", () => {
    const { underlay } = setUp([], []);
    const inside = ["10.7.3.4", "::ffff:10.7.3.4", "fd00::9", "192.168.9.9", "192.0.2.1", "junk"];
    const answers = (): boolean[] => inside.map((ip) => underlay.isInsideMesh(ip));
    expect(answers()).toEqual([true, true, true, false, false, false]);
    underlay.setAcceptedNetworks(["192.168.9.0/24" as Cidr]);
    expect(answers()).toEqual([true, true, true, true, false, false]);
    underlay.setAcceptedNetworks([]);
    expect(answers()).toEqual([true, true, true, false, false, false]);
  });

  test("tells its listeners of changes while it is open", () => {
    const { underlay, notify, closed } = setUp([], []);
    let calls = 0;
    underlay.open();
    const end = underlay.onChange(() => {
      calls += 1;
    });
    notify();
    end();
    notify();
    underlay.close();
    underlay.close();
    expect([calls, closed()]).toEqual([1, 1]);
  });
});
