import { expect, test } from "vitest";
import type { IpAddress } from "../../../src/core/types.ts";
import { farewellsOf } from "../../../src/discovery/farewell.ts";
import { PeerStore } from "../../../src/peers/store.ts";
import { FakeClock } from "./fakeClock.ts";
import { testAddresses, testKey } from "./memoryMesh.ts";

const GOSSIP_PORT = 52_000;

test("a goodbye goes to where a peer was heard, and through its tunnel while there is one", async () => {
  const clock = new FakeClock();
  const store = new PeerStore({
    clock,
    ownKey: testKey("self"),
    addresses: testAddresses,
    strictAddresses: false,
    noIpv6: false,
  });
  const places = (): string[] =>
    farewellsOf({ clock, store }, GOSSIP_PORT, { goodbye: () => Buffer.from("bye") }, exchange).map(
      ({ to }) => `${to.host}:${to.port}`,
    );
  const exchange = { controlEndpoints: () => [{ host: "192.0.2.7", port: GOSSIP_PORT }] };
  const meshIp = testAddresses.meshIpv4(testKey("a"), 0) as IpAddress;
  store.observe({ publicKey: testKey("a"), method: "lan", meshIp });

  expect(places()).toEqual(["192.0.2.7:52000"]);
  store.noteHandshake(testKey("a"), clock.wallMs());
  expect(places()).toEqual(["192.0.2.7:52000", `${meshIp}:52000`]);
  await clock.advance(181_000);
  expect(places()).toEqual(["192.0.2.7:52000"]);
});
