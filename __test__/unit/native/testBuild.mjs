import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** The addon built for tests stands in for the usual one in what is imported after this. */
export function useTestBuild() {
  const require = createRequire(import.meta.url);
  const folder = fileURLToPath(new URL("../../../native/", import.meta.url));
  const find = (pattern) => folder + readdirSync(folder).find((file) => pattern.test(file));
  const usual = find(/^wgmesh\..*\.node$/);
  const exports = require(find(/^wgmesh-test\..*\.node$/));
  require.cache[usual] = { id: usual, filename: usual, loaded: true, exports };
  return exports;
}
