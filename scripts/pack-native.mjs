// npm run pack:native [-- FOLDER]: tarballs of @wgmesh/native and of each platform package whose binary is there, into FOLDER
// (dist/packages). A binary is taken from npm/<platform>/, where a release puts those of other machines, or from native/, where
// build-native.mjs puts this machine's.
//
// The packages are put together in a temporary folder: the committed manifest of @wgmesh/native names no platform packages, since
// npm ci would look for them in the registry before they are published.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const destination = path.resolve(process.argv[2] ?? path.join(root, "dist/packages"));
const legal = ["LICENSE", "NOTICE"];

const main = readManifest("native");
const platforms = readdirSync(path.join(root, "npm"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => ({ name, manifest: readManifest(`npm/${name}`) }));
for (const { name, manifest } of platforms) {
  if (manifest.version !== main.version)
    throw new Error(`npm/${name} has version ${manifest.version}, native/ has ${main.version}`);
}

const staging = mkdtempSync(path.join(tmpdir(), "wgmesh-pack-"));
process.once("exit", () => rmSync(staging, { recursive: true, force: true }));
mkdirSync(destination, { recursive: true });

packMain();
const packed = platforms.filter(packPlatform);
if (packed.length === 0) throw new Error("there is no binary to pack: npm run build:native");

function packMain() {
  // What only the building of it needs stays out.
  const { devDependencies: _, napi: __, ...manifest } = main;
  const optionalDependencies = Object.fromEntries(
    platforms.map((platform) => [platform.manifest.name, main.version]),
  );
  const folder = path.join(staging, "main");
  for (const file of [...main.files, "README.md"]) copy(`native/${file}`, path.join(folder, file));
  pack(folder, { ...manifest, optionalDependencies });
}

/** False when its binary is not there. */
function packPlatform({ name, manifest }) {
  const places = [`npm/${name}/${manifest.main}`, `native/${manifest.main}`];
  const binary = places.find((place) => existsSync(path.join(root, place)));
  if (binary === undefined) return false;
  const folder = path.join(staging, name);
  copy(binary, path.join(folder, manifest.main));
  copy(`npm/${name}/README.md`, path.join(folder, "README.md"));
  // Said outright, or Node.js would look at the binary to guess it.
  pack(folder, { ...manifest, type: "commonjs" });
  return true;
}

function pack(folder, { files, ...rest }) {
  const manifest = { ...rest, files: [...files, "NOTICE"] };
  writeFileSync(path.join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const file of legal) copy(file, path.join(folder, file));
  const { status, stdout, stderr } = spawnSync("npm", ["pack", "--pack-destination", destination], {
    cwd: folder,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`npm pack of ${manifest.name} ended with ${status}: ${stderr}`);
  console.log(path.join(destination, stdout.trim().split("\n").at(-1)));
}

function copy(from, to) {
  cpSync(path.join(root, from), to, { recursive: true });
}

function readManifest(folder) {
  return JSON.parse(readFileSync(path.join(root, folder, "package.json"), "utf8"));
}
