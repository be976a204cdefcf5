//! The secret as a QR code, for a phone to scan (row B5). The picture is the secret in another form, so it is drawn here and
//! written to a descriptor: it never becomes a JavaScript value. Other texts, such as a WireGuard configuration, are drawn likewise.

mod picture;

use std::os::fd::RawFd;

use qrcode::types::{Color, QrError};
use qrcode::{EcLevel, QrCode};
use zeroize::Zeroizing;

use super::secret::{Secret, URI_PREFIX};
use crate::error::{Error, Result};
use crate::os::output::write_all;

/// What a picture is drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Half blocks, black on white by escape sequences whatever the terminal's own colours are.
    Terminal,
    /// Half blocks without escape sequences, right on a dark background.
    Plain,
    Svg,
    Png,
}

impl Form {
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "terminal" => Ok(Self::Terminal),
            "plain" => Ok(Self::Plain),
            "svg" => Ok(Self::Svg),
            "png" => Ok(Self::Png),
            other => {
                Err(Error::new("EINVAL", "draw", "the QR code", format!("{other} is no form of picture")))
            }
        }
    }
}

/// Draws the secret's URI and writes all of it to the descriptor, which stays open. Blocks until it is taken.
///
/// Errors: `EINVAL` for a secret that no URI stands for or that is too long for a QR code (some 2,900 bytes), those of write(2).
pub fn write(secret: &Secret, form: Form, fd: RawFd) -> Result<()> {
    draw(&modules_of(&uri_of(secret)?, "the secret")?, form, fd)
}

/// The same with a text as it is, such as a WireGuard configuration. Errors: as [`write`].
pub fn write_text(text: &str, form: Form, fd: RawFd) -> Result<()> {
    draw(&modules_of(text.as_bytes(), "the text")?, form, fd)
}

fn draw(modules: &Modules, form: Form, fd: RawFd) -> Result<()> {
    let drawn = match form {
        Form::Terminal => picture::half_blocks(modules, true),
        Form::Plain => picture::half_blocks(modules, false),
        Form::Svg => picture::svg(modules),
        Form::Png => picture::png(modules),
    };
    write_all(fd, &drawn, "the QR code")
}

/// A square of modules, row by row, the quiet zone not among them.
pub(super) struct Modules {
    width: usize,
    dark: Zeroizing<Vec<bool>>,
}

impl Modules {
    /// False outside, which is the quiet zone.
    fn is_dark(&self, row: isize, column: isize) -> bool {
        match (usize::try_from(row), usize::try_from(column)) {
            (Ok(row), Ok(column)) if row < self.width && column < self.width => {
                self.dark[row * self.width + column]
            }
            _ => false,
        }
    }
}

/// A URI that every node reads back as this very secret: the form with a version where nothing of the secret would be taken
/// for the query part, else the form without one.
fn uri_of(secret: &Secret) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = secret.as_bytes();
    for path in ["v1/", ""] {
        let uri = Zeroizing::new([URI_PREFIX.as_bytes(), path.as_bytes(), bytes].concat());
        if Secret::parse(&uri).is_ok_and(|read| read.as_bytes() == bytes) {
            return Ok(uri);
        }
    }
    Err(Error::new(
        "EINVAL",
        "draw",
        "the secret",
        "it has both a question mark and a slash, which no URI keeps",
    ))
}

/// `object` names what is drawn.
fn modules_of(bytes: &[u8], object: &str) -> Result<Modules> {
    // The lowest level: a screen has no scratches, and fewer modules are easier to scan.
    let code = QrCode::with_error_correction_level(bytes, EcLevel::L).map_err(|error| {
        let reason = match error {
            QrError::DataTooLong => "it is too long for a QR code".to_owned(),
            other => other.to_string(),
        };
        Error::new("EINVAL", "draw", object, reason)
    })?;
    let width = code.width();
    let dark = code.into_colors().into_iter().map(|color| color == Color::Dark).collect();
    Ok(Modules { width, dark: Zeroizing::new(dark) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(secret: &[u8]) -> Option<String> {
        let secret = Secret::parse(secret).unwrap();
        uri_of(&secret).ok().map(|uri| String::from_utf8_lossy(&uri).into_owned())
    }

    #[test]
    fn the_uri_is_one_that_reads_back_as_the_secret() {
        assert_eq!(uri(b"0123456789abcdef").unwrap(), "wgmesh://v1/0123456789abcdef");
        assert_eq!(uri(b"wgmesh://v1/0123456789abcdef?name=home\n").unwrap(), "wgmesh://v1/0123456789abcdef");
        assert_eq!(uri(b"a/b/0123456789abcdef").unwrap(), "wgmesh://v1/a/b/0123456789abcdef");
        assert_eq!(uri(b"what is it? 0123456789").unwrap(), "wgmesh://what is it? 0123456789");
        assert_eq!(uri(b"and/or? 0123456789"), None);
    }

    #[test]
    fn too_long_a_secret_is_refused() {
        let longest = modules_of(&[b'x'; 2953], "the secret").unwrap();
        assert_eq!(longest.width, 177);
        let error = modules_of(&[b'x'; 2954], "the secret").err().unwrap();
        assert_eq!(error.to_string(), "EINVAL: cannot draw the secret: it is too long for a QR code");
    }

    #[test]
    fn a_descriptor_that_cannot_be_written_is_an_error() {
        let secret = Secret::parse(b"0123456789abcdef").unwrap();
        assert_eq!(write(&secret, Form::Plain, -1).unwrap_err().code, "EBADF");
        assert_eq!(Form::parse("gif").unwrap_err().code, "EINVAL");
    }
}
