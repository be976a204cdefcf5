use super::*;
use crate::wireguard::embedded::test_random::Random;

const KEY: &str = "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33";
const PEER: &str = "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376";

fn set(text: &str) -> SetRequest {
    match parse(text) {
        Ok(Request::Set(set)) => set,
        Ok(Request::Get) => panic!("a get"),
        Err(refusal) => panic!("{refusal:?}"),
    }
}

fn refusal(text: &str) -> Option<i32> {
    parse(text).err().map(|refusal| refusal.0)
}

/// The example of the protocol's page, shortened, with what wg(8) has added since.
#[test]
fn a_whole_set_operation() {
    let text = format!(
        "set=1\nprivate_key={KEY}\nfwmark=0\nlisten_port=12912\nreplace_peers=true\npublic_key={PEER}\n\
         preshared_key={KEY}\nendpoint=[abcd:23::33]:51820\nreplace_allowed_ips=true\nallowed_ip=192.168.4.4/24\n\
         allowed_ip=-10.0.0.0/8\npersistent_keepalive_interval=111\nprotocol_version=1\npublic_key={KEY}\nremove=true\n\
         public_key={PEER}\nupdate_only=true\n"
    );
    let set = set(&text);
    assert_eq!((set.listen_port, set.fwmark, set.replace_peers), (Some(12912), Some(0), true));
    assert_eq!(set.private_key.map(|key| key.0[0]), Some(0xb8));
    let [first, second, third] = &set.peers[..] else { panic!("three peers") };
    let settings = &first.settings;
    assert_eq!(settings.public_key.0[..3], [0x58, 0x40, 0x2e]);
    assert_eq!(settings.endpoint, Some("[abcd:23::33]:51820".parse().expect("address")));
    assert_eq!(settings.allowed_ips, Some(vec![]));
    assert_eq!(settings.add_allowed_ips, [network("192.168.4.0/24").expect("a network")]);
    assert_eq!(first.remove_allowed_ips, [network("10.0.0.0/8").expect("a network")]);
    assert_eq!(settings.keepalive_seconds, Some(111));
    assert!(second.remove && !first.remove);
    assert!(third.settings.update_only && third.settings.allowed_ips.is_none());
}

#[test]
fn a_get_operation_has_one_line() {
    assert!(matches!(parse("get=1\n"), Ok(Request::Get)));
    assert_eq!(refusal("get=1\nfoo=bar\n"), Some(libc::EPROTO));
    for text in ["", "get=2", "hello", "set"] {
        assert_eq!(refusal(text), Some(libc::EPROTO), "{text:?}");
    }
}

#[test]
fn bad_lines_are_refused() {
    let peer = format!("public_key={PEER}\n");
    for line in [
        "private_key=1234",
        "private_key=zz5996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33",
        "listen_port=65536",
        "listen_port=-1",
        "listen_port=+5",
        "fwmark=4294967296",
        "replace_peers=yes",
        "unknown=1",
        "allowed_ip=10.0.0.0/8",
    ] {
        assert_eq!(refusal(&format!("set=1\n{line}\n")), Some(libc::EINVAL), "{line}");
    }
    for line in [
        "endpoint=example.org:1",
        "endpoint=1.2.3.4",
        "allowed_ip=10.0.0.0/33",
        "allowed_ip=::/129",
        "allowed_ip=10.0.0.0",
        "persistent_keepalive_interval=65536",
        "listen_port=1",
        "preshared_key=",
    ] {
        assert_eq!(refusal(&format!("set=1\n{peer}{line}\n")), Some(libc::EINVAL), "{line}");
    }
    assert_eq!(refusal(&format!("set=1\n{peer}protocol_version=2\n")), Some(libc::EPROTO));
    assert_eq!(refusal("set=1\nno equals sign\n"), Some(libc::EPROTO));
}

#[test]
fn no_text_panics() {
    let words = [
        "set=1",
        "get=1",
        "public_key=",
        "private_key=",
        KEY,
        PEER,
        "\n",
        "=",
        "endpoint=",
        "1.2.3.4:5",
        "allowed_ip=",
        "-",
        "10.0.0.0/8",
        "::/0",
        "/",
        "true",
        "99999999999999999999",
        "ü",
        "\0",
        "remove=",
        "replace_allowed_ips=",
    ];
    let mut random = Random::new(2);
    for _ in 0..50_000 {
        let text: String = (0..random.below(24)).map(|_| words[random.below(words.len())]).collect();
        let _any_answer = parse(&text);
        let _any_answer = parse(&format!("set=1\n{text}"));
    }
}
