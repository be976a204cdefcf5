/**
 * Bundles both binaries to dist/, or to the folder given: one file each for what `--version` needs, the rest in chunks that
 * are loaded when used.
 */
import { chmod, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

const root = path.resolve(import.meta.dirname, "..");
const { version } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
const outdir = path.resolve(process.argv[2] ?? path.join(root, "dist"));
const binaries = ["wgmeshd", "wgmesh"];

// Chunks have their hash in the name: old ones would pile up.
await rm(path.join(outdir, "chunks"), { recursive: true, force: true });
// Each by itself: parts that both use would be cut into a dozen files, and each file costs every start a millisecond or two.
for (const name of binaries)
  await build({
    entryPoints: [path.join(root, "src/cli", `${name}.ts`)],
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
    chunkNames: `chunks/${name}/[name]-[hash]`,
    sourcemap: true,
    legalComments: "none",
    logLevel: "warning",
  });
await Promise.all(binaries.map((name) => chmod(path.join(outdir, `${name}.js`), 0o755)));
