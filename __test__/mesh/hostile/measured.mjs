// Loaded into a daemon before its program (node --expose-gc --import …?to=FILE): at each SIGUSR2 it collects all garbage and writes what is
// left to FILE. What V8 holds in reserve depends on when it last collected, and so on how busy the machine is; what is in use does not.
import { renameSync, writeFileSync } from "node:fs";
import process from "node:process";

const file = new URL(import.meta.url).searchParams.get("to");

process.on("SIGUSR2", () => {
  // What the first one makes free may hold on to more.
  for (let turn = 0; turn < 3; turn += 1) globalThis.gc();
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  writeFileSync(`${file}.new`, JSON.stringify({ rss, heapTotal, heapUsed, external }));
  renameSync(`${file}.new`, file);
});
