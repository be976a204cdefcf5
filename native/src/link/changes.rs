//! What changed, and how long changes are gathered.

use std::time::Duration;

/// How long changes are gathered before they are told: bringing a link up makes about ten messages within a few ms.
pub const DEBOUNCE: Duration = Duration::from_millis(20);

/// Which kinds of objects changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    pub link: bool,
    pub address: bool,
    pub route: bool,
}

impl Changes {
    pub const NONE: Self = Self { link: false, address: false, route: false };
    /// What is said when messages were lost: anything may have changed.
    pub const ALL: Self = Self { link: true, address: true, route: true };

    pub fn names(self) -> Vec<&'static str> {
        let all = [(self.link, "link"), (self.address, "address"), (self.route, "route")];
        let set = all.into_iter().filter(|(changed, _)| *changed);
        set.map(|(_, name)| name).collect()
    }
}
