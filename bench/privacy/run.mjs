// npm run bench:privacy: how often spies among 200 nodes name the maker of an announcement; the table of docs/privacy.md, the same in
// every run. Needs nothing but the packages; takes a minute or two.
import { runBundled } from "../bundled.mjs";

await runBundled("bench/privacy/table.ts");
