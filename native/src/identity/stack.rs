//! What keys leave on the stack. `__test__/unit/native/zeroise.test.ts` looks at a whole process for it.

use std::hint::black_box;

use zeroize::Zeroize as _;

/// More than the frames of a cipher's set-up take, unoptimised ones included.
const BYTES: usize = 16 * 1024;

/// Overwrites what calls that have returned left below the caller's frame. A value that is made in one function and moved into its
/// place by another stays behind in the frame of the first, where nothing zeroises it.
#[inline(never)]
pub fn scrub() {
    let mut room = [0xff_u8; BYTES];
    black_box(&mut room).zeroize();
    black_box(&room);
}
