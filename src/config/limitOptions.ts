/**
 * What a node may use of its machine (row G10): peers, threads, memory.
 */
import { WgmeshError } from "../core/errors.ts";
import { type OptionTable, value } from "./optionRow.ts";
import { shaped, type ValueParser } from "./shape.ts";
import * as values from "./values.ts";

export interface LimitOptions {
  /** Records of peers that are kept. */
  readonly maxPeers: number;
  /** How many threads work at once; null leaves each part what it takes by itself. */
  readonly threads: number | null;
  /** Bytes of resident memory that the process should stay below; null for no such bound. */
  readonly memoryLimit: number | null;
}

const DEFAULT_MAX_PEERS = 1_000;
const MIN_PEERS = 10;
const MAX_PEERS = 100_000;
const MAX_THREADS = 64;

const MEBIBYTE = 1024 * 1024;
const GIBIBYTE = 1024 * MEBIBYTE;
const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: MEBIBYTE, G: GIBIBYTE };
/** Less than Node.js alone: whoever wants to see what comes of it can. */
const MIN_MEMORY = 32 * MEBIBYTE;
const MAX_MEMORY = 1024 * GIBIBYTE;

/** A number of bytes, or one of KiB, MiB or GiB with its letter; see {@link MIN_MEMORY}. */
export const memorySize: ValueParser<number> = shaped(
  { kind: "size", minimum: MIN_MEMORY, maximum: MAX_MEMORY },
  (text, source) => {
    const [, digits = "", unit = ""] = /^(\d{1,13})([KMG]?)$/i.exec(text.trim()) ?? [];
    const bytes = digits === "" ? Number.NaN : Number(digits) * (UNITS[unit.toUpperCase()] ?? Number.NaN);
    if (bytes >= MIN_MEMORY && bytes <= MAX_MEMORY) return bytes;
    throw new WgmeshError("ERR_USAGE", `${source}: ${JSON.stringify(text)} is not a size of memory`, {
      hint: "write a number of bytes, or 256M or 1G; at least 32M",
    });
  },
);

export const limitOptions: OptionTable<LimitOptions> = {
  maxPeers: {
    flag: "--max-peers",
    group: "Process",
    help: "how many peers are kept; in a full store those give way that never had a tunnel",
    default: DEFAULT_MAX_PEERS,
    defaultText: String(DEFAULT_MAX_PEERS),
    live: true,
    form: value("COUNT", values.wholeNumber(MIN_PEERS, MAX_PEERS, "a number of peers")),
  },
  threads: {
    flag: "--threads",
    group: "Process",
    help: "how many threads of each kind work at once (default: for packets as many as there are cores, at most four)",
    example: 2,
    default: null,
    form: value("COUNT", values.wholeNumber(1, MAX_THREADS, "a number of threads")),
  },
  memoryLimit: {
    flag: "--memory-limit",
    group: "Process",
    help: "memory above which the daemon says so, lets go of what it can and takes in nobody new; 256M, 1G (default: none)",
    example: "256M",
    default: null,
    live: true,
    form: value("BYTES", memorySize),
  },
};
