import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/** A new folder inside `parent` for shell scripts, and what they write. Whoever has the parent removes it. */
export class ScriptFolder {
  readonly folder: string;

  constructor(parent: string) {
    this.folder = mkdtempSync(path.join(parent, "scripts-"));
  }

  /** A script that runs `body`; `$OUT` stands for the folder. */
  make(name: string, body: string): string {
    const file = path.join(this.folder, name);
    writeFileSync(file, `#!/bin/sh\n${body.replaceAll("$OUT", this.folder)}\n`);
    chmodSync(file, 0o755);
    return file;
  }

  /** Null for what nobody has written. */
  read(name: string): string | null {
    const file = path.join(this.folder, name);
    return existsSync(file) ? readFileSync(file, "utf8") : null;
  }

  lines(name: string): string[] {
    return this.read(name)?.trimEnd().split("\n") ?? [];
  }
}
