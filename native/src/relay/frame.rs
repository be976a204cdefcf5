//! The bytes of a frame between a bridge and a relay: `"WGR"`, a kind, the eight bytes of the sender's or receiver's token, a
//! payload. No WireGuard message, STUN message or JSON begins so.

/// What tells one end of a session; whoever has it is that end, so it travels sealed before, and here in the clear.
pub type Token = [u8; TOKEN_BYTES];

pub const TOKEN_BYTES: usize = 8;
const MAGIC: [u8; 3] = *b"WGR";
/// Bytes in front of a payload.
pub const HEADER: usize = 4 + TOKEN_BYTES;
/// What a challenge asks to be given back; in frames without a use for it, zeros.
pub type Cookie = [u8; 8];
/// Bytes of every frame but a data frame.
pub const CONTROL: usize = HEADER + 8;

/// The fourth byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// End to end. The relay puts the receiver's token in the place of the sender's.
    Data = 1,
    /// End to relay: I am here. Keeps NAT mappings, and is answered by `Alive` or `Challenge`.
    Hello = 2,
    /// Relay to an address it knows nothing of yet: give this cookie back.
    Challenge = 3,
    /// End to relay: the cookie.
    Answer = 4,
    /// Relay to end: this is the address your packets go to.
    Alive = 5,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Data, Self::Hello, Self::Challenge, Self::Answer, Self::Alive]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: Kind,
    pub token: Token,
    /// At least one byte of a data frame, exactly eight of any other.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// The payload of any frame but a data frame.
    pub fn cookie(&self) -> Cookie {
        self.payload.first_chunk().copied().unwrap_or_default()
    }
}

/// `None` when it is no frame.
#[inline]
pub fn read(bytes: &[u8]) -> Option<Frame<'_>> {
    let (header, payload) = bytes.split_first_chunk::<HEADER>()?;
    let [a, b, c, kind, token @ ..] = *header;
    let kind = Kind::of(kind)?;
    let fits = match kind {
        Kind::Data => !payload.is_empty(),
        _ => bytes.len() == CONTROL,
    };
    ([a, b, c] == MAGIC && fits).then_some(Frame { kind, token, payload })
}

/// What stands in front of a payload.
#[inline]
pub fn header(kind: Kind, token: Token) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..3].copy_from_slice(&MAGIC);
    header[3] = kind as u8;
    header[4..].copy_from_slice(&token);
    header
}

/// Any frame but a data frame.
pub fn control(kind: Kind, token: Token, cookie: Cookie) -> [u8; CONTROL] {
    let mut bytes = [0; CONTROL];
    bytes[..HEADER].copy_from_slice(&header(kind, token));
    bytes[HEADER..].copy_from_slice(&cookie);
    bytes
}

/// Puts another token into a frame.
#[inline]
pub fn readdress(frame: &mut [u8], token: Token) {
    if let Some(place) = frame.get_mut(4..HEADER) {
        place.copy_from_slice(&token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wireguard::beside::looks_like_wireguard;

    const KINDS: [Kind; 5] = [Kind::Data, Kind::Hello, Kind::Challenge, Kind::Answer, Kind::Alive];

    /// xorshift: the same bytes in every run.
    struct Chance(u64);

    impl Chance {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn bytes(&mut self, length: usize) -> Vec<u8> {
            (0..length).map(|_| self.next() as u8).collect()
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let mut chance = Chance(7);
        for length in (0..200).chain([1452, 65_000]) {
            let token: Token = chance.next().to_be_bytes();
            let payload = chance.bytes(length);
            let data = [&header(Kind::Data, token)[..], &payload].concat();
            let expected = (length > 0).then_some(Frame { kind: Kind::Data, token, payload: &payload });
            assert_eq!(read(&data), expected);
            for kind in &KINDS[1..] {
                let cookie = chance.next().to_be_bytes();
                let bytes = control(*kind, token, cookie);
                let frame = read(&bytes).expect("a frame");
                assert_eq!((frame.kind, frame.token, frame.cookie()), (*kind, token, cookie));
                assert!(!looks_like_wireguard(&bytes));
                assert_eq!(read(&bytes[..CONTROL - 1]), None);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_what_is_read_is_those_bytes() {
        let mut chance = Chance(11);
        let mut read_some = 0;
        for _ in 0..200_000 {
            let length = (chance.next() % 64) as usize;
            let mut bytes = chance.bytes(length);
            // Most begin as frames do, with one bit wrong in some.
            if length >= 4 && !chance.next().is_multiple_of(8) {
                bytes[..3].copy_from_slice(&MAGIC);
                bytes[3] = (chance.next() % 8) as u8;
                if chance.next().is_multiple_of(4) {
                    let bit = (chance.next() % 32) as usize;
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
            }
            let Some(frame) = read(&bytes) else { continue };
            read_some += 1;
            assert!(!frame.payload.is_empty());
            let again = [&header(frame.kind, frame.token)[..], frame.payload].concat();
            assert_eq!(again, bytes);
            readdress(&mut bytes, [9; 8]);
            assert_eq!(read(&bytes).map(|frame| frame.token), Some([9; 8]));
        }
        assert!(read_some > 10_000, "{read_some}");
    }
}
