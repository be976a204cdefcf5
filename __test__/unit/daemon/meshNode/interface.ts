import { describe, expect, test } from "vitest";
import { WgmeshError } from "../../../../src/core/errors.ts";
import type { Cidr, IpAddress } from "../../../../src/core/types.ts";
import { keyOf } from "../../mesh/peers.ts";
import { testDerivation } from "../../support/derivation.ts";
import type { FakeNode } from "../fakeNode.ts";
import { expectNothingLeft, make, meshIp, meshIpv6, start, until } from "./nodes.ts";

describe("an interface that is taken away", () => {
  const INTERFACE_STEPS = [
    "open interface",
    "reset",
    "configure",
    `address ${meshIp}/16`,
    `address ${meshIpv6}/64`,
    "up",
  ];

  /** Deletes the link as another program would, and waits until there is a new one. */
  async function takeAway(fake: FakeNode): Promise<void> {
    const before = fake.link.backends.length;
    fake.events.length = 0;
    fake.link.delete();
    fake.networkChanged();
    await until(() => fake.link.backends.length > before && fake.link.present?.up === true);
  }

  test("is made anew by the steps of the start, and nothing else of the node is touched", async () => {
    const fake = await start();
    fake.context?.store.observe({
      publicKey: keyOf(5),
      method: "lan",
      meshIp: testDerivation.meshIpv4(keyOf(5), 0) as IpAddress,
    });
    await until(() => fake.backend.peerCount === 1);
    await takeAway(fake);
    expect(fake.events).toEqual(["delete interface", ...INTERFACE_STEPS]);
    await until(() => fake.backend.peerCount === 1);
    expect(fake.view?.status()).toMatchObject({ state: "running", interfaceIndex: 8, listenPort: 51820 });
    fake.signal("SIGTERM");
    await fake.node.serve();
    expectNothingLeft(fake);
  });

  test("forwards again what the node advertises", async () => {
    const fake = await start({ options: { advertiseRoutes: ["192.168.77.0/24"] as unknown as Cidr[] } });
    const setting = "ipv4/conf/wg0/forwarding";
    await until(() => fake.settings.read(setting) === "1");
    // The settings of a new link are the defaults.
    fake.settings.values.set(setting, "0");
    await takeAway(fake);
    await until(() => fake.settings.read(setting) === "1");
    await fake.node.close();
    expect(fake.settings.read(setting)).toBe("0");
    expectNothingLeft(fake);
  });

  test("comes back on the next free port when its own was taken meanwhile, and others are told", async () => {
    const portsInUse = new Set<number>();
    const fake = await start({ backend: { portsInUse } });
    portsInUse.add(51820);
    await takeAway(fake);
    expect(fake.backend.listenPort()).toBe(51821);
    await until(() => fake.context?.self.snapshot.wireguardPort === 51821);
    expect(fake.view?.status()).toMatchObject({ listenPort: 51821 });
  });

  test("and cannot be made leaves the node running; it ends in order, also then", async () => {
    const fake = await start();
    fake.link.refuseOpen = new WgmeshError("ERR_NO_TUN", "there is no /dev/net/tun");
    fake.link.delete();
    fake.networkChanged();
    await until(() => (fake.view?.status()?.failing.length ?? 0) > 0);
    expect(fake.view?.status()).toMatchObject({
      state: "running",
      failing: [{ object: "interface", reason: "there is no /dev/net/tun" }],
      warnings: ["interface wg0 is not there: interface deleted"],
      listenPort: 51820,
      mtu: null,
    });
    fake.signal("SIGTERM");
    await fake.node.serve();
    expectNothingLeft(fake);
  });

  test.each(["open interface", "reset", "configure", "up"])(
    "SIGTERM while it is made anew, at %s: an orderly end with nothing left",
    async (step) => {
      let armed = false;
      const fake: FakeNode = make({
        on: (event) => {
          if (armed && event === step) fake.signal("SIGTERM");
        },
      });
      await fake.node.open();
      armed = true;
      fake.link.delete();
      fake.networkChanged();
      await fake.node.serve();
      expectNothingLeft(fake);
    },
  );
});

describe("the interface", () => {
  test("a port in use is replaced; the bound one is announced and shown", async () => {
    const fake = await start({
      backend: { portsInUse: new Set([51820, 51821]) },
      options: { listenPort: 51820 },
    });
    expect(fake.context?.self.snapshot.wireguardPort).toBe(51822);
    expect(fake.view?.status()).toMatchObject({
      listenPort: 51822,
      endpoint: "0.0.0.0:51822",
      warnings: ["UDP port 51820 was in use: WireGuard listens on 51822"],
    });
  });

  test("a port lost between its check and the link's start is replaced too", async () => {
    let attempts = 0;
    const fake = make({
      on: (event) => {
        if (event === "up") attempts += 1;
        if (event === "up" && attempts === 1)
          throw new WgmeshError("ERR_NO_PORT", "UDP port 51820 is in use");
      },
    });
    await fake.node.open();
    expect(fake.backend.listenPort()).toBe(51821);
  });

  test("all ports in use: ERR_NO_PORT and nothing left", async () => {
    const portsInUse = new Set(Array.from({ length: 200 }, (_, index) => 51_800 + index));
    const fake = make({ backend: { portsInUse } });
    await expect(fake.node.open()).rejects.toMatchObject({ code: "ERR_NO_PORT" });
    expectNothingLeft(fake);
  });

  test("one that existed is reset and keeps its port", async () => {
    const fake = await start({ backend: { boundPort: 40_123 } });
    expect(fake.events).toContain("reset");
    expect(fake.backend.listenPort()).toBe(40_123);
  });

  test("a pinned address inside the subnet is kept; one outside is replaced and said", async () => {
    const fake = await start({ pinned: { meshIp: "10.8.200.200", meshIpv6: "fd99::1" } });
    expect(fake.events).toContain(`save 10.8.200.200 ${meshIpv6}`);
    const warnings = fake.log.lines.filter((line) => line.level === "warn").map((line) => line.fields);
    expect(warnings).toEqual([{ from: "fd99::1", to: meshIpv6 }]);
  });

  test("--no-ipv6 sets no IPv6 address", async () => {
    const fake = await start({ options: { ipv6: false } });
    expect(fake.events.filter((event) => event.startsWith("address"))).toEqual([`address ${meshIp}/16`]);
    expect(fake.events).toContain(`save ${meshIp} null`);
  });

  test.each(["1", null])(
    "a host without IPv6 (disable_ipv6 = %s) gets no IPv6 address and is warned",
    async (disabled) => {
      const fake = make();
      if (disabled === null) fake.settings.values.delete("ipv6/conf/wg0/disable_ipv6");
      else fake.settings.values.set("ipv6/conf/wg0/disable_ipv6", disabled);
      await fake.node.open();
      expect(fake.events.filter((event) => event.startsWith("address"))).toEqual([`address ${meshIp}/16`]);
      expect(fake.log.lines.map((line) => line.message)).toContain(
        "no mesh IPv6 address: IPv6 is switched off on this host",
      );
    },
  );
});
