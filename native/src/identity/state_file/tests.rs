use super::*;
use crate::testing::{TemporaryFolder, pseudo_random_bytes, section};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

fn write(path: &Path, mode: u32, content: &[u8]) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn error_of(path: &Path) -> Error {
    match NodeState::load(path) {
        Ok(_) => panic!("{} was accepted", path.display()),
        Err(error) => error,
    }
}

/// A folder with a saved identity in it.
fn saved() -> (TemporaryFolder, PathBuf, NodeState) {
    let folder = TemporaryFolder::new();
    let path = folder.join("wg0.json");
    let mut state = NodeState::load(&path).unwrap();
    assert!(state.created() && !path.exists());
    state.save("10.8.1.2", Some("fd00::1")).unwrap();
    (folder, path, state)
}

#[test]
fn the_identity_is_the_same_after_a_restart() {
    let (_folder, path, state) = saved();
    let again = NodeState::load(&path).unwrap();
    assert!(!again.created());
    assert_eq!(again.public_key(), state.public_key());
    assert_eq!(again.private_key().0, state.private_key().0);
    assert_eq!((again.mesh_ipv4(), again.mesh_ipv6()), (Some("10.8.1.2"), Some("fd00::1")));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
}

/// The vectors' keys are no pairs, so this compares the form: their text with our keys in it.
#[test]
fn the_text_is_the_go_peers() {
    let mut seen = 0;
    for entry in section("files") {
        if !entry.has("text") || !entry.text("what").contains("local state file") {
            continue;
        }
        let folder = TemporaryFolder::new();
        let path = folder.join("wg0.json");
        let mut state = NodeState::load(&path).unwrap();
        let text = entry
            .text("text")
            .replace("OdniKxrphR8sIfb3Etz0wWEH+hvOW24PDb5sbQ96NcA=", &state.public_key().text())
            .replace("QjsOBFQNGVnBe/pXVW5+DRIoLmgY7d1EXeocY/1k1xg=", &state.private_key().text());
        if entry.text("text").contains("mesh_ip") {
            state.save("10.1.2.3", Some("fd00::1")).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        } else {
            write(&path, 0o600, text.as_bytes());
            let old = NodeState::load(&path).unwrap();
            assert_eq!((old.mesh_ipv4(), old.mesh_ipv6()), (None, None));
            assert_eq!(old.public_key(), state.public_key());
        }
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn saving_the_same_again_does_not_touch_the_file() {
    let (_folder, path, mut state) = saved();
    let before = fs::metadata(&path).unwrap();
    state.save("10.8.1.2", Some("fd00::1")).unwrap();
    NodeState::load(&path).unwrap().save("10.8.1.2", Some("fd00::1")).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
    state.save("10.8.1.3", None).unwrap();
    let again = NodeState::load(&path).unwrap();
    assert_eq!((again.mesh_ipv4(), again.mesh_ipv6()), (Some("10.8.1.3"), None));
}

#[test]
fn unknown_members_are_kept_also_those_added_later() {
    let (_folder, path, mut state) = saved();
    let with =
        |member: &str| fs::read_to_string(&path).unwrap().replacen("{\n", &format!("{{\n  {member},\n"), 1);
    write(&path, 0o600, with(r#""future": {"a": [1.50, 1e400]}"#).as_bytes());
    state.save("10.8.9.9", Some("fd00::1")).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\n  \"future\": {\"a\": [1.50, 1e400]},\n  \"wg_pubkey\""), "{text}");
    assert!(text.contains("10.8.9.9"));
}

#[test]
fn damage_is_told_and_never_replaced() {
    let (_folder, path, state) = saved();
    let good = fs::read_to_string(&path).unwrap();
    let other = PrivateKey::generate().unwrap();
    let damaged = [
        String::new(),
        "[]".to_owned(),
        "null".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}x"),
        good.replace("wg_pubkey", "wg_pubkez"),
        good.replace("wg_private_key", "x"),
        good.replace(&*state.private_key().text(), &other.text()),
        good.replace(&*state.private_key().text(), "c2hvcnQ="),
        good.replace(&format!("\"{}\"", *state.private_key().text()), "7"),
        good.replace("10.8.1.2", "10.8.1.256"),
        good.replace("10.8.1.2", "10.8.1.2/16"),
        good.replace("fd00::1", "10.8.1.2"),
        " ".repeat(private_file::MAX_BYTES + 1),
    ];
    for text in damaged {
        write(&path, 0o600, text.as_bytes());
        let error = error_of(&path);
        assert_eq!(error.code, "STATE_DAMAGED", "{error}");
        let shown = error.to_string();
        assert!(shown.contains("wg0.json"), "{shown}");
        assert!(!shown.contains(&*state.private_key().text()) && !shown.contains(&*other.text()), "{shown}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn only_a_private_regular_file_is_read() {
    let (folder, path, _state) = saved();
    for mode in [0o640, 0o604, 0o601, 0o700, 0o666, 0o4600] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = error_of(&path);
        assert_eq!(error.code, "STATE_PERMISSIONS", "{mode:o}");
        assert!(error.reason.contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(NodeState::load(&path).is_ok());

    let link = folder.join("link.json");
    symlink(&path, &link).unwrap();
    assert_eq!(error_of(&link).code, "STATE_PERMISSIONS");
    assert_eq!(error_of(folder.path()).code, "STATE_PERMISSIONS");
    let pipe = folder.join("pipe.json");
    let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
    // SAFETY: a valid path.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    assert_eq!(error_of(&pipe).code, "STATE_PERMISSIONS", "and does not wait for a writer");
    assert_eq!(error_of(&path.join("below")).code, "STATE_UNREADABLE");
}

#[test]
fn what_a_killed_process_left_does_not_count() {
    let (folder, path, mut state) = saved();
    let temporary = private_file::temporary_path(&path);
    write(&temporary, 0o600, b"{\"wg_pub");
    assert_eq!(NodeState::load(&path).unwrap().public_key(), state.public_key());
    state.save("10.8.1.3", None).unwrap();
    assert!(!temporary.exists());

    // The same before the file was ever complete: a new identity, since the old one was never used.
    let first = folder.join("wg1.json");
    write(&private_file::temporary_path(&first), 0o600, b"{\"wg_pub");
    let mut state = NodeState::load(&first).unwrap();
    assert!(state.created());
    state.save("10.8.1.3", None).unwrap();
}

#[test]
fn a_link_in_place_of_the_temporary_file_is_not_followed() {
    let (folder, path, mut state) = saved();
    let victim = folder.join("victim");
    write(&victim, 0o644, b"untouched");
    symlink(&victim, private_file::temporary_path(&path)).unwrap();
    state.save("10.8.1.3", None).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
}

#[test]
fn a_save_that_fails_says_so_and_leaves_the_file() {
    let (_folder, path, mut state) = saved();
    let before = fs::read(&path).unwrap();
    fs::create_dir(private_file::temporary_path(&path)).unwrap();
    let error = state.save("10.8.1.3", None).unwrap_err();
    assert_eq!(error.code, "STATE_WRITE", "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(state.mesh_ipv4(), Some("10.8.1.2"));
    fs::remove_dir(private_file::temporary_path(&path)).unwrap();
    state.save("10.8.1.3", None).unwrap();

    assert_eq!(state.save("10.8.1", None).unwrap_err().code, "EINVAL");
    assert_eq!(state.save("10.8.1.3", Some("10.8.1.3")).unwrap_err().code, "EINVAL");

    let mut homeless = NodeState::load(Path::new("/nonexistent/wg0.json")).unwrap();
    assert_eq!(homeless.save("10.8.1.3", None).unwrap_err().code, "STATE_WRITE");
}

#[test]
fn another_identity_is_never_written_over() {
    let (_folder, path, mut state) = saved();
    fs::remove_file(&path).unwrap();
    let mut other = NodeState::load(&path).unwrap();
    other.save("10.8.4.4", None).unwrap();
    assert_eq!(state.save("10.8.1.3", None).unwrap_err().code, "STATE_WRITE");
    write(&path, 0o600, b"{");
    assert_eq!(state.save("10.8.1.3", None).unwrap_err().code, "STATE_DAMAGED");
    fs::remove_file(&path).unwrap();
    state.save("10.8.1.3", None).unwrap();
    assert_eq!(NodeState::load(&path).unwrap().public_key(), state.public_key());
}

#[test]
fn any_bytes_parse_or_fail() {
    let (_folder, path, _state) = saved();
    let good = fs::read(&path).unwrap();
    for seed in 0..5_000 {
        let noise = pseudo_random_bytes(seed, 60);
        let _ = Content::parse(&noise);
        // Good text with a few bytes changed comes further.
        let mut changed = good.clone();
        for pair in noise.chunks_exact(2).take(3) {
            let place = usize::from(pair[0]) % changed.len();
            changed[place] = pair[1];
        }
        let _ = Content::parse(&changed);
    }
}
