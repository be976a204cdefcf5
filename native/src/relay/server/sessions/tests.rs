use super::*;
use crate::relay::frame;

const A: Token = [1; 8];
const B: Token = [2; 8];
const GENEROUS: Limits = Limits { bytes_per_second: 1_000_000_000, packets_per_second: 1_000_000 };
const IDLE: Duration = Duration::from_secs(120);

fn at(text: &str) -> Endpoint {
    Endpoint::told(text.parse().unwrap())
}

struct World {
    sessions: Sessions,
    now: Instant,
    cookies: u8,
}

impl World {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        Self { sessions: Sessions::new(limits, 3, IDLE, now), now, cookies: 0 }
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    fn send(&mut self, bytes: &[u8], from: Endpoint) -> Verdict {
        let frame = frame::read(bytes).expect("a frame");
        let cookies = &mut self.cookies;
        self.sessions.accept(&frame, from, self.now, || {
            *cookies += 1;
            [*cookies; 8]
        })
    }

    fn data(&mut self, token: Token, from: Endpoint) -> Verdict {
        self.send(&[&frame::header(Kind::Data, token)[..], &[7; 100]].concat(), from)
    }

    fn hello(&mut self, token: Token, from: Endpoint) -> Verdict {
        self.send(&control(Kind::Hello, token, [0; 8]), from)
    }

    /// Hello, challenge, answer.
    fn connect(&mut self, token: Token, from: Endpoint) {
        let Verdict::Reply(challenge) = self.hello(token, from) else { panic!("no challenge") };
        let challenge = frame::read(&challenge).unwrap();
        assert_eq!((challenge.kind, challenge.token), (Kind::Challenge, token));
        let answer = control(Kind::Answer, token, challenge.cookie());
        assert_eq!(self.send(&answer, from), alive(token));
    }
}

fn alive(token: Token) -> Verdict {
    Verdict::Reply(control(Kind::Alive, token, [0; 8]))
}

fn pair(limits: Limits) -> (World, Endpoint, Endpoint) {
    let mut world = World::new(GENEROUS);
    world.sessions.add([A, B], limits, world.now).unwrap();
    let (a, b) = (at("192.0.2.1:1000"), at("[2001:db8::2]:2000"));
    world.connect(A, a);
    world.connect(B, b);
    (world, a, b)
}

#[test]
fn frames_go_to_the_other_end_with_its_token() {
    let (mut world, a, b) = pair(GENEROUS);
    assert_eq!(world.data(A, a), Verdict::Forward { to: b, token: B });
    assert_eq!(world.data(B, b), Verdict::Forward { to: a, token: A });
    let state = &world.sessions.states(world.now)[0];
    assert_eq!((state.packets, state.bytes, state.dropped, state.connected), (2, 224, 0, [true, true]));
}

#[test]
fn without_a_token_that_is_known_there_is_nothing() {
    let (mut world, a, _) = pair(GENEROUS);
    for token in [[0; 8], [3; 8]] {
        assert_eq!(world.data(token, a), Verdict::Drop);
        assert_eq!(world.hello(token, a), Verdict::Drop);
        assert_eq!(world.send(&control(Kind::Answer, token, [1; 8]), a), Verdict::Drop);
    }
    assert_eq!(world.sessions.strangers, 6);
}

#[test]
fn an_end_that_moved_is_heard_at_once_and_followed_once_it_proved_to_be_there() {
    let (mut world, a, b) = pair(GENEROUS);
    let moved = at("198.51.100.9:5");
    world.pass(60);
    let Verdict::ForwardAndReply { to, token, reply } = world.data(A, moved) else { panic!("not forwarded") };
    assert_eq!((to, token), (b, B));
    // Until then what is for it goes where it was.
    assert_eq!(world.data(B, b), Verdict::Forward { to: a, token: A });
    let cookie = frame::read(&reply).unwrap().cookie();
    assert_eq!(world.send(&control(Kind::Answer, A, [99; 8]), moved), Verdict::Drop);
    assert_eq!(world.send(&control(Kind::Answer, A, cookie), at("198.51.100.9:6")), Verdict::Drop);
    assert_eq!(world.data(B, b), Verdict::Forward { to: a, token: A });
    assert_eq!(world.send(&control(Kind::Answer, A, cookie), moved), alive(A));
    assert_eq!(world.data(B, b), Verdict::Forward { to: moved, token: A });
    // The cookie is used up.
    assert_eq!(world.send(&control(Kind::Answer, A, cookie), moved), Verdict::Drop);
}

#[test]
fn somebody_elses_address_gets_no_more_than_was_sent_in_its_name() {
    let (mut world, _, b) = pair(GENEROUS);
    let victim = at("203.0.113.7:53");
    let (mut sent, mut received) = (0, 0);
    for step in 0..1000 {
        world.pass(1);
        let verdict = if step % 2 == 0 { world.hello(A, victim) } else { world.data(A, victim) };
        sent += if step % 2 == 0 { CONTROL } else { HEADER + 100 };
        if let Verdict::Reply(reply) | Verdict::ForwardAndReply { reply, .. } = verdict {
            received += reply.len();
        }
        let Verdict::Forward { to, .. } = world.data(B, b) else { panic!("the other end is there") };
        assert_ne!(to, victim);
    }
    assert!(received > 0 && received <= sent / 20, "{received} of {sent}");
    // A frame that is shorter than a challenge gets none.
    world.pass(60);
    let short = [&frame::header(Kind::Data, A)[..], &[7; 7]].concat();
    assert_eq!(world.send(&short, victim), Verdict::Forward { to: b, token: B });
}

#[test]
fn before_the_other_end_is_there_nothing_is_kept() {
    let mut world = World::new(GENEROUS);
    world.sessions.add([A, B], GENEROUS, world.now).unwrap();
    let a = at("192.0.2.1:1000");
    assert!(matches!(world.data(A, a), Verdict::Reply(_)));
    assert_eq!(world.data(A, a), Verdict::Drop);
    assert_eq!(world.sessions.states(world.now)[0].dropped, 2);
}

#[test]
fn a_session_gets_its_rate_and_no_more_and_leaves_the_others_theirs() {
    let limits = Limits { bytes_per_second: 112_000, packets_per_second: 1_000_000 };
    let (mut world, a, b) = pair(limits);
    world.sessions.add([[5; 8], [6; 8]], GENEROUS, world.now).unwrap();
    let (c, d) = (at("192.0.2.5:5"), at("192.0.2.6:6"));
    world.connect([5; 8], c);
    world.connect([6; 8], d);
    let mut forwarded = 0u64;
    for _ in 0..10_000 {
        world.pass(1);
        for _ in 0..5 {
            forwarded += u64::from(world.data(A, a) == Verdict::Forward { to: b, token: B });
        }
        assert_eq!(world.data([5; 8], c), Verdict::Forward { to: d, token: [6; 8] });
    }
    // 1,000 a second for ten seconds, and the burst at the beginning.
    let burst = MIN_BURST_BYTES / 112;
    assert!((10_000..=10_010 + burst).contains(&forwarded), "{forwarded}");
    assert_eq!(world.sessions.dropped_packets, 50_000 - forwarded);
}

#[test]
fn a_rate_that_is_set_counts_for_the_sessions_that_are_there() {
    let (mut world, a, b) = pair(GENEROUS);
    world.sessions.set_byte_rates(1_000_000_000, 112_000, world.now);
    let mut forwarded = 0u64;
    for _ in 0..10_000 {
        world.pass(1);
        for _ in 0..5 {
            forwarded += u64::from(world.data(A, a) == Verdict::Forward { to: b, token: B });
        }
    }
    let burst = MIN_BURST_BYTES / 112;
    assert!((10_000..=10_010 + burst).contains(&forwarded), "{forwarded}");
}

#[test]
fn all_sessions_together_get_the_overall_rate() {
    let mut world = World::new(Limits { bytes_per_second: 1_000_000_000, packets_per_second: 1000 });
    let mut forwarded = 0;
    let ends = [(A, B), ([5; 8], [6; 8])].map(|(first, second)| {
        world.sessions.add([first, second], GENEROUS, world.now).unwrap();
        let [from, to] = [first, second].map(|token| {
            let end = at(&format!("192.0.2.{}:9", token[0]));
            world.connect(token, end);
            end
        });
        (first, from, to)
    });
    for _ in 0..5000 {
        world.pass(1);
        for (token, from, to) in ends {
            let verdict = world.data(token, from);
            forwarded += u64::from(matches!(verdict, Verdict::Forward { to: there, .. } if there == to));
        }
    }
    assert!((4900..=5000 + MIN_BURST_PACKETS).contains(&forwarded), "{forwarded}");
}

#[test]
fn sessions_end_when_nobody_uses_them_and_their_number_is_bounded() {
    let (mut world, a, _) = pair(GENEROUS);
    let add = |world: &mut World, tokens| world.sessions.add(tokens, GENEROUS, world.now);
    assert_eq!(add(&mut world, [A, [9; 8]]), Err(Refusal::TokenInUse));
    assert_eq!(add(&mut world, [[9; 8], [9; 8]]), Err(Refusal::TokenInUse));
    assert_eq!(add(&mut world, [[3; 8], [4; 8]]), Ok(2));
    assert_eq!(add(&mut world, [[5; 8], [6; 8]]), Ok(3));
    assert_eq!(add(&mut world, [[7; 8], [8; 8]]), Err(Refusal::Full));
    world.pass(119_999);
    // Strangers and the other sessions keep nothing alive.
    world.hello(A, a);
    world.data([9; 8], a);
    world.sessions.expire(world.now);
    assert_eq!(world.sessions.states(world.now).len(), 3);
    world.pass(1);
    world.sessions.expire(world.now);
    assert_eq!(world.sessions.states(world.now).iter().map(|state| state.id).collect::<Vec<_>>(), [1]);
    assert!(world.sessions.remove(1) && !world.sessions.remove(1));
    assert_eq!(world.data(A, a), Verdict::Drop);
    assert!(world.sessions.ends.is_empty());
    assert_eq!(add(&mut world, [A, B]), Ok(4));
}
