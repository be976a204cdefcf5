//! The part of the identity fuzz target that reads state files.

use super::Content;

/// The longest reason for a refusal: names of members, a place in the text, and nothing else of it.
const LONGEST_REASON: usize = 80;

/// Any bytes are refused or read. What was read is written and read as the same again.
pub fn state_file(json: &[u8]) {
    let before = match Content::parse(json) {
        Ok(content) => content,
        Err(reason) => return assert!(reason.len() <= LONGEST_REASON, "a reason tells too much: {reason}"),
    };
    let written = before.members.to_json();
    let Ok(after) = Content::parse(&written) else { panic!("what was written cannot be read") };
    assert_eq!(before.private_key.0, after.private_key.0);
    assert_eq!(before.public_key, after.public_key);
    assert_eq!((before.mesh_ipv4, before.mesh_ipv6), (after.mesh_ipv4, after.mesh_ipv6));
    assert_eq!(after.members.to_json(), written);
}
