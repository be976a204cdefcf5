// Finds the binary of this platform and loads it.

const { existsSync, readFileSync } = require("node:fs");
const { join } = require("node:path");
const { coded } = require("./errors.js");

const { version } = require("../package.json");

/** `process.platform` and `process.arch` of the platforms with a binary. */
const SUPPORTED = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"];

/** `linux-x64-gnu` and the like, as napi names them; macOS has no C library part. */
function platformName() {
  const name = `${process.platform}-${process.arch}`;
  if (!SUPPORTED.includes(name)) {
    throw coded(
      "ENOTSUP",
      `cannot load @wgmesh/native: there is no binary for ${name}, only for ${SUPPORTED.join(", ")}`,
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
  const built = join(__dirname, "..", `wgmesh.${platform}.node`);
  if (existsSync(built)) return checked(require(built), built, 'build it again with "npm run build:native"');
  const name = `@wgmesh/native-${platform}`;
  return checked(requirePlatform(name), name, `install ${name}@${version}`);
}

function requirePlatform(name) {
  try {
    return require(name);
  } catch (cause) {
    if (cause.code !== "MODULE_NOT_FOUND") throw cause;
    const remedy =
      `install it with "npm install ${name}@${version}" (npm leaves it out with --omit=optional, and with a lock file made ` +
      'on another platform); in the repository, build it with "npm run build:native"';
    throw coded(
      "ENOENT",
      `cannot load @wgmesh/native: the package ${name} with its binary is missing; ${remedy}`,
    );
  }
}

/** Two versions at once would meet with strange errors far from here. */
function checked(binary, name, remedy) {
  if (binary.VERSION === version) return binary;
  throw coded(
    "EVERSION",
    `cannot load @wgmesh/native: this is version ${version}, but the binary of ${name} has ${binary.VERSION}; ${remedy}`,
  );
}

exports.native = load();
