import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

/** The folder of package.json. */
export const root = path.resolve(import.meta.dirname, "../../..");

/** Paths of all files git knows of, or would add, that still exist. */
export function repositoryFiles(): string[] {
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], { cwd: root });
  return listed
    .toString()
    .split("\0")
    .filter((file) => file !== "" && existsSync(path.join(root, file)))
    .filter((file) => statSync(path.join(root, file)).isFile());
}

export function readRepositoryFile(file: string): string {
  return readFileSync(path.join(root, file), "utf8");
}

/** Source text by path below `folder`, for files with the extension. */
export function sourcesBelow(folder: string, extension: string): Map<string, string> {
  return new Map(
    repositoryFiles()
      .filter((file) => file.startsWith(`${folder}/`) && file.endsWith(extension))
      .map((file) => [file.slice(folder.length + 1), readRepositoryFile(file)]),
  );
}
