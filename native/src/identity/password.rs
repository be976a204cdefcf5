//! Text sealed with a password, in the Go peer's form (PROTOCOL.md section 14): base64 of salt, nonce and AES-256-GCM under a key that
//! PBKDF2-HMAC-SHA256 draws from the password.

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use sha2::Sha256;
use std::path::Path;
use zeroize::Zeroizing;

use super::{prompt, secret_source};
use crate::error::{Error, Result};

const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// Of the Go peer; some tens of milliseconds.
const ROUNDS: u32 = 100_000;
/// Code of the errors that say a file may not hold a password.
const REFUSED: &str = "PASSWORD_FILE";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// What a person keeps a backup closed with. Zeroised when dropped.
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// The bytes without the line end. Errors: `PASSWORD_EMPTY`.
    pub fn new(text: &[u8]) -> Result<Self> {
        let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        if end == 0 {
            return Err(Error::new("PASSWORD_EMPTY", "use", "the password", "it is empty"));
        }
        Ok(Self(Zeroizing::new(text[..end].to_vec())))
    }

    /// Reads a file that only its owner, us or root, can read or write; a pipe too.
    pub fn from_file(path: &Path) -> Result<Self> {
        Self::new(&secret_source::read_file(path, REFUSED)?)
    }

    /// Reads a descriptor to its end and leaves it open.
    pub fn from_fd(fd: i32) -> Result<Self> {
        Self::new(&secret_source::read_fd(fd, REFUSED)?)
    }

    /// Asks on the terminal, echo off. With `again`, asks a second time by that question: a slip of a finger would close a backup for
    /// good. Errors: those of [`prompt::read_hidden_line`], `PASSWORD_DIFFERS`.
    pub fn from_prompt(question: &str, again: Option<&str>) -> Result<Self> {
        let first = prompt::read_hidden_line(question)?;
        if let Some(question) = again
            && *prompt::read_hidden_line(question)? != *first
        {
            return Err(Error::new("PASSWORD_DIFFERS", "use", "the password", "the two entries differ"));
        }
        Self::new(&first)
    }

    /// The sealed form, one line of base64. Takes some tens of milliseconds.
    pub fn seal(&self, plaintext: &[u8]) -> Result<String> {
        let mut sealed = vec![0u8; SALT_BYTES + NONCE_BYTES];
        getrandom::fill(&mut sealed)
            .map_err(|error| Error::new("EIO", "draw", "random bytes", error.to_string()))?;
        let (salt, nonce) = sealed.split_at(SALT_BYTES);
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().expect("as many bytes were made");
        let body = self
            .cipher(salt)
            .encrypt(&Nonce::from(nonce), plaintext)
            .expect("a text in memory is shorter than the 64 GiB limit");
        sealed.extend_from_slice(&body);
        Ok(BASE64.encode(sealed))
    }

    /// What was sealed; `None` for another password and for what is no sealed text. Line ends inside do not count.
    pub fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let packed: Vec<u8> = sealed.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        let bytes = BASE64.decode(packed).ok()?;
        let (salt, rest) = bytes.split_at_checked(SALT_BYTES)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>()?;
        self.cipher(salt).decrypt(&Nonce::from(*nonce), body).ok().map(Zeroizing::new)
    }

    fn cipher(&self, salt: &[u8]) -> Aes256Gcm {
        let mut key = Zeroizing::new([0u8; 32]);
        pbkdf2::pbkdf2_hmac::<Sha256>(&self.0, salt, ROUNDS, &mut *key);
        Aes256Gcm::new((&*key).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::section;

    #[test]
    fn vectors_state_encryption() {
        for entry in section("state_encryption") {
            let password = Password::new(entry.text("password").as_bytes()).unwrap();
            let opened = password.open(entry.text("sealed").as_bytes());
            match entry.flag("opens") {
                true => assert_eq!(&**opened.as_ref().unwrap(), entry.text("plaintext").as_bytes()),
                false => assert!(opened.is_none(), "{}", entry.text("what")),
            }
        }
    }

    #[test]
    fn what_was_sealed_opens_with_that_password_alone_and_no_two_are_alike() {
        let password = Password::new(b"correct horse\n").unwrap();
        let (one, two) = (password.seal(b"text").unwrap(), password.seal(b"text").unwrap());
        assert_ne!(one, two);
        assert_eq!(&**password.open(one.as_bytes()).unwrap(), b"text");
        assert!(Password::new(b"correct horses").unwrap().open(one.as_bytes()).is_none());
        let spoilt = one.replacen(&one[80..81], if &one[80..81] == "A" { "B" } else { "A" }, 1);
        assert!(spoilt == one || password.open(spoilt.as_bytes()).is_none());
        assert!(password.open(b"{\"format\":1}").is_none());
    }

    #[test]
    fn an_empty_password_is_refused() {
        assert_eq!(Password::new(b"\r\n").err().unwrap().code, "PASSWORD_EMPTY");
        assert!(Password::new(b" ").is_ok());
    }
}
