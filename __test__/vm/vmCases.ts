/**
 * The side inside the VM: runs named cases one after another and tells each result as one line of JSON on standard output.
 */

/** A case fails by throwing. */
export type VmCases = Readonly<Record<string, () => void | Promise<void>>>;

export type VmLine =
  | { readonly kind: "case"; readonly name: string; readonly ok: boolean; readonly error?: string }
  /** Something measured, to be shown and never judged: the VM is emulated. */
  | { readonly kind: "note"; readonly text: string };

export async function runCases(cases: VmCases): Promise<void> {
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

function tell(line: VmLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
