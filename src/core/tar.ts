/**
 * A tar archive of small text files (POSIX ustar). Pure.
 */
const BLOCK = 512;

/**
 * @param files names of at most 99 ASCII characters, with what is in them.
 * @param atMs Unix milliseconds, the time of all of them.
 */
export function tarOf(files: readonly (readonly [name: string, text: string])[], atMs: number): Buffer {
  const pieces: Buffer[] = [];
  for (const [name, text] of files) {
    const data = Buffer.from(text);
    pieces.push(header(name, data.length, atMs), data, Buffer.alloc(-data.length & (BLOCK - 1)));
  }
  pieces.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(pieces);
}

function header(name: string, size: number, atMs: number): Buffer {
  if (!/^[\x21-\x7e]{1,99}$/.test(name)) throw new TypeError(`${name} is no name for a file of an archive`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, "0")}\0`;
  block.write(name, 0, "ascii");
  block.write(octal(0o600, 7), 100);
  // Owner and group: root.
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(Math.floor(atMs / 1000), 11), 136);
  // The sum counts its own field as blanks.
  block.write("        0", 148);
  block.write("ustar\0" + "00", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}
