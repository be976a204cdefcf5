/** Reads QR codes that were drawn as text: a phone is not at hand, zbarimg is. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";

const SCALE = 4;

/** The text of a picture file, byte for byte. */
export function decodedPicture(file: string): string {
  return spawnSync("zbarimg", ["-q", "--raw", "-Sbinary", file], { encoding: "utf8" }).stdout;
}

/** A PGM of a square of modules, true for dark, four pixels each. */
export function writePicture(file: string, modules: readonly (readonly boolean[])[]): void {
  const wide = modules.map((row) => row.flatMap((dark) => Array<number>(SCALE).fill(dark ? 0 : 255)));
  const pixels = wide.flatMap((row) => Array.from({ length: SCALE }, () => row)).flat();
  const head = `P5 ${(modules[0]?.length ?? 0) * SCALE} ${modules.length * SCALE} 255\n`;
  writeFileSync(file, Buffer.concat([Buffer.from(head), Buffer.from(pixels)]));
}

/** What a terminal would show: two rows of modules a line. */
export function drawnModules(lines: readonly string[], darkIsDrawn: boolean): boolean[][] {
  return lines.flatMap((line) => {
    const cells = [...line];
    const half = (blocks: string): boolean[] => cells.map((cell) => blocks.includes(cell) === darkIsDrawn);
    return [half("█▀"), half("█▄")];
  });
}
