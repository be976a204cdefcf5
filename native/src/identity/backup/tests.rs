use super::*;
use crate::identity::state_file::NodeState;
use crate::testing::TemporaryFolder;
use std::os::unix::fs::PermissionsExt as _;

fn state(folder: &TemporaryFolder) -> (std::path::PathBuf, String) {
    let path = folder.join("wg0.json");
    let mut node = NodeState::load(&path).unwrap();
    node.save("10.1.2.3", Some("fd00::1")).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

fn backup_of(folder: &TemporaryFolder) -> Backup {
    let mut backup = Backup::new("{\"interface\":\"wg0\"}").unwrap();
    assert!(backup.add_identity(&state(folder).0).unwrap());
    backup.add_text("peers", "{\"peers\":null}\n").unwrap();
    backup.add_text("reload", "log-level=debug\n").unwrap();
    backup
}

#[test]
fn what_was_written_is_read_again_sealed_or_not() {
    let folder = TemporaryFolder::new();
    let backup = backup_of(&folder);
    let state_text = std::fs::read_to_string(folder.join("wg0.json")).unwrap();
    let password = Password::new(b"pass phrase").unwrap();
    for sealed_with in [None, Some(&password)] {
        let path = folder.join("backup.json");
        backup.write(&path, sealed_with).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(sealed(&path).unwrap(), sealed_with.is_some());
        let again = Backup::read(&path, sealed_with).unwrap();
        assert_eq!(again.parts(), ["identity", "peers", "reload"]);
        assert_eq!(again.text("peers").unwrap().unwrap(), "{\"peers\":null}");
        assert_eq!(again.text("reload").unwrap().unwrap(), "log-level=debug\n");
        assert_eq!(again.text("other").unwrap(), None);
        assert!(again.facts().unwrap().contains("\"interface\": \"wg0\""));
        assert_eq!(again.identity().unwrap().unwrap().mesh_ipv4.unwrap(), "10.1.2.3");
        let copy = folder.join("copy.json");
        again.write_identity(&copy).unwrap();
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), state_text);
        assert_eq!(again.write_identity(&copy).unwrap_err().code, "STATE_WRITE");
        std::fs::remove_file(&copy).unwrap();
    }
}

#[test]
fn a_sealed_one_shows_nothing_and_needs_its_password() {
    let folder = TemporaryFolder::new();
    let path = folder.join("sealed");
    backup_of(&folder).write(&path, Some(&Password::new(b"right").unwrap())).unwrap();
    assert!(!std::fs::read_to_string(&path).unwrap().contains("wg0"));
    assert_eq!(Backup::read(&path, None).err().unwrap().code, "BACKUP_SEALED");
    let wrong = Password::new(b"wrong").unwrap();
    assert_eq!(Backup::read(&path, Some(&wrong)).err().unwrap().code, "BACKUP_PASSWORD");
}

#[test]
fn the_key_is_never_a_text() {
    let folder = TemporaryFolder::new();
    let mut backup = backup_of(&folder);
    assert_eq!(backup.text("identity").err().unwrap().code, "EINVAL");
    assert_eq!(backup.add_text("identity", "{}").err().unwrap().code, "EINVAL");
}

#[test]
fn an_open_backup_that_others_can_reach_is_refused_and_a_sealed_one_is_not() {
    let folder = TemporaryFolder::new();
    let path = folder.join("backup.json");
    let password = Password::new(b"right").unwrap();
    for (sealed_with, code) in [(None, Some("STATE_PERMISSIONS")), (Some(&password), None)] {
        backup_of(&folder).write(&path, sealed_with).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(Backup::read(&path, sealed_with).err().map(|error| error.code), code.map(str::to_owned));
    }
}

#[test]
fn damage_is_named_and_shows_nothing_of_the_key() {
    let folder = TemporaryFolder::new();
    let path = folder.join("backup.json");
    backup_of(&folder).write(&path, None).unwrap();
    let good = std::fs::read_to_string(&path).unwrap();
    let key = good.split("wg_private_key\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for (from, to, code) in [
        ("wgmesh-backup", "other", "BACKUP_DAMAGED"),
        ("\"version\": 1", "\"version\": 2", "BACKUP_VERSION"),
        ("\"version\": 1", "\"version\": \"1\"", "BACKUP_DAMAGED"),
        ("\"parts\"", "\"bits\"", "BACKUP_DAMAGED"),
        (key.as_str(), "AAAA", "BACKUP_DAMAGED"),
        ("}", "", "BACKUP_DAMAGED"),
    ] {
        std::fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let error = Backup::read(&path, None).err().unwrap();
        assert_eq!(error.code, code, "{from}");
        assert!(!error.to_string().contains(&key));
    }
}
