// Builds the addon for this machine: native/wgmesh.<platform>.node, optimised, by the napi command.
//   --debug  the same file from the dev profile, which compiles faster
//   --test   native/wgmesh-test.<platform>.node, dev profile with the feature test-exports, for the vector tests only
// The dev builds call cargo directly: napi always names a --target, and so would not share what `cargo test` compiled.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: flags } = parseArgs({ options: { debug: { type: "boolean" }, test: { type: "boolean" } } });

const root = fileURLToPath(new URL("..", import.meta.url));
const nativeFolder = join(root, "native");
const targetFolder = process.env.CARGO_TARGET_DIR ?? join(root, "target");

if (flags.debug || flags.test) buildDev();
else buildRelease();

function buildDev() {
  const features = flags.test ? ["--features", "test-exports"] : [];
  run("cargo", ["build", "--lib", "--target-dir", targetFolder, ...features]);
  const library = process.platform === "darwin" ? "libwgmesh_native.dylib" : "libwgmesh_native.so";
  install(
    join(targetFolder, "debug", library),
    `${flags.test ? "wgmesh-test" : "wgmesh"}.${platformName()}.node`,
  );
}

function buildRelease() {
  mkdirSync(targetFolder, { recursive: true });
  removeLeftOutputs();
  const output = join(targetFolder, `napi-output-${process.pid}`);
  mkdirSync(output);
  try {
    const napi = join(root, "node_modules/@napi-rs/cli/dist/cli.js");
    // No loader and no types are generated: native/index.js and native/index.d.ts are written by hand.
    const written = ["--no-js", "--dts", "generated.d.ts", "--output-dir", output];
    run(process.execPath, [
      napi,
      "build",
      "--platform",
      "--release",
      "--target-dir",
      targetFolder,
      ...written,
    ]);
    const built = readdirSync(output).find((name) => name.endsWith(".node"));
    if (built === undefined) throw new Error("napi build made no .node file");
    install(join(output, built), built);
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
}

/** Those of builds that were killed. */
function removeLeftOutputs() {
  for (const name of readdirSync(targetFolder)) {
    const pid = /^napi-output-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(targetFolder, name), { recursive: true });
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return pid !== process.pid;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: nativeFolder, stdio: "inherit" });
  if (error) throw new Error(`cannot start ${command}: ${error.message}`);
  if (status !== 0) throw new Error(`${basename(command)} ended with ${status}`);
}

/** By a rename, since overwriting a library that a running process has mapped kills that process. */
function install(source, name) {
  const temporary = join(nativeFolder, `.${process.pid}.${name}`);
  copyFileSync(source, temporary);
  renameSync(temporary, join(nativeFolder, name));
  console.log(`built native/${name}`);
}

/** The name napi gives this platform; native/index.js has the same rule for the machine it runs on. */
function platformName() {
  const base = `${process.platform}-${process.arch}`;
  if (process.platform !== "linux") return base;
  return `${base}-${process.report.getReport().header.glibcVersionRuntime ? "gnu" : "musl"}`;
}
