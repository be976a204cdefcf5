// Measures the calls of @wgmesh/native beside what people use instead, in turn; run by native.ts in a network namespace of its own.
// Plain JavaScript, since the addon finds its binary beside itself and so cannot be bundled. Prints one JSON object: for each
// measure the samples of ours and those of the others.
import { spawnSync } from "node:child_process";
import { generateKeyPairSync, hkdfSync } from "node:crypto";
import { generateSecretUri, MeshSecret, PresharedKey, PrivateKey, WireGuardDevice } from "@wgmesh/native";

const rounds = Number(process.argv[2]);
const peerCount = 1000;
/** Long enough for the garbage of the handles to be collected on the way. */
const rateWindowMs = 300;

/** Calls a second. */
function rate(call) {
  const began = performance.now();
  let calls = 0;
  let now = began;
  for (; now - began < rateWindowMs; now = performance.now()) {
    for (let i = 0; i < 20; i += 1) call();
    calls += 20;
  }
  return (calls * 1000) / (now - began);
}

/** The middle of nine, in microseconds: single calls scatter. */
async function duration(call) {
  const times = [];
  for (let i = 0; i < 9; i += 1) {
    const began = performance.now();
    await call();
    times.push((performance.now() - began) * 1000);
  }
  return times.sort((a, b) => a - b)[4];
}

/** A whole process that must succeed. */
function wg(...args) {
  const { status, stderr } = spawnSync("wg", args, { encoding: "utf8", maxBuffer: 64 << 20 });
  if (status !== 0) throw new Error(`wg ${args[0]} ended with ${status}: ${stderr}`);
}

/** Rounds of ours and theirs in turn, after one round that warms up both. */
async function inTurn(measure, ours, theirs) {
  const samples = { ours: [], theirs: [] };
  for (let round = 0; round <= rounds; round += 1) {
    const [one, other] = [await measure(ours), await measure(theirs)];
    if (round === 0) continue;
    samples.ours.push(one);
    samples.theirs.push(other);
  }
  return samples;
}

function keyPair() {
  return PrivateKey.generate().publicKey;
}

function cryptoKeyPair() {
  // Not as JWK: while a key object is exported so, Node.js 20 may wait for itself for ever.
  return generateKeyPairSync("x25519", {
    privateKeyEncoding: { type: "pkcs8", format: "der" },
    publicKeyEncoding: { type: "spki", format: "der" },
  }).publicKey;
}

const secretText = generateSecretUri();
const secretBytes = Buffer.from(secretText.replace("wgmesh://v1/", ""));
const secret = MeshSecret.fromText(secretText);
let label = 0;

function peer(number) {
  const bytes = Buffer.alloc(32, 7);
  bytes.writeUInt32BE(number, 0);
  const octets = `${(number >> 8) & 255}.${number & 255}`;
  return {
    publicKey: bytes.toString("base64"),
    presharedKey,
    endpoint: `192.0.2.1:${1000 + number}`,
    allowedIps: [`10.1.${octets}/32`, `10.2.${octets}/32`, `fd00::${number.toString(16)}/128`],
  };
}

const presharedKey = PresharedKey.derive(secret);
const device = WireGuardDevice.open("embedded", "wg0");
try {
  device.configure({ privateKey: PrivateKey.generate() });
  await device.apply(Array.from({ length: peerCount }, (_, number) => peer(number)));
  const { publicKey } = peer(5);
  let octet = 0;
  const nextNetwork = () => {
    octet = (octet + 1) % 250;
    return `10.3.0.${octet}/32`;
  };
  const measured = {
    keyPair: await inTurn(rate, keyPair, cryptoKeyPair),
    keyPairOfWg: await inTurn(rate, keyPair, () => wg("genkey")),
    derivation: await inTurn(
      rate,
      () => PresharedKey.derive(secret, `use ${label++}`),
      () => hkdfSync("sha256", secretBytes, "", `use ${label++}`, 32),
    ),
    read: await inTurn(
      duration,
      () => device.read(),
      () => wg("show", "wg0", "dump"),
    ),
    applyOne: await inTurn(
      duration,
      () => device.apply([{ publicKey, updateOnly: true, allowedIps: [nextNetwork()] }]),
      () => wg("set", "wg0", "peer", publicKey, "allowed-ips", nextNetwork()),
    ),
  };
  const state = await device.read();
  if (state.peers.length !== peerCount)
    throw new Error(`${state.peers.length} peers are left of ${peerCount}`);
  console.log(JSON.stringify(measured));
} finally {
  device.close(true);
}
