const DOT = 0x2e;
const ZERO = 0x30;

/** The four bytes of a canonical IPv4 address; asked of every address of every message, so without a pattern or a split. */
export function ipv4Bytes(ip: string): [number, number, number, number] {
  const bytes: [number, number, number, number] = [0, 0, 0, 0];
  let place = 0;
  for (let at = 0; at < ip.length; at += 1) {
    const unit = ip.charCodeAt(at);
    if (unit === DOT) place += 1;
    else bytes[place] = (bytes[place] as number) * 10 + unit - ZERO;
  }
  return bytes;
}
