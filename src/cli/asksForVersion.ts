/** `--version` or `-v` anywhere on the command line (PROTOCOL.md section 16). */
export function asksForVersion(argv: readonly string[]): boolean {
  return argv.slice(2).some((word) => word === "--version" || word === "-v");
}
