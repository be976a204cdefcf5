// WireGuard devices. Lists of peers cross to the addon as one JSON text, which costs less than half of as many objects, and
// preshared keys beside it as handles: an entry names the place of its key in the list of handles.

const { checkedOptions, coded, unsigned } = require("./errors.js");

function deviceFace(device, { PresharedKey }) {
  // On a platform without devices there is nothing to put them on.
  if (device.prototype?.apply === undefined) return device;
  const { configure, apply, read, readAtOnce, reset, onEvent } = device.prototype;
  const { open } = device;

  define(device, "open", (kind, name, mtu = 0, options = {}) => {
    const operation = `open ${name}`;
    const known = ["program", "childRecord", "addresses", "threads"];
    const { threads, ...rest } = checkedOptions(operation, options, known);
    const number = { threads: unsigned(operation, "threads", threads) };
    return open(kind, name, unsigned(operation, "mtu", mtu), { ...rest, ...number });
  });
  define(device.prototype, "configure", function (configuration) {
    const known = ["privateKey", "identity", "listenPort", "fwmark"];
    const operation = `configure ${this.name}`;
    const given = checkedOptions(operation, configuration, known);
    const { privateKey, identity, listenPort = 0, fwmark = 0 } = given;
    const number = (name, value) => unsigned(operation, name, value);
    const numbers = [number("listenPort", listenPort), number("fwmark", fwmark)];
    Reflect.apply(configure, this, [privateKey, identity, ...numbers]);
  });
  define(device.prototype, "apply", async function (changes) {
    const { text, handles } = batch(changes, PresharedKey);
    // Bytes: a string would be read character by character.
    const bytes = Buffer.from(text);
    return JSON.parse(await inTurn(this, () => Reflect.apply(apply, this, [bytes, handles])));
  });
  define(device.prototype, "read", async function () {
    // Another thread, and waking up for its answer, costs more than reading what is in memory.
    const text = ends.has(this) ? null : Reflect.apply(readAtOnce, this, []);
    const { peers, ...state } = JSON.parse(text ?? (await inTurn(this, () => Reflect.apply(read, this, []))));
    return { ...state, peers: peers.map(peerOf) };
  });
  delete device.prototype.readAtOnce;
  define(device.prototype, "reset", async function () {
    await inTurn(this, () => Reflect.apply(reset, this, []));
  });
  define(device.prototype, "onEvent", function (callback) {
    if (typeof callback !== "function") {
      throw coded("EINVAL", `cannot watch ${this.name}: the callback is no function`);
    }
    Reflect.apply(onEvent, this, [(text) => callback(JSON.parse(text))]);
  });
  return device;
}

/** The end of the last call of each device that has one under way. */
const ends = new WeakMap();

/** Calls of one device begin in the order they are made, each after the one before: the threads that run them keep no order. */
function inTurn(device, call) {
  const before = ends.get(device);
  const result = before === undefined ? call() : before.then(call);
  const leave = () => {
    if (ends.get(device) === end) ends.delete(device);
  };
  const end = result.then(leave, leave);
  ends.set(device, end);
  return result;
}

/** A peer of its row (native/src/wireguard/json/state.rs). */
function peerOf(row) {
  return {
    publicKey: row[0],
    hasPresharedKey: row[1] !== 0,
    presharedKeyChanged: row[1] === 2,
    endpoint: row[2],
    allowedIps: row[3],
    keepaliveSeconds: row[4],
    lastHandshakeMs: row[5],
    rxBytes: row[6],
    txBytes: row[7],
  };
}

/** The text of the changes, and the keys its entries name by their places; a key that many peers share is there once. */
function batch(changes, PresharedKey) {
  if (!Array.isArray(changes)) throw refused("it is no array");
  const places = new Map();
  const entries = changes.map((change) => {
    const key = change?.presharedKey;
    if (key === undefined || key === null) return change;
    if (!(key instanceof PresharedKey)) throw refused("a presharedKey is neither a PresharedKey nor null");
    if (!places.has(key)) places.set(key, places.size);
    return { ...change, presharedKey: places.get(key) };
  });
  return { text: JSON.stringify(entries), handles: [...places.keys()] };
}

function refused(reason) {
  return coded("EINVAL", `cannot read the list of peer changes: ${reason}`);
}

function define(target, name, value) {
  Object.defineProperty(target, name, { value, configurable: true });
}

exports.deviceFace = deviceFace;
