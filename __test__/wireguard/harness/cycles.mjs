// usage: node --expose-gc cycles.mjs COUNT EVERY: opens, configures, connects and closes an embedded interface COUNT times in one
// process, beside one that stays. Prints what the process holds, as JSON: before, after every EVERY cycles, and when that one
// is closed, too.
import { readdirSync, readFileSync } from "node:fs";
import {
  generateSecretUri,
  linkList,
  MeshSecret,
  NodeIdentity,
  PresharedKey,
  WireGuardDevice,
} from "@wgmesh/native";

const [count, every] = process.argv.slice(2).map(Number);
// Waiting for an event keeps no process alive.
setInterval(() => {}, 1000);
const presharedKey = PresharedKey.derive(MeshSecret.fromText(generateSecretUri()));
const newIdentity = () => NodeIdentity.load("/nowhere/state.json");

const stays = newIdentity();
const far = WireGuardDevice.open("embedded", "far", 0);
far.configure({ identity: stays });
far.up();

const apply = async (device, change) => {
  const failed = await device.apply([change]);
  if (failed.length > 0) throw new Error(JSON.stringify(failed));
};

const tell = async (cycle) => console.log(JSON.stringify({ cycle, ...(await held()) }));

// Printing opens a descriptor of node's own.
await tell(0);
for (let cycle = 1; cycle <= count; cycle += 1) {
  await once();
  if (cycle % every === 0) await tell(cycle);
}
far.close(true);
await tell(count);
process.exit(0);

async function once() {
  const identity = newIdentity();
  const device = WireGuardDevice.open("embedded", "near", 0);
  const connected = new Promise((resolve, reject) => {
    device.onEvent((event) => {
      if (event.type === "handshake") resolve();
      else reject(new Error(JSON.stringify(event)));
    });
  });
  device.configure({ identity });
  device.up();
  await apply(far, { publicKey: identity.publicKey, presharedKey, allowedIps: ["10.99.0.1/32"] });
  const endpoint = `127.0.0.1:${far.listenPort()}`;
  const allowedIps = ["10.99.0.2/32"];
  await apply(device, {
    publicKey: stays.publicKey,
    presharedKey,
    endpoint,
    allowedIps,
    keepaliveSeconds: 25,
  });
  await connected;
  device.close(true);
  await apply(far, { publicKey: identity.publicKey, remove: true });
}

async function held() {
  // What is let go of in a finaliser is gone after that.
  for (let round = 0; round < 2; round += 1) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return {
    threads: readdirSync("/proc/self/task").length,
    descriptors: readdirSync("/proc/self/fd").length,
    links: linkList().length,
    rssKb: Number(/VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]),
  };
}
