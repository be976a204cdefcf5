//! What tests share: the vectors, arbitrary bytes, a folder of their own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// One entry of a section of `vectors.json`.
pub struct Entry(Value);

impl Entry {
    pub fn text(&self, name: &str) -> &str {
        self.0.pointer(&pointer(name)).and_then(Value::as_str).unwrap_or_else(|| panic!("no text {name}"))
    }

    pub fn number(&self, name: &str) -> i64 {
        self.0.pointer(&pointer(name)).and_then(Value::as_i64).unwrap_or_else(|| panic!("no number {name}"))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0.pointer(&pointer(name)).and_then(Value::as_bool).unwrap_or_else(|| panic!("no flag {name}"))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.pointer(&pointer(name)).is_some()
    }
}

/// `a.b` means member `b` of member `a`.
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('.', "/"))
}

/// The entries of a section of the vectors, never none.
pub fn section(name: &str) -> Vec<Entry> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../__test__/vectors/vectors.json");
    let text = std::fs::read_to_string(path).expect("the vectors are part of the repository");
    let Value::Array(entries) = serde_json::from_str::<Value>(&text).expect("JSON")[name].take() else {
        panic!("no section {name}")
    };
    assert!(!entries.is_empty());
    entries.into_iter().map(Entry).collect()
}

/// Up to `max` bytes that depend on `seed` alone, so that a failure can be seen again.
pub fn pseudo_random_bytes(seed: u64, max: usize) -> Vec<u8> {
    let length = splitmix64(&mut seed.wrapping_neg()) as usize % (max + 1);
    random_bytes(seed, length)
}

/// Exactly `length` bytes that depend on `seed` alone.
pub fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    // Streams of neighbouring seeds must not overlap: they would be each other shifted by one.
    let mut state = seed.wrapping_mul(0xd134_2543_de82_ef95);
    (0..length).map(|_| splitmix64(&mut state) as u8).collect()
}

/// Sebastiano Vigna's public-domain generator.
fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A folder of one test, removed with all it holds when dropped.
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("wgmesh-test-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a new folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the body of the test with that full name in a network namespace of its own: the test's binary is started once more in it,
/// for that test alone. Other users than root get a user namespace as well.
pub fn in_own_network(test: &str, body: impl FnOnce()) {
    const INSIDE: &str = "WGMESH_TEST_IN_OWN_NETWORK";
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    // SAFETY: geteuid takes nothing and cannot fail.
    let user: &[&str] = if unsafe { libc::geteuid() } == 0 { &[] } else { &["--map-root-user"] };
    let binary = std::env::current_exe().expect("a test has a binary");
    let mut command = std::process::Command::new("unshare");
    command.arg("--net").args(user).arg(binary).args([test, "--exact", "--nocapture"]).env(INSIDE, "1");
    let output = command.output().expect("unshare is part of util-linux");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{test} is not the name of the test: {text}");
}
