/**
 * Bundles both binaries to dist/, or to the folder given: one file each for what `--version` needs, and below chunks/ what these
 * go on with, of which one start loads one; what is seldom used is in further chunks there.
 */
import { chmod, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

const root = path.resolve(import.meta.dirname, "..");
const { version } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
const outdir = path.resolve(process.argv[2] ?? path.join(root, "dist"));
/** Each binary, and the files of src/cli it goes on with. */
const binaries = { wgmeshd: ["daemonMain"], wgmesh: ["oftenCommand", "wgmeshCommand"] };

/** Leaves the import of `parts` as it is, but for its path: they are bundled by themselves. */
const separate = (folder, parts) => ({
  name: "separate parts",
  setup(bundle) {
    bundle.onResolve({ filter: new RegExp(`^\\./(${parts.join("|")})\\.ts$`) }, (asked) => ({
      path: `./chunks/${folder}/${path.basename(asked.path, ".ts")}.js`,
      external: true,
    }));
  },
});

const bundled = (source, options) =>
  build({
    entryPoints: [path.join(root, "src/cli", `${source}.ts`)],
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    // The addon finds its binary beside itself.
    external: ["@wgmesh/native"],
    define: { WGMESH_VERSION: JSON.stringify(version) },
    // CommonJS dependencies call require(), which an ES module does not have.
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);',
    },
    sourcemap: true,
    legalComments: "none",
    logLevel: "warning",
    ...options,
  });

// Chunks have their hash in the name: old ones would pile up.
await rm(path.join(outdir, "chunks"), { recursive: true, force: true });
// Each by itself: parts that several use would be cut into a dozen files, and each file costs every start a millisecond or two.
for (const [name, parts] of Object.entries(binaries)) {
  await bundled(name, { plugins: [separate(name, parts)], banner: {} });
  for (const part of parts) {
    await bundled(part, {
      entryNames: `chunks/${name}/[name]`,
      chunkNames: `chunks/${name}/[name]-[hash]`,
    });
  }
}
await Promise.all(Object.keys(binaries).map((name) => chmod(path.join(outdir, `${name}.js`), 0o755)));
