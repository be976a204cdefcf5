// usage: embedded.mjs NAME MTU [TIMING]: an embedded WireGuard interface for as long as standard input is open; what is set on
// it comes over its UAPI socket. Prints "ready", then its events, one line of JSON each; answers the line "close" with the
// milliseconds that took. TIMING (JSON of setEmbeddedTiming) needs the addon built for tests. Plain JavaScript, so that it
// needs no bundling.

import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const [name, mtu, timing] = process.argv.slice(2);
const { WireGuardDevice } = await addon();
const device = WireGuardDevice.open("embedded", name, Number(mtu));
device.onEvent((event) => console.log(event));
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "close") continue;
  const before = performance.now();
  device.close(true);
  console.log(JSON.stringify({ type: "closed", ms: performance.now() - before }));
}
process.exit(0);

async function addon() {
  if (timing === undefined) return await import("@wgmesh/native");
  const folder = new URL("../../../native/", import.meta.url);
  const file = readdirSync(folder).find((entry) => /^wgmesh-test\..*\.node$/.test(entry));
  const native = createRequire(import.meta.url)(fileURLToPath(new URL(file, folder)));
  native.setEmbeddedTiming(JSON.parse(timing));
  return native;
}
