//! Set operations, carried out.

use super::Subject;
use super::parse::{PeerRequest, Refusal, SetRequest};
use crate::identity::keys::PublicKey;
use crate::wireguard::device::{DeviceEvent, PeerChange};

/// Changes named in an event; further ones are counted.
const NAMED_CHANGES: usize = 8;

/// Carries a set operation out and tells what changed. What came before a part that is refused stays, as in the kernel.
pub(super) fn apply(subject: &impl Subject, set: SetRequest) -> Result<(), Refusal> {
    let mut changed = Vec::new();
    let result = apply_parts(subject, set, &mut changed);
    if !changed.is_empty() {
        let more = changed.len().saturating_sub(NAMED_CHANGES);
        changed.truncate(NAMED_CHANGES);
        let mut what = changed.join(", ");
        if more > 0 {
            what.push_str(&format!(" and {more} more"));
        }
        subject.emit(DeviceEvent::ForeignChange(what));
    }
    result
}

fn apply_parts(subject: &impl Subject, set: SetRequest, changed: &mut Vec<String>) -> Result<(), Refusal> {
    if let Some(port) = set.listen_port {
        subject.set_port(port).map_err(|_| Refusal(libc::EADDRINUSE))?;
        changed.push(format!("listen port set to {}", subject.port()));
    }
    if let Some(fwmark) = set.fwmark {
        subject.set_fwmark(fwmark).map_err(|_| Refusal(libc::EPERM))?;
        changed.push(format!("fwmark set to {fwmark:#x}"));
    }
    if let Some(key) = set.private_key {
        // All zeros is the protocol's way to say "none".
        let key = Some(&key).filter(|key| key.0 != [0; 32]);
        subject.set_private_key(key);
        changed.push(if key.is_some() { "private key set" } else { "private key removed" }.to_owned());
    }
    if set.replace_peers {
        subject.clear();
        changed.push("all peers removed".to_owned());
    }
    for peer in set.peers {
        apply_peer(subject, peer, changed)?;
    }
    Ok(())
}

fn apply_peer(subject: &impl Subject, peer: PeerRequest, changed: &mut Vec<String>) -> Result<(), Refusal> {
    let key = peer.settings.public_key;
    let (change, verb) = if peer.remove {
        (PeerChange::Remove(key), "removed")
    } else {
        (PeerChange::Set(peer.settings), "set")
    };
    if !subject.apply(vec![change]).is_empty() {
        return Err(Refusal(libc::EINVAL));
    }
    if !peer.remove_allowed_ips.is_empty() {
        subject.disallow(&key, &peer.remove_allowed_ips);
    }
    changed.push(format!("peer {} {verb}", shortened(&key)));
    Ok(())
}

fn shortened(key: &PublicKey) -> String {
    key.text().chars().take(8).chain(['…']).collect()
}
