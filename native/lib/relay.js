// The data plane of the relay: options with defaults, as the addon takes them one by one.

const { checkedOptions, coded, unsigned } = require("./errors.js");

const serverOptions = [
  ["port", 0, 0, 65_535],
  ["fwmark", 0, 0, 0xffff_ffff],
  ["bytesPerSecond", 12_500_000, 1, 0xffff_ffff],
  ["packetsPerSecond", 20_000, 1, 0xffff_ffff],
  ["maxSessions", 256, 1, 4096],
  ["idleSeconds", 120, 1, 86_400],
];
const serverMembers = [...serverOptions.map(([name]) => name), "addresses"];
const sessionLimits = [
  ["bytesPerSecond", 0, 0, 0xffff_ffff],
  ["packetsPerSecond", 0, 0, 0xffff_ffff],
];
const byteRates = [
  ["bytesPerSecond", 12_500_000, 1, 0xffff_ffff],
  ["sessionBytesPerSecond", 0xffff_ffff, 1, 0xffff_ffff],
];

/** The values of a table's options, in its order; each row is a name, what it is when left out, and its range. */
function numbers(operation, table, options) {
  const known = table.map(([name]) => name);
  const given = checkedOptions(operation, options, known);
  return table.map(([name, otherwise, min, max]) => {
    const value = given[name] ?? otherwise;
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw coded("EINVAL", `cannot ${operation}: ${name} ${value} is not in ${min}..${max}`);
  });
}

function callbackOf(operation, callback) {
  if (typeof callback === "function") return callback;
  throw coded("EINVAL", `cannot ${operation}: the callback is no function`);
}

function relayFace({ RelayServer, Bridge, Birthday }) {
  // On a platform without them there is nothing to put them on.
  if (Bridge.prototype?.repoint === undefined) return { RelayServer, Bridge, Birthday };
  const openServer = RelayServer.open;
  const { addSession, setLimits } = RelayServer.prototype;
  define(RelayServer, "open", (options) => {
    const { addresses = [], ...rest } = checkedOptions("open a relay", options, serverMembers);
    const [port, fwmark, ...limits] = numbers("open a relay", serverOptions, rest);
    return openServer(port, fwmark, addresses, ...limits);
  });
  define(RelayServer.prototype, "addSession", function (first, second, limits) {
    const rates = numbers("add a relay session", sessionLimits, limits);
    return Reflect.apply(addSession, this, [first, second, ...rates]);
  });
  define(RelayServer.prototype, "setLimits", function (limits) {
    Reflect.apply(setLimits, this, numbers("limit a relay", byteRates, limits));
  });

  const openBridge = Bridge.open;
  const { counters, onDatagram } = Bridge.prototype;
  define(Bridge, "open", (options) => {
    const operation = "open a bridge";
    const known = ["wireguardPort", "remote", "token", "fwmark", "addresses"];
    const given = checkedOptions(operation, options, known);
    const { wireguardPort, remote, token, fwmark = 0, addresses = [] } = given;
    const port = unsigned(operation, "wireguardPort", wireguardPort);
    return openBridge(port, remote, token, unsigned(operation, "fwmark", fwmark), addresses);
  });
  define(Bridge.prototype, "counters", function () {
    const counted = Reflect.apply(counters, this, []);
    const { lastReceivedMs = null, remoteAliveMs = null } = counted;
    return { ...counted, lastReceivedMs, remoteAliveMs };
  });
  define(Bridge.prototype, "onDatagram", function (callback) {
    Reflect.apply(onDatagram, this, [callbackOf("watch a bridge", callback)]);
  });

  const openBirthday = Birthday.open;
  const { becomeBridge } = Birthday.prototype;
  define(Bridge, "birthday", (options, callback) => {
    const operation = "open sockets";
    const known = ["remote", "data", "sockets", "packetsPerSecond", "fwmark", "addresses"];
    const given = checkedOptions(operation, options, known);
    const { remote, data, sockets, packetsPerSecond = 500, fwmark = 0, addresses = [] } = given;
    const number = (name, value) => unsigned(operation, name, value);
    if (packetsPerSecond < 1 || packetsPerSecond > 1000) {
      throw coded("EINVAL", `cannot ${operation}: packetsPerSecond ${packetsPerSecond} is not in 1..1000`);
    }
    const rest = [number("sockets", sockets), packetsPerSecond, number("fwmark", fwmark), addresses];
    return openBirthday(remote, data, ...rest, callbackOf(operation, callback));
  });
  delete Birthday.open;
  define(Birthday.prototype, "become", function (socket, options) {
    const operation = "open a bridge";
    const { wireguardPort, remote } = checkedOptions(operation, options, ["wireguardPort", "remote"]);
    const numbered = [
      unsigned(operation, "socket", socket),
      unsigned(operation, "wireguardPort", wireguardPort),
    ];
    return Reflect.apply(becomeBridge, this, [...numbered, remote]);
  });
  delete Birthday.prototype.becomeBridge;
  return { RelayServer, Bridge, Birthday };
}

function define(target, name, value) {
  Object.defineProperty(target, name, { value, configurable: true });
}

exports.relayFace = relayFace;
