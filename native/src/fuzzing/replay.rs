//! Feeds every committed input to its target.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use super::{TARGETS, Target};

/// All inputs together; a larger corpus is to be minimised, see docs/fuzzing.md.
const MAX_TOTAL_BYTES: usize = 1 << 20;
/// Fewer inputs than this reach little: a corpus that was lost must not pass.
const MIN_INPUTS: usize = 20;

const NONE: [PathBuf; 0] = [];

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind)
}

/// The inputs below `native/fuzz/<kind>/<target>`, in order of their names.
fn inputs(kind: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder(kind).join(target)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
}

fn target(name: &str) -> Target {
    TARGETS.iter().find(|(known, _)| *known == name).expect("a target").1
}

/// Feeds the inputs; the files whose inputs broke a promise.
fn broken(target: Target, inputs: &[(PathBuf, Vec<u8>)]) -> Vec<PathBuf> {
    let breaks = |bytes: &[u8]| catch_unwind(|| target(bytes)).is_err();
    inputs.iter().filter(|(_, bytes)| breaks(bytes)).map(|(path, _)| path.clone()).collect()
}

fn replay(name: &str) {
    let corpus = inputs("corpus", name);
    assert!(corpus.len() >= MIN_INPUTS, "{name} has only {} inputs", corpus.len());
    let all = [corpus, inputs("regressions", name)].concat();
    assert_eq!(broken(target(name), &all), NONE);
}

#[test]
fn every_input_of_changes_keeps_its_promises() {
    replay("changes");
}

#[test]
fn every_input_of_frames_keeps_its_promises() {
    replay("frames");
}

#[test]
fn every_input_of_identity_keeps_its_promises() {
    replay("identity");
}

#[test]
fn every_input_of_netlink_keeps_its_promises() {
    replay("netlink");
}

#[test]
fn every_input_of_packets_keeps_its_promises() {
    replay("packets");
}

#[test]
fn every_input_of_uapi_keeps_its_promises() {
    replay("uapi");
}

/// What keeps its promises whole keeps them cut, and with one byte changed: other inputs than the committed ones, the same
/// in every run.
#[test]
fn inputs_a_little_changed_keep_their_promises() {
    for (name, target) in TARGETS {
        let changed: Vec<_> = inputs("corpus", name)
            .into_iter()
            .filter(|(_, bytes)| !bytes.is_empty())
            .flat_map(|(path, bytes)| {
                let middle = bytes.len() / 2;
                let mut other = bytes.clone();
                other[middle] = other[middle].wrapping_add(1);
                [(path.clone(), bytes[..middle].to_vec()), (path, other)]
            })
            .collect();
        assert_eq!(broken(target, &changed), NONE, "{name}");
    }
}

#[test]
fn a_broken_promise_is_seen() {
    let input = (PathBuf::from("planted"), b"x".to_vec());
    assert_eq!(broken(|bytes| assert!(bytes.is_empty()), std::slice::from_ref(&input)), [input.0]);
}

#[test]
fn the_folders_are_those_of_the_targets_and_small() {
    let mut total = 0;
    for kind in ["corpus", "regressions"] {
        for entry in fs::read_dir(folder(kind)).expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            assert!(TARGETS.iter().any(|(known, _)| *known == name), "nothing replays {kind}/{name}");
            total += inputs(kind, &name).iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        }
    }
    assert!(total <= MAX_TOTAL_BYTES, "{total} bytes");
}

#[test]
fn every_target_has_a_binary() {
    for (name, _) in TARGETS {
        let text = fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).expect(name);
        assert!(text.contains(&format!("fuzzing::{name}(")), "{name}.rs runs another target");
    }
}
