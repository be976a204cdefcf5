//! IP addresses out of their text, by the rules of the standard library and several times as fast: it tries an IPv4 address at
//! every group of an IPv6 one. With thousands of networks reading them took longer than setting them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Strict: no zone, no leading zeros in IPv4.
pub fn parse(text: &str) -> Option<IpAddr> {
    let bytes = text.as_bytes();
    match (bytes.contains(&b':'), bytes.contains(&b'.')) {
        // An IPv6 address that ends in an IPv4 one: rare.
        (true, true) => text.parse().ok(),
        (true, false) => ipv6(bytes).map(IpAddr::V6),
        _ => ipv4(bytes).map(IpAddr::V4),
    }
}

fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split(|byte| *byte == b'.');
    for octet in &mut octets {
        let part = parts.next()?;
        let leading_zero = part.len() > 1 && part[0] == b'0';
        if part.is_empty() || part.len() > 3 || leading_zero {
            return None;
        }
        let digits = part.iter().try_fold(0u32, |number, byte| {
            byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
        });
        *octet = u8::try_from(digits?).ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let mut segments = [0u16; 8];
    let mut count = 0;
    // How many groups stand before "::".
    let mut gap = None;
    let mut rest = text;
    if let Some(after) = rest.strip_prefix(b"::") {
        (gap, rest) = (Some(0), after);
    }
    while !rest.is_empty() {
        let (group, after) = group(rest)?;
        *segments.get_mut(count)? = group;
        count += 1;
        rest = match after {
            [] => after,
            [b':', b':', after @ ..] if gap.is_none() => {
                gap = Some(count);
                after
            }
            [b':', after @ ..] if !after.is_empty() => after,
            _ => return None,
        };
    }
    match gap {
        None if count < 8 => return None,
        // It stands for one group at least.
        Some(_) if count > 7 => return None,
        Some(gap) => {
            segments.copy_within(gap..count, 8 - (count - gap));
            segments[gap..8 - (count - gap)].fill(0);
        }
        None => {}
    }
    Some(Ipv6Addr::from(segments))
}

/// One to four hexadecimal digits, and what follows them.
fn group(text: &[u8]) -> Option<(u16, &[u8])> {
    let length = text.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(length).filter(|_| (1..=4).contains(&length))?;
    let value = digits.iter().fold(0u16, |value, digit| value << 4 | nibble(*digit));
    Some((value, rest))
}

fn nibble(digit: u8) -> u16 {
    match digit {
        b'0'..=b'9' => u16::from(digit - b'0'),
        _ => u16::from((digit | 0x20) - b'a') + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random_bytes;

    fn assert_as_the_standard_library(text: &str) {
        assert_eq!(parse(text), text.parse().ok(), "{text:?}");
    }

    #[test]
    fn every_address_is_read_as_the_standard_library_reads_it() {
        for seed in 0..2_000u64 {
            let mut bytes: [u8; 16] = random_bytes(seed, 16).try_into().unwrap();
            // Zeros in some of the groups, each pattern of them.
            for group in (0..8).filter(|group| seed >> group & 1 == 1) {
                bytes[2 * group..2 * group + 2].fill(0);
            }
            assert_as_the_standard_library(&IpAddr::from(bytes).to_string());
            assert_as_the_standard_library(&IpAddr::from(bytes).to_string().to_uppercase());
            let [a, b, c, d, ..] = bytes;
            assert_as_the_standard_library(&IpAddr::from([a, b, c, d]).to_string());
        }
    }

    #[test]
    fn texts_that_are_nearly_addresses_are_judged_as_the_standard_library_does() {
        let parts =
            ["", ":", "::", ".", "1", "0", "00", "255", "256", "1234", "abcd", "G", "12345", "%1", " "];
        for seed in 0..40_000u64 {
            let picked = random_bytes(seed, 18);
            let length = usize::from(picked[0]) % 17;
            let part = |byte: &u8| parts[usize::from(*byte) % parts.len()];
            assert_as_the_standard_library(&picked[1..=length].iter().map(part).collect::<String>());
            // The same with separators between, so that many are addresses.
            for separator in [":", "."] {
                let joined: Vec<_> = picked[1..=length.min(9)].iter().map(part).collect();
                assert_as_the_standard_library(&joined.join(separator));
            }
        }
    }

    #[test]
    fn groups_before_and_behind_the_gap() {
        let all = ["1", "2", "3", "4", "5", "6", "7", "8"];
        for before in 0..=8 {
            for behind in 0..=8 - before {
                let text = format!("{}::{}", all[..before].join(":"), all[..behind].join(":"));
                assert_as_the_standard_library(&text);
            }
        }
        for text in
            ["1.2.3.4", "::ffff:1.2.3.4", "1.2.3", "1.2.3.4.5", "1:2:3:4:5:6:7:8:9", ":1", "1:", ":::"]
        {
            assert_as_the_standard_library(text);
        }
    }
}
