//! Links, addresses, routes, and their changes: over rtnetlink on Linux; on macOS read from the kernel, and changed by
//! `ifconfig` and `route`. The modules have the same functions on both.

#[cfg(target_os = "linux")]
pub mod addresses;
mod burst;
pub mod changes;
#[cfg(any(target_os = "macos", test))]
pub mod darwin;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod ip_text;
#[cfg(target_os = "linux")]
pub mod links;
#[cfg(target_os = "linux")]
pub mod lookup;
#[cfg(target_os = "linux")]
pub mod monitor;
pub mod name;
pub mod network;
pub mod objects;
#[cfg(target_os = "linux")]
pub mod routes;
#[cfg(target_os = "linux")]
mod rtnetlink;
#[cfg(target_os = "linux")]
pub mod rules;
#[cfg(target_os = "linux")]
pub mod socket;

#[cfg(target_os = "macos")]
pub use darwin::{addresses, links, lookup, monitor, routes};
#[cfg(target_os = "linux")]
use rtnetlink::{attributes, command, dump, emit, open};

/// Who made a route (RTPROT) unless its maker says otherwise: an unassigned number of linux/rtnetlink.h,
/// so that our routes are known as ours.
pub const ROUTE_PROTOCOL: u8 = 111;

/// The firewall mark of what wgmesh itself sends past a default route into its own tunnel, when there is such a route. Questions
/// about the way to an address carry it, since they are about the network under the tunnel. Below 0x4000, where others have theirs.
pub const UNDERLAY_MARK: u32 = 0x3111;
