//! Large buffers that cost memory only where they were written to.

use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Anonymous memory of the kernel, zero at first. Pages count once they were touched, and go back when it is dropped (the
/// allocator might keep them, or clear all of a buffer of which little is used).
pub(crate) struct Region {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: it is owned memory, as a boxed slice is.
unsafe impl Send for Region {}

impl Region {
    /// Panics when the process has no room for it, as allocating does.
    pub(crate) fn new(length: usize) -> Self {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, wherever the kernel likes.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, access, kind, -1, 0) };
        assert!(
            start != libc::MAP_FAILED,
            "no memory for a buffer of {length} bytes: {}",
            io::Error::last_os_error()
        );
        let start = NonNull::new(start.cast()).unwrap_or(NonNull::dangling());
        Self { start, length }
    }
}

impl Deref for Region {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping has `length` readable bytes, as long as we live.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for Region {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and writable; borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: our own mapping, to which nothing points any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_zero_and_can_be_written_to_its_end() {
        let mut region = Region::new(3 << 20);
        assert!(region.iter().all(|b| *b == 0));
        region.fill(7);
        assert_eq!((region.len(), region[(3 << 20) - 1]), (3 << 20, 7));
    }
}
