//! A key of ChaCha20-Poly1305.

use std::mem::{MaybeUninit, needs_drop};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroize;

use super::message::TAG;

/// Bytes of the stack that are overwritten after a key was made; ring's keys have some 600 and are moved a few times.
const STACK_SCRUBBED: usize = 8192;

/// A key that is gone from memory when it is dropped. On the heap, so that moving what holds it leaves no copy behind.
pub struct Key(Box<MaybeUninit<LessSafeKey>>);

impl Key {
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut key = Self(Box::new(MaybeUninit::uninit()));
        expand(bytes, &mut key.0);
        scrub_stack();
        key
    }

    /// Seals `body` in place and returns the tag. A counter must not be used twice.
    #[inline]
    pub fn seal(&self, counter: u64, additional: &[u8], body: &mut [u8]) -> [u8; TAG] {
        let sealed = self.get().seal_in_place_separate_tag(nonce(counter), Aad::from(additional), body);
        let tag = sealed.expect("no datagram is near the limit of 256 GiB");
        let mut bytes = [0; TAG];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }

    /// Opens in place a body with the tag behind it; false, and the body is garbage, when it is not authentic.
    #[inline]
    pub fn open(&self, counter: u64, additional: &[u8], body_and_tag: &mut [u8]) -> bool {
        self.get().open_in_place(nonce(counter), Aad::from(additional), body_and_tag).is_ok()
    }

    #[inline]
    fn get(&self) -> &LessSafeKey {
        // SAFETY: `new` wrote it, and only `drop` takes it away.
        unsafe { self.0.assume_init_ref() }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        erase(&mut self.0);
    }
}

fn erase(place: &mut MaybeUninit<LessSafeKey>) {
    const { assert!(!needs_drop::<LessSafeKey>()) };
    // SAFETY: the bytes need no drop, and whoever erases them does not read them as a key again; volatile writes are not left out.
    unsafe { zeroize::zeroize_flat_type(&raw mut *place) };
}

/// Apart from `new`, so that its stack lies where [`scrub_stack`] overwrites it.
#[inline(never)]
fn expand(bytes: &[u8; 32], place: &mut MaybeUninit<LessSafeKey>) {
    let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).expect("the key has the algorithm's length");
    place.write(LessSafeKey::new(key));
}

#[inline(never)]
fn scrub_stack() {
    [0xffu8; STACK_SCRUBBED].zeroize();
}

/// 32 zero bits, then the counter (section 5.4.6).
#[inline]
fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[4..].copy_from_slice(&counter.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_with_the_same_counter_and_data_only() {
        let key = Key::new(&[5; 32]);
        let mut message = *b"a packet________";
        let tag = key.seal(7, b"header", &mut message[..8]);
        assert_ne!(&message[..8], b"a packet");
        let sealed: Vec<u8> = [&message[..8], &tag].concat();
        let mut copy = sealed.clone();
        assert!(key.open(7, b"header", &mut copy));
        assert_eq!(&copy[..8], b"a packet");
        for (counter, data, flipped) in
            [(8, &b"header"[..], None), (7, b"Header", None), (7, b"header", Some(3))]
        {
            let mut copy = sealed.clone();
            flipped.into_iter().for_each(|at: usize| copy[at] ^= 1);
            assert!(!key.open(counter, data, &mut copy));
        }
    }

    #[test]
    fn an_erased_key_is_gone_from_memory() {
        let bytes: [u8; 32] = std::array::from_fn(|i| 0xa0 + i as u8);
        let mut place = MaybeUninit::zeroed();
        expand(&bytes, &mut place);
        let holds_key = |place: &MaybeUninit<LessSafeKey>| {
            // SAFETY: as bytes that may be anything, and only those that were written are looked at: all were zeroed first, and what
            // the compiler leaves unwritten stays so.
            let raw: &[u8] =
                unsafe { std::slice::from_raw_parts((&raw const *place).cast(), size_of::<LessSafeKey>()) };
            raw.windows(8).any(|window| window == &bytes[8..16])
        };
        assert!(holds_key(&place));
        erase(&mut place);
        assert!(!holds_key(&place));
    }
}
