/**
 * The last gate before a log line leaves the process. Nothing should put a secret into a field; this makes sure that a mistake
 * does not show it. It works on the finished JSON line, so nested values, errors and messages are covered alike.
 */

const PLACEHOLDER = "[redacted]";

/** A secret as a URI, up to what cannot be part of one. */
const secretUri = /wgmesh:\/\/[^\s"'\\<>]+/gi;

/** Member names whose value is secret, matched whole: `hasPresharedKey` or `secretFile` tell nothing. */
const secretName =
  /^(?:wg_?|mesh_?)?(?:secret|private_?key|psk|preshared_?key|password|passphrase|token)(?:_?(?:text|uri))?$/i;

/** Cheap test for lines that may hold such a member; most lines do not, and are not parsed. */
const suspicious = /secret|key"|psk"|pass|token/i;

/** The JSON line with everything that looks like a secret replaced. */
export function redact(line: string): string {
  const withoutUris = line.replace(secretUri, `wgmesh://${PLACEHOLDER}`);
  if (!suspicious.test(withoutUris)) return withoutUris;
  const hide = (name: string, value: unknown): unknown => (secretName.test(name) ? PLACEHOLDER : value);
  return `${JSON.stringify(JSON.parse(withoutUris, hide))}\n`;
}
