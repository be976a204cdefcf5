//! How the interface gets its name, and what this system must allow.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::link::name::InterfaceName;

/// What wireguard-go is told, and how the name is learned. Linux takes any name; macOS names such interfaces `utun` and a
/// number, and for any other name one with a free number is made, which the child writes into a file.
pub(super) struct Naming {
    /// The name when it is known before.
    pub known: Option<InterfaceName>,
    pub argument: String,
    /// `$WG_TUN_NAME_FILE`
    pub file: Option<PathBuf>,
}

impl Naming {
    #[cfg(target_os = "linux")]
    pub(super) fn of(name: &InterfaceName) -> Self {
        Self { known: Some(name.clone()), argument: name.as_str().to_owned(), file: None }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(name: &InterfaceName) -> Self {
        Self::of_utun(name)
    }

    #[cfg(any(not(target_os = "linux"), test))]
    fn of_utun(name: &InterfaceName) -> Self {
        if is_utun(name.as_str()) {
            return Self { known: Some(name.clone()), argument: name.as_str().to_owned(), file: None };
        }
        let file = std::path::Path::new(super::uapi::DIRECTORY).join(format!("{name}.name"));
        Self { known: None, argument: "utun".to_owned(), file: Some(file) }
    }

    /// The name, once it is known.
    pub(super) fn learn(&self) -> Option<InterfaceName> {
        let Some(file) = &self.file else { return self.known.clone() };
        let text = std::fs::read_to_string(file).ok()?;
        // Without its end the line may not be whole yet.
        let name = text.strip_suffix('\n')?;
        InterfaceName::parse(name).ok().filter(|name| is_utun(name.as_str()))
    }

    /// Removes the file, of this run or an earlier one.
    pub(super) fn forget(&self) {
        if let Some(file) = &self.file {
            let _absent = std::fs::remove_file(file);
        }
    }
}

/// `utun` and a number.
fn is_utun(name: &str) -> bool {
    let number = name.strip_prefix("utun");
    number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(target_os = "linux")]
pub(super) fn check_rights(name: &InterfaceName) -> Result<()> {
    match crate::os::process::has_capability("CAP_NET_ADMIN")? {
        true => Ok(()),
        false => Err(Error::from_errno(libc::EPERM, "open", name.as_str())),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn check_rights(name: &InterfaceName) -> Result<()> {
    // SAFETY: it has no preconditions.
    match unsafe { libc::geteuid() } {
        0 => Ok(()),
        _ => Err(Error::new("EPERM", "open", name.as_str(), "needs root")),
    }
}

#[cfg(target_os = "linux")]
pub(super) fn check_tun(name: &InterfaceName) -> Result<()> {
    const TUN: &str = "/dev/net/tun";
    match std::fs::metadata(TUN) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::from_io(&error, "open", format!("{TUN} for {name}"))),
    }
}

/// The kernel has utun built in.
#[cfg(not(target_os = "linux"))]
pub(super) fn check_tun(_name: &InterfaceName) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TemporaryFolder;

    #[test]
    fn a_utun_keeps_its_name_and_others_learn_theirs() {
        let name = |text| InterfaceName::parse(text).unwrap();
        let fixed = Naming::of_utun(&name("utun7"));
        assert_eq!((fixed.argument.as_str(), fixed.file.is_none()), ("utun7", true));
        assert_eq!(fixed.learn(), Some(name("utun7")));
        for any in ["wg0", "utun", "utun-1", "utunx"] {
            let naming = Naming::of_utun(&name(any));
            assert_eq!((naming.argument.as_str(), naming.known.is_none()), ("utun", true), "{any}");
            assert_eq!(naming.file.unwrap().to_str().unwrap(), format!("/var/run/wireguard/{any}.name"));
        }
    }

    #[test]
    fn a_name_counts_once_its_line_is_whole_and_is_a_utun() {
        let folder = TemporaryFolder::new();
        let file = folder.join("wg0.name");
        let naming = Naming { known: None, argument: "utun".to_owned(), file: Some(file.clone()) };
        assert_eq!(naming.learn(), None);
        for (text, learned) in
            [("utun", None), ("utun1", None), ("en0\n", None), ("utun12\n", Some("utun12"))]
        {
            std::fs::write(&file, text).unwrap();
            assert_eq!(naming.learn().map(|name| name.to_string()).as_deref(), learned, "{text:?}");
        }
        naming.forget();
        naming.forget();
        assert_eq!(naming.learn(), None);
    }

    #[test]
    fn on_this_system_the_name_is_the_one_asked_for() {
        let name = InterfaceName::parse("wg0").unwrap();
        let naming = Naming::of(&name);
        assert_eq!((naming.argument.as_str(), naming.learn()), ("wg0", Some(name)));
    }
}
