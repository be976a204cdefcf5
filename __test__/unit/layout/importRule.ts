import path from "node:path";

/** One import as it stands in a file. Type-only imports vanish at run time. */
export interface Import {
  readonly from: string;
  /** A path below src/ (`core/types.ts`), or a package name. */
  readonly to: string;
  readonly typeOnly: boolean;
}

/** Path below src/ to source text. */
export type Sources = ReadonlyMap<string, string>;

const addon = "@wgmesh/native";

/**
 * ARCHITECTURE.md, "Imports point one way", as a table: what a folder may import besides itself. An entry is a folder, or one file of it.
 * Imports point one way, from the last rows to the first.
 */
const allowed: Readonly<Record<string, readonly string[]>> = {
  core: [],
  identity: ["core", addon],
  wire: ["core"],
  config: ["core"],
  rotation: ["core"],
  observe: ["core"],
  wireguard: ["core", "identity", addon],
  peers: ["core", "identity", "wire"],
  discovery: ["core", "identity", "wire", "peers"],
  privacy: ["core", "identity", "wire", "peers"],
  mesh: ["core", "identity", "wire", "peers", "wireguard"],
  backup: ["core", "identity", "config", "peers"],
  rpc: ["core", "config"],
  service: ["core", "config"],
  doctor: ["core", "config"],
  firewall: ["core", "doctor"],
  launch: ["core", "config", "identity", "rpc/client.ts", addon],
  daemon: [
    "core",
    "identity",
    "wire",
    "config",
    "backup",
    "observe",
    "wireguard",
    "peers",
    "discovery",
    "privacy",
    "mesh",
    "rpc",
    "service",
    "doctor",
    "firewall",
    "rotation",
    "launch/progress.ts",
    "launch/processes.ts",
  ],
  cli: [
    "core",
    "config",
    "identity",
    "backup",
    "rpc/client.ts",
    "rpc/daemonView.ts",
    "rpc/tokens.ts",
    "daemon/door.ts",
    "daemon/alone.ts",
    "service",
    "launch",
    "firewall",
  ],
};

/** Edges beyond the table, file to file or folder. The addon's thin door for the daemon; contracts by type alone. */
const exceptions: readonly { from: string; to: string; typeOnly: boolean }[] = [
  { from: "daemon/os.ts", to: addon, typeOnly: false },
  { from: "rpc/views", to: "discovery/seams.ts", typeOnly: true },
  { from: "rpc/views", to: "peers", typeOnly: true },
  { from: "rpc/views", to: "observe", typeOnly: true },
  { from: "rpc/methods", to: "observe", typeOnly: true },
  { from: "discovery/seams.ts", to: "wireguard/wireguardPort.ts", typeOnly: true },
];

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:[^;"']*?\sfrom\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/g;

/** Every import of the project's own files and of the addon; other packages are nobody's concern here. */
export function importsOf(file: string, text: string): Import[] {
  return [...text.matchAll(importPattern)]
    .map((match) => ({ specifier: match[2] ?? match[3] ?? "", typeOnly: match[1] !== undefined }))
    .filter(({ specifier }) => specifier.startsWith(".") || specifier === addon)
    .map(({ specifier, typeOnly }) => ({
      from: file,
      to: specifier === addon ? addon : path.posix.join(path.posix.dirname(file), specifier),
      typeOnly,
    }));
}

const folderOf = (file: string): string => file.split("/")[0] ?? "";
const covers = (entry: string, target: string): boolean => target === entry || target.startsWith(`${entry}/`);

function mayImport({ from, to, typeOnly }: Import): boolean {
  const folder = folderOf(from);
  const inTable = folder === folderOf(to) || (allowed[folder] ?? []).some((entry) => covers(entry, to));
  return (
    inTable || exceptions.some((e) => covers(e.from, from) && covers(e.to, to) && (typeOnly || !e.typeOnly))
  );
}

/** One line for every edge the table does not know. */
export function forbiddenImports(sources: Sources): string[] {
  return [...sources]
    .flatMap(([file, text]) => importsOf(file, text))
    .filter((edge) => !mayImport(edge))
    .map(({ from, to }) => `${from} may not import ${to}`);
}

/** Files that import each other in a circle, each circle once, as `a → b → a`. */
export function cycles(sources: Sources): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): void => {
    const start = trail.indexOf(file);
    if (start >= 0) found.push([...trail.slice(start), file].join(" → "));
    if (start >= 0 || done.has(file)) return;
    for (const { to } of importsOf(file, sources.get(file) ?? "")) visit(to, [...trail, file]);
    done.add(file);
  };
  for (const file of sources.keys()) visit(file, []);
  return found;
}
