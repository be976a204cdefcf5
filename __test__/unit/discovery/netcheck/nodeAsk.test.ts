import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { nodeAsk } from "../../../../src/discovery/netcheck/nodeAsk.ts";

test("a router that says nothing is not waited for once the check is cancelled", async () => {
  const router = createSocket("udp4");
  onTestFinished(() => {
    router.close();
  });
  router.bind(0, "127.0.0.1");
  await once(router, "listening");
  const cancel = new AbortController();
  const ask = nodeAsk(systemClock, cancel.signal);
  const to = { host: "127.0.0.1", port: router.address().port };
  const asking = ask(to, Buffer.from("hello"));
  await once(router, "message");
  const atMs = performance.now();
  cancel.abort();
  expect(await asking).toEqual({ kind: "silent" });
  expect(await ask(to, Buffer.from("again"))).toEqual({ kind: "silent" });
  expect(performance.now() - atMs).toBeLessThan(1_000);
});
