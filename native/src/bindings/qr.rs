//! Texts as QR codes; the secret's own is `MeshSecret.writeQr`.

use napi_derive::napi;
use zeroize::Zeroize as _;

use super::guarded;
use crate::identity::qr;

#[napi]
pub fn write_text_qr(mut text: String, fd: i32, form: String) -> napi::Result<()> {
    guarded(|| {
        let written = qr::Form::parse(&form).and_then(|form| qr::write_text(&text, form, fd));
        text.zeroize();
        written
    })
}
