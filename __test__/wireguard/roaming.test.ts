/** Whoever proves to be a peer is answered where it is now. */
import { describe, expect } from "vitest";
import { loopbackPair } from "./harness/pair.ts";
import { allAnswered } from "./harness/ping.ts";
import { test } from "./harness/scene.ts";

describe.concurrent("roaming", () => {
  test("to another IPv4 address and port", async ({ scene }) => {
    const { a, b, middle } = await loopbackPair(scene);
    const [a4 = ""] = a.addresses;
    await allAnswered(a.inside, b.addresses[0] ?? "");
    expect((await b.peer(a)).endpoint).toBe("127.0.0.1:1");
    await middle.ip("address del 127.0.0.1/8 dev lo", "address add 127.212.121.99/8 dev lo");
    await a.set("listen-port 9999");
    await allAnswered(a.inside, b.addresses[1] ?? "");
    expect((await b.peer(a)).endpoint).toBe("127.212.121.99:9999");
    await allAnswered(b.inside, a4);
  });

  test("from IPv4 to IPv6 and back, while data flows both ways", async ({ scene }) => {
    const { a, b } = await loopbackPair(scene);
    const [a4 = ""] = a.addresses;
    const [b4 = ""] = b.addresses;
    await allAnswered(a.inside, b4);
    await a.set("listen-port 9998");
    await a.setPeer(b, { endpoint: "[::1]:2" });
    await allAnswered(a.inside, b4);
    expect((await b.peer(a)).endpoint).toBe("[::1]:9998");
    await allAnswered(b.inside, a4);
    await b.setPeer(a, { endpoint: "127.0.0.1:9998" });
    await allAnswered(b.inside, a4);
    expect((await a.peer(b)).endpoint).toBe("127.0.0.1:2");
  });
});
