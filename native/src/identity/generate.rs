//! New secrets (PROTOCOL.md section 1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::secret::URI_PREFIX;
use crate::error::{Error, Result};

/// Random bytes of a generated secret.
const SECRET_BYTES: usize = 128;

/// `wgmesh://v1/` and 128 random bytes as 171 characters of base64url.
pub fn secret_uri() -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0u8; SECRET_BYTES]);
    getrandom::fill(bytes.as_mut())
        .map_err(|error| Error::new("EIO", "read", "the system's random source", error.to_string()))?;
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
    Ok(Zeroizing::new(format!("{URI_PREFIX}v1/{}", *text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::secret::Secret;

    #[test]
    fn a_new_secret_parses_to_171_characters_and_is_never_the_same() {
        let (one, two) = (secret_uri().unwrap(), secret_uri().unwrap());
        assert_eq!(Secret::parse(one.as_bytes()).unwrap().as_bytes().len(), 171);
        assert!(one.starts_with("wgmesh://v1/"));
        assert_ne!(*one, *two);
    }
}
