use super::*;
use crate::identity::keys::PresharedKey;

const HEX: &str = "0101010101010101010101010101010101010101010101010101010101010101";

fn network(text: &str) -> AllowedIp {
    let Network { address, prefix } = Network::parse(text).unwrap();
    AllowedIp { address, prefix }
}

fn settings() -> PeerSettings {
    PeerSettings::new(PublicKey([1; 32]))
}

#[test]
fn requests_end_with_an_empty_line() {
    assert_eq!(*get(), "get=1\n\n");
    assert_eq!(*set_port(51820), "set=1\nlisten_port=51820\n\n");
    assert_eq!(*remove_all_peers(), "set=1\nreplace_peers=true\n\n");
    assert_eq!(*set_key_and_mark(&PrivateKey([1; 32]), 7), format!("set=1\nprivate_key={HEX}\nfwmark=7\n\n"));
}

#[test]
fn a_peer_with_everything() {
    let whole = PeerSettings {
        reset: true,
        preshared_key: Some(PresharedKey([1; 32])),
        endpoint: Some("[2001:db8::1]:5".parse().unwrap()),
        allowed_ips: Some(vec![network("10.0.0.1/32")]),
        add_allowed_ips: vec![network("fd00::/64")],
        keepalive_seconds: Some(25),
        ..settings()
    };
    let expected = format!(
        "set=1\npublic_key={HEX}\nremove=true\npublic_key={HEX}\npreshared_key={HEX}\nendpoint=[2001:db8::1]:5\n\
         persistent_keepalive_interval=25\nreplace_allowed_ips=true\nallowed_ip=10.0.0.1/32\nallowed_ip=fd00::/64\n\n"
    );
    assert_eq!(*set_peers([Step::Set(whole)].iter()), expected);
}

#[test]
fn what_is_not_named_is_not_said() {
    let update = PeerSettings { update_only: true, ..settings() };
    assert_eq!(
        *set_peers([Step::Set(update)].iter()),
        format!("set=1\npublic_key={HEX}\nupdate_only=true\n\n")
    );
}

#[test]
fn networks_are_taken_away_by_a_peer_that_exists_in_one_request_only() {
    let holder = PublicKey([0xab; 32]);
    let steps = [
        Step::Remove(PublicKey([1; 32])),
        Step::Evict { holder, stale: vec![(PublicKey([1; 32]), network("10.0.0.0/8"))] },
    ];
    let held = "ab".repeat(32);
    let expected = format!(
        "set=1\npublic_key={HEX}\nremove=true\npublic_key={held}\nallowed_ip=10.0.0.0/8\npublic_key={held}\n\
         remove=true\n\n"
    );
    assert_eq!(*set_peers(steps.iter()), expected);
    assert_eq!(concerned(&steps[1]), [PublicKey([1; 32])]);
}

#[test]
fn a_long_list_never_grows_the_text() {
    let many = (0..5000u32).map(|n| AllowedIp { address: std::net::Ipv4Addr::from(n).into(), prefix: 32 });
    let long = u128::MAX;
    let widest = AllowedIp { address: std::net::Ipv6Addr::from(long).into(), prefix: 128 };
    let steps = [Step::Set(PeerSettings {
        reset: true,
        update_only: true,
        preshared_key: Some(PresharedKey([1; 32])),
        endpoint: Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535".parse().unwrap()),
        keepalive_seconds: Some(u16::MAX),
        allowed_ips: Some(many.collect()),
        add_allowed_ips: vec![widest; 1000],
        ..settings()
    })];
    let room = 64 + steps.iter().map(room).sum::<usize>();
    assert!(set_peers(steps.iter()).len() <= room);
}

#[test]
fn reads_an_answer() {
    let key = PrivateKey([7; 32]);
    let answer = format!(
        "private_key={}\nlisten_port=12912\nfwmark=1\npublic_key={HEX}\npreshared_key={HEX}\nprotocol_version=1\n\
         endpoint=192.0.2.1:51820\nlast_handshake_time_sec=1700000000\nlast_handshake_time_nsec=123456789\n\
         tx_bytes=38333\nrx_bytes=2224\npersistent_keepalive_interval=25\nallowed_ip=10.0.0.0/8\nallowed_ip=fd00::1/128\n\
         public_key={HEX}\npreshared_key={}\nlast_handshake_time_sec=0\nlast_handshake_time_nsec=0\nendpoint=[fe80::1%eth0]:1\n\
         something_new=x\nerrno=0\n\n",
        "07".repeat(32),
        "0".repeat(64),
    );
    let state = state(&answer).unwrap();
    assert_eq!(state.public_key, Some(key.public_key()));
    assert_eq!((state.listen_port, state.fwmark), (12912, 1));
    let [first, second] = &state.peers[..] else { panic!("two peers") };
    assert_eq!(first.last_handshake_ms, 1_700_000_000_123);
    assert_eq!((first.rx_bytes, first.tx_bytes, first.keepalive_seconds), (2224, 38333, 25));
    assert_eq!(first.endpoint, Some("192.0.2.1:51820".parse().unwrap()));
    assert_eq!(first.allowed_ips, [network("10.0.0.0/8"), network("fd00::1/128")]);
    assert!(first.has_preshared_key() && !second.has_preshared_key());
    assert_eq!((second.last_handshake_ms, second.endpoint), (0, None));
    assert_eq!(errno(&answer), Some(0));
}

#[test]
fn an_answer_without_a_key_has_none() {
    assert_eq!(state("errno=0\n\n").unwrap().public_key, None);
    let zeros = format!("private_key={}\nerrno=0\n\n", "0".repeat(64));
    assert_eq!(state(&zeros).unwrap().public_key, None);
}

#[test]
fn a_bad_answer_is_an_error_that_shows_no_value() {
    for text in ["private_key=secret", "listen_port=-1", "nonsense", "public_key=zz", "fwmark=0x1"] {
        let error = state(text).unwrap_err();
        assert_eq!(error.code, "EPROTO", "{text}");
        assert!(!error.to_string().contains("secret") && !error.to_string().contains("zz"), "{error}");
    }
    let peer = format!("public_key={HEX}\n");
    for line in ["allowed_ip=10.0.0.0", "rx_bytes=x", "persistent_keepalive_interval=65536"] {
        assert_eq!(state(&format!("{peer}{line}\n")).unwrap_err().code, "EPROTO", "{line}");
    }
}

#[test]
fn the_errno_is_told_as_a_positive_number() {
    assert_eq!(errno("errno=-98\n\n"), Some(98));
    assert_eq!(errno("listen_port=1\n\n"), None);
    assert_eq!(errno("errno=x\n\n"), None);
}

#[test]
fn an_answer_comes_in_pieces() {
    let mut answer = Answer::new();
    let mut piece = vec![b'x'; 10_000];
    for _ in 0..10 {
        answer.push(&mut piece);
        assert_eq!(piece[0], 0, "what was read is wiped");
        piece.fill(b'x');
    }
    assert!(!answer.is_whole());
    answer.push(&mut b"\n\n".to_vec());
    assert!(answer.is_whole());
    assert_eq!((answer.len(), answer.text().unwrap().len()), (100_002, 100_002));
}
