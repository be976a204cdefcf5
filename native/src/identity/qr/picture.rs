//! Pictures of a square of modules. Buffers have their size from the start: none grows and leaves a copy behind.

use zeroize::Zeroizing;

use super::Modules;

/// Light modules around the code that a scanner needs (ISO/IEC 18004, 9.1).
const QUIET: isize = 4;

/// Black on white, from the 256 colours, which themes do not change.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
const RESET: &str = "\x1b[0m";

/// Pixels a module in a PNG.
const SCALE: usize = 8;

/// Two rows of modules a line of text.
pub(super) fn half_blocks(modules: &Modules, coloured: bool) -> Zeroizing<Vec<u8>> {
    let end = modules.width as isize + QUIET;
    let side = (end + QUIET) as usize;
    let mut text = Zeroizing::new(Vec::with_capacity(side * side * 4 + side * 64));
    for row in (-QUIET..end).step_by(2) {
        text.extend_from_slice(if coloured { BLACK_ON_WHITE } else { "" }.as_bytes());
        for column in -QUIET..end {
            // What is drawn is the dark modules in black, or, on a dark background, the light ones. Below the last row is
            // nothing to draw there.
            let drawn = |row: isize| (modules.is_dark(row, column) == coloured) && (coloured || row < end);
            text.extend_from_slice(
                match (drawn(row), drawn(row + 1)) {
                    (true, true) => "█",
                    (true, false) => "▀",
                    (false, true) => "▄",
                    (false, false) => " ",
                }
                .as_bytes(),
            );
        }
        text.extend_from_slice(if coloured { RESET } else { "" }.as_bytes());
        text.push(b'\n');
    }
    text
}

/// One path of one unit a module.
pub(super) fn svg(modules: &Modules) -> Zeroizing<Vec<u8>> {
    let side = modules.width as isize + 2 * QUIET;
    let mut text = Zeroizing::new(Vec::with_capacity(modules.dark.len() * 20 + 512));
    text.extend_from_slice(
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" width=\"{0}\" height=\"{0}\" \
             shape-rendering=\"crispEdges\"><rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path fill=\"#000\" d=\"",
            side * SCALE as isize
        )
        .as_bytes(),
    );
    for row in 0..modules.width as isize {
        for column in 0..modules.width as isize {
            if modules.is_dark(row, column) {
                text.extend_from_slice(format!("M{} {}h1v1h-1z", column + QUIET, row + QUIET).as_bytes());
            }
        }
    }
    text.extend_from_slice(b"\"/></svg>\n");
    text
}

/// Greyscale of one bit (RFC 2083), its data stored and not compressed.
pub(super) fn png(modules: &Modules) -> Zeroizing<Vec<u8>> {
    let side = (modules.width + 2 * QUIET as usize) * SCALE;
    let pixels = scan_lines(modules, side);
    let data = zlib_stored(&pixels);
    let mut file = Zeroizing::new(Vec::with_capacity(data.len() + 128));
    file.extend_from_slice(b"\x89PNG\r\n\x1a\n");
    let side = u32::try_from(side).unwrap_or(u32::MAX).to_be_bytes();
    // One bit, greyscale, the only methods there are.
    chunk(&mut file, *b"IHDR", &[&side[..], &side[..], &[1, 0, 0, 0, 0]].concat());
    chunk(&mut file, *b"IDAT", &data);
    chunk(&mut file, *b"IEND", &[]);
    file
}

/// Each line is a filter byte and one bit a pixel, 1 for white.
fn scan_lines(modules: &Modules, side: usize) -> Zeroizing<Vec<u8>> {
    // SCALE is 8: a module is a byte.
    let mut lines = Zeroizing::new(Vec::with_capacity((side / 8 + 1) * side));
    for y in 0..side {
        lines.push(0);
        let row = (y / SCALE) as isize - QUIET;
        for column in 0..(side / SCALE) as isize {
            lines.push(if modules.is_dark(row, column - QUIET) { 0x00 } else { 0xff });
        }
    }
    lines
}

/// A zlib stream of stored blocks (RFC 1950, RFC 1951).
fn zlib_stored(data: &[u8]) -> Zeroizing<Vec<u8>> {
    const BLOCK: usize = 0xffff;
    let mut stream = Zeroizing::new(Vec::with_capacity(data.len() + (data.len() / BLOCK + 1) * 5 + 6));
    stream.extend_from_slice(&[0x78, 0x01]);
    let blocks = data.chunks(BLOCK);
    let last = blocks.len().saturating_sub(1);
    for (index, block) in blocks.enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(index == last));
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(&(!length).to_le_bytes());
        stream.extend_from_slice(block);
    }
    stream.extend_from_slice(&adler32(data).to_be_bytes());
    stream
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    file.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    let start = file.len();
    file.extend_from_slice(&kind);
    file.extend_from_slice(data);
    let check = crc32(&file[start..]);
    file.extend_from_slice(&check.to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % MODULUS;
        (a, (b + a) % MODULUS)
    });
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three by three: dark on the diagonal.
    fn diagonal() -> Modules {
        let dark = (0..9).map(|index| index % 4 == 0).collect();
        Modules { width: 3, dark: Zeroizing::new(dark) }
    }

    fn lines(text: &[u8]) -> Vec<String> {
        String::from_utf8(text.to_vec()).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn half_blocks_show_two_rows_a_line() {
        let coloured = lines(&half_blocks(&diagonal(), true));
        let plain = lines(&half_blocks(&diagonal(), false));
        assert_eq!((coloured.len(), plain.len()), (6, 6));
        assert_eq!(coloured[2], format!("{BLACK_ON_WHITE}    ▀▄     {RESET}"));
        assert_eq!(plain[2], "████▄▀█████");
        assert_eq!(coloured[3], format!("{BLACK_ON_WHITE}      ▀    {RESET}"));
        // The eleventh row stands alone.
        assert_eq!(plain[5], "▀▀▀▀▀▀▀▀▀▀▀");
    }

    #[test]
    fn check_sums_are_those_of_the_standards() {
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn a_long_stream_has_several_blocks() {
        let stream = zlib_stored(&[7; 0xffff + 3]);
        assert_eq!(stream[2..7], [0, 0xff, 0xff, 0, 0]);
        assert_eq!(stream[7 + 0xffff..][..5], [1, 3, 0, 0xfc, 0xff]);
        assert_eq!(stream.len(), 2 + 5 + 0xffff + 5 + 3 + 4);
    }
}
