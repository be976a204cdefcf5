/**
 * The last gate before a log line leaves the process. Nothing should put a secret into a field; this makes sure that a mistake
 * does not show it. It works on the finished JSON line, so nested values, errors and messages are covered alike.
 */

const PLACEHOLDER = "[redacted]";

/** A secret as a URI, up to what cannot be part of one. */
const secretUri = /wgmesh:\/\/[^\s"'\\<>]+/gi;

/** A token of a caller of RPC (rpc/tokens.ts): who pastes one into the wrong place finds it in an error. No metric has so long a name. */
const callerToken = /wgmesh_[\w-]{43,}/g;

/** Member names whose value is secret, matched whole: `hasPresharedKey` or `secretFile` tell nothing. */
const secretName =
  /^(?:wg_?|mesh_?)?(?:secret|private_?key|psk|preshared_?key|password|passphrase|token)(?:_?(?:text|uri))?$/i;

/** Cheap test for lines that may hold such a member; most lines do not, and are not parsed. */
const suspicious = /secret|key"|psk"|pass|token/i;

/** Any text without secret URIs and tokens: who puts one where another value belongs finds it quoted in an error. */
export function withoutSecrets(text: string): string {
  return text.replace(secretUri, `wgmesh://${PLACEHOLDER}`).replace(callerToken, `wgmesh_${PLACEHOLDER}`);
}

/** The JSON line with everything that looks like a secret replaced. */
export function redact(line: string): string {
  const withoutTexts = withoutSecrets(line);
  if (!suspicious.test(withoutTexts)) return withoutTexts;
  const hide = (name: string, value: unknown): unknown => (secretName.test(name) ? PLACEHOLDER : value);
  return `${JSON.stringify(JSON.parse(withoutTexts, hide))}\n`;
}
