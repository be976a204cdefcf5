/** The verbs that people and scripts ask again and again. */
const OFTEN = ["status", "peers"];

/**
 * Whether the command line is one of `oftenCommand.ts`: its verb comes first, since there is no option before it that leads to
 * an action.
 */
export function isOftenAsked(argv: readonly string[]): boolean {
  return OFTEN.includes(argv[2] ?? "");
}
