// The hand-written face of the addon: finds the binary of this platform, and gives every error its `code`.
// Each name is exported by its own statement, because that is what lets ESM import it by name (cjs-module-lexer).

const { existsSync, readFileSync } = require("node:fs");
const { join } = require("node:path");

const native = load();

exports.MeshSecret = face("MeshSecret");
exports.generateSecretUri = face("generateSecretUri");
exports.NodeIdentity = face("NodeIdentity");

exports.ROUTE_PROTOCOL = 111;
exports.linkGet = face("linkGet");
exports.linkList = face("linkList");
exports.linkSetUp = face("linkSetUp");
exports.linkSetMtu = face("linkSetMtu");
exports.linkDelete = face("linkDelete");
exports.addressList = face("addressList");
exports.addressAdd = face("addressAdd");
exports.addressDelete = face("addressDelete");
exports.routeList = face("routeList");
exports.routeAdd = face("routeAdd");
exports.routeDelete = face("routeDelete");
exports.NetworkMonitor = face("NetworkMonitor");

exports.WireGuardDevice = face("WireGuardDevice");

exports.FileLock = face("FileLock");
exports.NamespaceLock = face("NamespaceLock");
exports.peerCredentials = face("peerCredentials");
exports.bindToDevice = face("bindToDevice");
exports.sdNotify = face("sdNotify");
exports.setNonDumpable = face("setNonDumpable");
exports.hasCapability = face("hasCapability");
exports.version = native.VERSION;

/** `linux-x64-gnu` and the like, as napi names them; macOS has no C library part. */
function platformName() {
  const name = `${process.platform}-${process.arch}`;
  const supported = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"];
  if (!supported.includes(name)) {
    throw coded(
      "ENOTSUP",
      `cannot load @wgmesh/native: there is no binary for ${name}, only ${supported.join(", ")}`,
    );
  }
  return process.platform === "linux" ? `${name}-${usesMusl() ? "musl" : "gnu"}` : name;
}

/** Whether this very process runs on musl: a file of musl on the disk would not tell. */
function usesMusl() {
  try {
    return /\/ld-musl-|\/libc\.musl-/.test(readFileSync("/proc/self/maps", "latin1"));
  } catch {
    return false;
  }
}

/** The binary built here if there is one, else the platform package's. */
function load() {
  const platform = platformName();
  const built = join(__dirname, `wgmesh.${platform}.node`);
  if (existsSync(built)) return require(built);
  const name = `@wgmesh/native-${platform}`;
  try {
    return require(name);
  } catch (cause) {
    if (cause.code !== "MODULE_NOT_FOUND") throw cause;
    const reason = `neither ${built} nor the package ${name} is there; build it with "npm run build:native"`;
    throw coded("ENOENT", `cannot load @wgmesh/native: ${reason}`);
  }
}

/**
 * A function or class of the addon, with errors that have their `code`. A class shares its prototype with the native one,
 * so `instanceof` holds. What this platform's binary lacks (netlink on macOS) is a function that says so when called.
 */
function face(name) {
  const target = native[name];
  if (target === undefined) {
    return () => {
      throw coded("ENOTSUP", `cannot use ${name}: the binary for ${process.platform} does not have it`);
    };
  }
  const outer = function (...args) {
    return attempt(name, () => (new.target ? Reflect.construct(target, args) : target(...args)));
  };
  Object.defineProperty(outer, "name", { value: name });
  if (target.prototype === undefined) return outer;
  copyWrapped(target, outer, name);
  copyWrapped(target.prototype, target.prototype, name);
  Object.defineProperty(target.prototype, "constructor", {
    value: outer,
    writable: true,
    configurable: true,
  });
  outer.prototype = target.prototype;
  return outer;
}

/** Puts the methods and getters of `from` on `to`, wrapped. */
function copyWrapped(from, to, className) {
  for (const [key, { value, get, enumerable }] of Object.entries(Object.getOwnPropertyDescriptors(from))) {
    if (key === "constructor") continue;
    const wrap = (inner) =>
      function (...args) {
        return attempt(`${className}.${key}`, () => Reflect.apply(inner, this, args));
      };
    if (get !== undefined) Object.defineProperty(to, key, { get: wrap(get), enumerable, configurable: true });
    else if (typeof value === "function")
      Object.defineProperty(to, key, { value: wrap(value), configurable: true });
  }
}

/** Runs a call into the addon; what it throws, or the promise it returns rejects with, gets its `code`. */
function attempt(name, call) {
  let result;
  try {
    result = call();
  } catch (error) {
    throw withCode(error, name);
  }
  if (!(result instanceof Promise)) return result;
  return result.catch((error) => {
    throw withCode(error, name);
  });
}

/** The code stands before the first colon; an error without one comes from napi itself, which refused an argument. */
function withCode(error, name) {
  const prefix = /^([A-Z][A-Z0-9_]*): /.exec(error.message);
  if (prefix === null) error.message = `EINVAL: cannot call ${name}: ${error.message}`;
  error.code = prefix === null ? "EINVAL" : prefix[1];
  return error;
}

function coded(code, text) {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}
