//! What keys leave behind in memory that nobody owns any more. `__test__/unit/native/zeroise.test.ts` looks at a whole process for it.
//!
//! A key is zeroised where it stands when it is dropped, but a move copies it: what a list held before its elements were taken out or
//! before it grew, and what stood in the frame of a function that returned it, nothing zeroises.

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::ptr;

use zeroize::Zeroize as _;

/// Another allocator, with every block overwritten before it goes back. The whole addon allocates with it: packets go through
/// buffers that are kept, so their path pays nothing, and elsewhere it is one memset a block.
pub struct Overwriting<A>(pub A);

// SAFETY: blocks come from the other allocator and go back to it with the layout they were asked for. The provided `realloc` allocates,
// copies and deallocates, so a block that moves is overwritten, too.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Overwriting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those the other allocator needs.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block has that many bytes, and nobody else uses it any more.
        unsafe { ptr::write_bytes(block, 0, layout.size()) };
        // Or the compiler might leave out what is written just before it is freed.
        black_box(block);
        // SAFETY: as above.
        unsafe { self.0.dealloc(block, layout) };
    }
}

/// Overwrites bytes that may hold keys. As `zeroize`, which writes byte by byte: with thousands of peers that took longer than
/// making the messages.
#[cfg(target_os = "linux")]
pub fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // Or the compiler might leave out what is written just before it is freed.
    black_box(bytes);
}

/// Bytes of stack that [`scrub_stack`] overwrites: more than the frames of a cipher's set-up take, unoptimised ones included.
const STACK_BYTES: usize = 16 * 1024;

/// Overwrites what calls that have returned left below the caller's frame. Takes less than a microsecond.
#[inline(never)]
pub fn scrub_stack() {
    let mut room = [0xff_u8; STACK_BYTES];
    black_box(&mut room).zeroize();
    black_box(&room);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::System;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts the bytes other than zero in the blocks it gets back.
    #[derive(Default)]
    struct Looking {
        left: AtomicUsize,
        blocks: AtomicUsize,
    }

    // SAFETY: all is the system's allocator; a block is read before it goes back to it.
    unsafe impl GlobalAlloc for Looking {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            self.left.fetch_add(bytes.iter().filter(|byte| **byte != 0).count(), Ordering::Relaxed);
            self.blocks.fetch_add(1, Ordering::Relaxed);
            unsafe { System.dealloc(block, layout) }
        }
    }

    #[test]
    fn blocks_come_back_empty_those_that_grew_included() {
        let allocator = Overwriting(Looking::default());
        let layout = Layout::from_size_align(100, 8).unwrap();
        // SAFETY: the sizes are those of the layouts, and each block is used until it is given back.
        let kept = unsafe {
            let block = allocator.alloc(layout);
            block.write_bytes(0x5a, 100);
            let larger = allocator.realloc(block, layout, 200);
            let kept = *larger.add(99);
            larger.write_bytes(0x5a, 200);
            allocator.dealloc(larger, Layout::from_size_align(200, 8).unwrap());
            kept
        };
        assert_eq!(kept, 0x5a);
        assert_eq!(allocator.0.blocks.load(Ordering::Relaxed), 2);
        assert_eq!(allocator.0.left.load(Ordering::Relaxed), 0);
    }
}
