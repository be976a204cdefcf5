// usage: embedded.mjs NAME MTU [TIMING]: an embedded WireGuard interface for as long as standard input is open; what is set on
// it comes over its UAPI socket. Prints "ready", then its events, one line of JSON each; answers the line "close" with the
// milliseconds that took. TIMING (JSON of setEmbeddedTiming) needs the addon built for tests. Plain JavaScript, so that it
// needs no bundling.

import { createInterface } from "node:readline";
import { useTestBuild } from "../../unit/native/testBuild.mjs";

const [name, mtu, timing] = process.argv.slice(2);
if (timing !== undefined) useTestBuild().setEmbeddedTiming(JSON.parse(timing));
const { WireGuardDevice } = await import("@wgmesh/native");
const device = WireGuardDevice.open("embedded", name, Number(mtu));
device.onEvent((event) => console.log(JSON.stringify(event)));
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "close") continue;
  const before = performance.now();
  device.close(true);
  console.log(JSON.stringify({ type: "closed", ms: performance.now() - before }));
}
process.exit(0);
