/**
 * Named cases that run in a process of their own (in the VM, or in a network namespace), one after another. Each result is one
 * line of JSON on standard output, which {@link readResults} on the host reads.
 */

/** A case fails by throwing. */
export type Cases = Readonly<Record<string, () => void | Promise<void>>>;

type Line =
  | { readonly kind: "case"; readonly name: string; readonly ok: boolean; readonly error?: string }
  /** Something measured, to be shown and never judged. */
  | { readonly kind: "note"; readonly text: string };

export interface Results {
  /** Case name to its error, or null. A name that is missing did not run. */
  readonly results: ReadonlyMap<string, string | null>;
  readonly notes: readonly string[];
}

export async function runCases(cases: Cases): Promise<void> {
  for (const [name, body] of Object.entries(cases)) {
    try {
      await body();
      tell({ kind: "case", name, ok: true });
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      tell({ kind: "case", name, ok: false, error: text });
    }
  }
}

export function note(text: string): void {
  tell({ kind: "note", text });
}

function tell(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** What a process that ran cases printed; other lines are passed over. */
export function readResults(stdout: string): Results {
  const results = new Map<string, string | null>();
  const notes: string[] = [];
  for (const text of stdout.split("\n")) {
    const line = parseLine(text);
    if (line?.kind === "case") results.set(line.name, line.ok ? null : (line.error ?? "failed"));
    if (line?.kind === "note") notes.push(line.text);
  }
  return { results, notes };
}

function parseLine(text: string): Line | null {
  try {
    const line: Line = JSON.parse(text);
    return line.kind === "case" || line.kind === "note" ? line : null;
  } catch {
    return null;
  }
}
