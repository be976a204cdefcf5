// A node of the DHT. Each call tells what it finds as JSON texts; here they become promises and callbacks, none of which is called
// once the node was closed.

const { checkedOptions, coded, unsigned, withCode } = require("./errors.js");

function dhtFace(node) {
  const { open } = node;
  const { lookup, announce, nodes, status, close } = node.prototype;
  /** Nodes that were closed. */
  const closed = new WeakSet();

  define(node, "open", (options) => {
    const known = ["address", "port", "fwmark", "bootstrap", "server", "requestTimeoutMs"];
    const given = checkedOptions("open the DHT", options, known);
    const { address = "0.0.0.0", port = 0, fwmark = 0, bootstrap = [] } = given;
    const { server = false, requestTimeoutMs = 1000 } = given;
    const number = (name, value) => unsigned("open the DHT", name, value);
    return open({
      address,
      port: number("port", port),
      fwmark: number("fwmark", fwmark),
      bootstrap,
      server,
      requestTimeoutMs: number("requestTimeoutMs", requestTimeoutMs),
    });
  });
  define(node.prototype, "lookup", async function (infoHash, onPeers) {
    if (typeof onPeers !== "function") {
      throw coded("EINVAL", "cannot look up in the DHT: the callback is no function");
    }
    await asked(this, lookup, [infoHash], onPeers);
  });
  define(node.prototype, "announce", async function (infoHash, port) {
    const number = unsigned("announce in the DHT", "port", port);
    await asked(this, announce, [infoHash, number]);
  });
  define(node.prototype, "nodes", async function () {
    return Buffer.from(await asked(this, nodes, []), "hex");
  });
  define(node.prototype, "status", function () {
    return asked(this, status, []);
  });
  define(node.prototype, "close", async function () {
    closed.add(this);
    await Reflect.apply(close, this, []);
  });

  function asked(self, method, args, onPeers) {
    return new Promise((resolve, reject) => {
      Reflect.apply(method, self, [
        ...args,
        (text) => {
          const { peers, error, value } = JSON.parse(text);
          if (error !== undefined) reject(withCode(new Error(error), "DhtNode"));
          else if (peers === undefined) resolve(value);
          else if (!closed.has(self)) onPeers(peers);
        },
      ]);
    });
  }
  return node;
}

function define(target, name, value) {
  Object.defineProperty(target, name, { value, configurable: true });
}

exports.dhtFace = dhtFace;
