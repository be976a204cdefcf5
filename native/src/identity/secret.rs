//! The mesh secret: what counts as one, and how its text is read (PROTOCOL.md section 1).

use std::fmt;

use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::error::{Error, Result};

/// Shorter secrets are refused. Counted in bytes, not characters.
pub const MIN_BYTES: usize = 16;

/// The prefix of the URI form; exact and case-sensitive.
pub const URI_PREFIX: &str = "wgmesh://";

/// The bytes every mesh parameter is derived from. Zeroised when dropped, never printed.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Reads a secret as a person gives it: trimmed of Unicode white space at both ends, then plain or as a
    /// `wgmesh://<version>/<secret>?<ignored>` URI. Nothing is decoded or normalised, since every node must come to
    /// the same bytes.
    ///
    /// Errors: `SECRET_URI` when nothing follows the prefix, `SECRET_SHORT` under [`MIN_BYTES`].
    pub fn parse(input: &[u8]) -> Result<Self> {
        let trimmed = trim_white_space(input);
        let bytes = match trimmed.strip_prefix(URI_PREFIX.as_bytes()) {
            Some(rest) => uri_secret(rest)?,
            None => trimmed,
        };
        Self::exact(bytes)
    }

    /// Takes the bytes of a secret that was read before ([`Secret::as_bytes`]), as they are. Errors: `SECRET_SHORT`.
    pub fn exact(bytes: &[u8]) -> Result<Self> {
        if bytes.len() < MIN_BYTES {
            return Err(Error::new(
                "SECRET_SHORT",
                "use",
                "the secret",
                format!("shorter than {MIN_BYTES} bytes"),
            ));
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl ZeroizeOnDrop for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// The secret in what follows the prefix. Only the form with a version segment has a query part; without a slash
/// everything is the secret, question marks included.
fn uri_secret(rest: &[u8]) -> Result<&[u8]> {
    let secret = match rest.iter().position(|&byte| byte == b'/') {
        Some(slash) => {
            let after = &rest[slash + 1..];
            let end = after.iter().position(|&byte| byte == b'?').unwrap_or(after.len());
            &after[..end]
        }
        None => rest,
    };
    if secret.is_empty() {
        return Err(Error::new("SECRET_URI", "use", "the secret", "nothing follows the wgmesh:// prefix"));
    }
    Ok(secret)
}

/// The characters with the Unicode property White_Space, which is what the Go peer trims.
const WHITE_SPACE: [&str; 25] = [
    "\t", "\n", "\u{b}", "\u{c}", "\r", " ", "\u{85}", "\u{a0}", "\u{1680}", "\u{2000}", "\u{2001}",
    "\u{2002}", "\u{2003}", "\u{2004}", "\u{2005}", "\u{2006}", "\u{2007}", "\u{2008}", "\u{2009}",
    "\u{200a}", "\u{2028}", "\u{2029}", "\u{202f}", "\u{205f}", "\u{3000}",
];

/// Trims on bytes rather than text, because a secret from a file need not be UTF-8.
fn trim_white_space(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = WHITE_SPACE.iter().find_map(|space| bytes.strip_prefix(space.as_bytes())) {
        bytes = rest;
    }
    while let Some(rest) = WHITE_SPACE.iter().find_map(|space| bytes.strip_suffix(space.as_bytes())) {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::hex;
    use crate::testing::{pseudo_random_bytes, section};

    #[test]
    fn vectors_secrets_and_secret_parsing() {
        for entry in section("secrets") {
            let secret = Secret::parse(entry.text("input").as_bytes()).unwrap();
            assert_eq!(hex::encode(secret.as_bytes()), entry.text("parsed_hex"), "{}", entry.text("what"));
        }
        for entry in section("secret_parsing") {
            let parsed = Secret::parse(entry.text("input").as_bytes());
            assert_eq!(parsed.is_ok(), entry.flag("accepted"), "{}", entry.text("what"));
            if let Ok(secret) = parsed {
                assert_eq!(secret.as_bytes(), entry.text("parsed").as_bytes(), "{}", entry.text("what"));
            }
        }
    }

    #[test]
    fn white_space_is_the_unicode_property() {
        for code in 0..=0x10ffff_u32 {
            let Some(character) = char::from_u32(code) else { continue };
            let listed = WHITE_SPACE.contains(&character.to_string().as_str());
            assert_eq!(listed, character.is_whitespace(), "U+{code:04X}");
        }
    }

    #[test]
    fn trims_around_bytes_that_are_no_utf8() {
        let secret = Secret::parse(b" \xc2\xa0\xff0123456789abcdef\xe3\x80\x80\n").unwrap();
        assert_eq!(secret.as_bytes(), b"\xff0123456789abcdef");
    }

    #[test]
    fn refusals_have_codes_and_keep_the_text_to_themselves() {
        let code = |input: &str| Secret::parse(input.as_bytes()).unwrap_err().code;
        assert_eq!(code("wgmesh://"), "SECRET_URI");
        assert_eq!(code("wgmesh://v1/"), "SECRET_URI");
        assert_eq!(code("wgmesh://v1/?query-of-many-letters"), "SECRET_URI");
        assert_eq!(code("\u{3000}"), "SECRET_SHORT");
        assert_eq!(code("hunter2"), "SECRET_SHORT");
        let shown = Secret::parse(b"hunter2").unwrap_err().to_string();
        assert_eq!(shown, "SECRET_SHORT: cannot use the secret: shorter than 16 bytes");
        assert_eq!(format!("{:?}", Secret::parse(b"0123456789abcdef").unwrap()), "Secret([redacted])");
    }

    #[test]
    fn any_bytes_parse_or_fail() {
        for seed in 0..20_000 {
            let bytes = pseudo_random_bytes(seed, 48);
            let with_prefix = [URI_PREFIX.as_bytes(), &bytes].concat();
            for input in [&bytes, &with_prefix] {
                if let Ok(secret) = Secret::parse(input) {
                    assert!(secret.as_bytes().len() >= MIN_BYTES && secret.as_bytes().len() <= input.len());
                }
            }
        }
    }
}
