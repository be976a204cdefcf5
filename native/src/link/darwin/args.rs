//! What `ifconfig` and `route` are told, one argument a word: no shell ever reads it.

use crate::link::network::Network;

pub const IFCONFIG: &str = "/sbin/ifconfig";
pub const ROUTE: &str = "/sbin/route";

/// A program, and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub program: &'static str,
    pub arguments: Vec<String>,
}

fn ifconfig(link: &str, rest: &[&str]) -> Call {
    Call { program: IFCONFIG, arguments: owned(&[&[link], rest].concat()) }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A utun link is point to point, so an IPv4 address needs one of the other end: its own, as for any tunnel with many peers.
pub fn add_address(link: &str, network: Network) -> Call {
    let (address, with_prefix) = (network.address.to_string(), network.to_string());
    if network.address.is_ipv4() {
        ifconfig(link, &["inet", &with_prefix, &address, "alias"])
    } else {
        ifconfig(link, &["inet6", &with_prefix, "alias"])
    }
}

pub fn delete_address(link: &str, network: Network) -> Call {
    let family = if network.address.is_ipv4() { "inet" } else { "inet6" };
    ifconfig(link, &[family, &network.address.to_string(), "-alias"])
}

pub fn set_up(link: &str) -> Call {
    ifconfig(link, &["up"])
}

pub fn set_down(link: &str) -> Call {
    ifconfig(link, &["down"])
}

/// Bytes.
pub fn set_mtu(link: &str, mtu: u16) -> Call {
    ifconfig(link, &["mtu", &mtu.to_string()])
}

/// For links that can be made and removed; a utun is gone with the process that holds it.
pub fn delete_link(link: &str) -> Call {
    ifconfig(link, &["destroy"])
}

/// `destination` without host bits.
pub fn add_route(destination: Network, link: &str) -> Call {
    route("add", destination, link)
}

pub fn delete_route(destination: Network, link: &str) -> Call {
    route("delete", destination, link)
}

/// `-q` and `-n`: no answer but errors, and no names asked of DNS.
fn route(verb: &str, destination: Network, link: &str) -> Call {
    let family = if destination.address.is_ipv4() { "-inet" } else { "-inet6" };
    let destination = destination.to_string();
    let words = ["-q", "-n", verb, family, &destination, "-interface", link];
    Call { program: ROUTE, arguments: owned(&words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(call: Call) -> String {
        format!("{} {}", call.program, call.arguments.join(" "))
    }

    fn network(text: &str) -> Network {
        Network::parse(text).unwrap()
    }

    #[test]
    fn addresses() {
        let (v4, v6) = (network("10.5.6.7/16"), network("fd00::7/64"));
        let expected = "/sbin/ifconfig utun4 inet 10.5.6.7/16 10.5.6.7 alias";
        assert_eq!(words(add_address("utun4", v4)), expected);
        assert_eq!(words(add_address("utun4", v6)), "/sbin/ifconfig utun4 inet6 fd00::7/64 alias");
        assert_eq!(words(delete_address("utun4", v4)), "/sbin/ifconfig utun4 inet 10.5.6.7 -alias");
        assert_eq!(words(delete_address("utun4", v6)), "/sbin/ifconfig utun4 inet6 fd00::7 -alias");
    }

    #[test]
    fn links() {
        assert_eq!(words(set_up("utun4")), "/sbin/ifconfig utun4 up");
        assert_eq!(words(set_down("utun4")), "/sbin/ifconfig utun4 down");
        assert_eq!(words(set_mtu("utun4", 1280)), "/sbin/ifconfig utun4 mtu 1280");
        assert_eq!(words(delete_link("bridge1")), "/sbin/ifconfig bridge1 destroy");
    }

    #[test]
    fn routes() {
        let expected = "/sbin/route -q -n add -inet 192.168.7.0/24 -interface utun4";
        assert_eq!(words(add_route(network("192.168.7.0/24"), "utun4")), expected);
        let expected = "/sbin/route -q -n delete -inet6 fd00:7::/48 -interface utun4";
        assert_eq!(words(delete_route(network("fd00:7::/48"), "utun4")), expected);
    }

    #[test]
    fn every_word_is_one_argument() {
        assert_eq!(add_route(network("10.0.0.0/8"), "utun4").arguments.len(), 7);
        assert_eq!(add_address("utun4", network("10.0.0.1/8")).arguments.len(), 5);
    }
}
