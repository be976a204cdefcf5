const STANDARD = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * Decodes base64 as the Go peer does (PROTOCOL.md section 3): standard alphabet, padded, CR and LF anywhere, spare bits
 * of any value. Null for anything else. Buffer.from alone would also take the URL alphabet and skip junk.
 */
export function decodeBase64(text: string): Buffer | null {
  const compact = text.includes("\n") || text.includes("\r") ? text.replace(/[\r\n]/g, "") : text;
  if (compact.length % 4 !== 0 || !STANDARD.test(compact)) return null;
  return Buffer.from(compact, "base64");
}
