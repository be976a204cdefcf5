// The package's face. Each name is exported by its own statement, because that is what lets ESM import it by name
// (cjs-module-lexer reads the text, it does not run it). What the names do is in lib/.

require("./lib/node-version.js").check();

const { native } = require("./lib/load.js");
const { face } = require("./lib/face.js");
const { redacted } = require("./lib/redacted.js");
const { deviceFace } = require("./lib/device.js");
const { networkFace } = require("./lib/network.js");
const { relayFace } = require("./lib/relay.js");
const { dhtFace } = require("./lib/dht.js");

exports.PrivateKey = redacted(face("PrivateKey"));
exports.PresharedKey = redacted(face("PresharedKey"));
exports.generateKeyPair = face("generateKeyPair");

exports.MeshSecret = redacted(face("MeshSecret"));
exports.generateSecretUri = face("generateSecretUri");
exports.writeTextQr = face("writeTextQr");
exports.NodeIdentity = redacted(face("NodeIdentity"));
exports.MessageProver = redacted(face("MessageProver"));
exports.Membership = redacted(face("Membership"));
exports.secretCommitment = face("secretCommitment");
exports.generateSecret = face("generateSecret");
exports.saveSecret = face("saveSecret");
exports.loadKeptSecret = face("loadKeptSecret");
exports.BackupPassword = redacted(face("BackupPassword"));
exports.NodeBackup = redacted(face("NodeBackup"));

const network = networkFace(face);
exports.linkGet = face("linkGet");
exports.linkList = face("linkList");
exports.linkCreate = network.linkCreate;
exports.linkSetUp = face("linkSetUp");
exports.linkSetDown = face("linkSetDown");
exports.linkSetMtu = network.linkSetMtu;
exports.linkDelete = face("linkDelete");
exports.addressList = face("addressList");
exports.addressAdd = face("addressAdd");
exports.addressDelete = face("addressDelete");
exports.ROUTE_PROTOCOL = network.ROUTE_PROTOCOL;
exports.routeList = face("routeList");
exports.routeGet = face("routeGet");
exports.routeAdd = network.routeAdd;
exports.routeDelete = network.routeDelete;
exports.UNDERLAY_MARK = network.UNDERLAY_MARK;
exports.ruleList = face("ruleList");
exports.ruleAdd = face("ruleAdd");
exports.ruleDelete = face("ruleDelete");
exports.defaultRouteAdd = face("defaultRouteAdd");
exports.defaultRouteList = face("defaultRouteList");
exports.markOwnSockets = face("markOwnSockets");
exports.masqueradeSet = face("masqueradeSet");
exports.masqueradeRemove = face("masqueradeRemove");
exports.masqueradeFamilies = face("masqueradeFamilies");
exports.packetFilter = face("packetFilter");
exports.NetworkMonitor = face("NetworkMonitor");

exports.WireGuardDevice = deviceFace(face("WireGuardDevice"), exports);
exports.endLeftoverChild = face("endLeftoverChild");

const relay = relayFace({
  RelayServer: face("RelayServer"),
  Bridge: face("Bridge"),
  Birthday: face("Birthday"),
});
exports.RelayServer = relay.RelayServer;
exports.Bridge = relay.Bridge;
exports.Birthday = relay.Birthday;
exports.DhtNode = dhtFace(face("DhtNode"));

exports.EchoPort = face("EchoPort");

exports.FileLock = face("FileLock");
exports.NamespaceLock = face("NamespaceLock");
exports.LogSocket = face("LogSocket");
exports.peerCredentials = face("peerCredentials");
exports.bindToDevice = face("bindToDevice");
exports.sdNotify = face("sdNotify");
exports.setNonDumpable = face("setNonDumpable");
exports.keepDescriptors = face("keepDescriptors");
exports.ignoreTerminalStops = face("ignoreTerminalStops");
exports.replaceProcess = face("replaceProcess");
exports.guardLink = face("guardLink");
exports.endLinkGuard = face("endLinkGuard");
exports.hasCapability = face("hasCapability");
exports.version = native.VERSION;
