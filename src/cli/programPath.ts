import { realpathSync } from "node:fs";
import { dirname, extname, join } from "node:path";

/** Where a program of wgmesh is: beside the one that runs, also where both were linked into a folder of programs. */
export function programPath(name: "wgmeshd" | "wgmesh"): string {
  const own = realpathSync(String(process.argv[1]));
  return join(dirname(own), `${name}${extname(own)}`);
}
