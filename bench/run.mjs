// npm run bench [-- NAME…]: every measure, or those named, in one run. Prints one table; when all are run, it is kept with the raw
// samples in bench/RESULTS.md, after each of them. Needs root and the packages of scripts/apt-packages.txt; build first.
import { runBundled } from "./bundled.mjs";

await runBundled("bench/main.ts");
