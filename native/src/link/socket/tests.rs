use std::os::fd::{FromRawFd, IntoRawFd};
use std::os::unix::net::UnixDatagram;
use std::thread::JoinHandle;

use super::*;
use crate::link::addresses;
use crate::link::network::Network;
use crate::testing::in_own_network;

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = NETLINK_HEADER_LEN + payload.len();
    let mut bytes = vec![0; length.next_multiple_of(4)];
    let mut header = NetlinkBuffer::new(&mut bytes[..]);
    header.set_length(length as u32);
    header.set_message_type(kind);
    header.set_flags(flags);
    header.set_sequence_number(sequence);
    bytes[NETLINK_HEADER_LEN..length].copy_from_slice(payload);
    bytes
}

#[test]
fn passes_over_answers_to_other_requests() {
    let datagram = [message(16, 0, 6, b"old"), message(16, 0, 7, b"new!")].concat();
    let kept: Vec<_> = Answers::new(&datagram, 7).map(|answer| answer.unwrap().payload().to_vec()).collect();
    assert_eq!(kept, [b"new!"]);
}

#[test]
fn a_cut_off_message_is_an_error_and_ends_the_datagram() {
    let whole = message(16, 0, 1, b"payload");
    let mut answers = Answers::new(&whole[..18], 1);
    assert_eq!(answers.next().unwrap().unwrap_err().errno, libc::EBADMSG);
    assert!(answers.next().is_none());
}

#[test]
fn reads_the_errno_and_the_kernels_words() {
    // NLMSG_ERROR, capped, with the text attribute, as `RTM_NEWLINK` for an unknown kind is answered.
    let mut payload = (-libc::EOPNOTSUPP).to_ne_bytes().to_vec();
    payload.extend(message(16, 0, 1, &[]));
    payload.extend([24, 0, 1, 0]);
    payload.extend(b"Unknown device type\0");
    let bytes = message(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, 1, &payload);
    let error = verdict(&NetlinkBuffer::new(&bytes[..])).unwrap_err();
    assert_eq!(error.errno, libc::EOPNOTSUPP);
    assert_eq!(error.words.as_deref(), Some("Unknown device type"));
    let text = error.because("create", "wg0").to_string();
    assert!(text.starts_with("EOPNOTSUPP: cannot create wg0: "), "{text}");
    assert!(text.ends_with("(Unknown device type)"), "{text}");
}

#[test]
fn success_is_an_error_of_zero_and_a_listing_may_end_in_an_error() {
    let success = message(NLMSG_ERROR, 0, 1, &0i32.to_ne_bytes());
    assert_eq!(verdict(&NetlinkBuffer::new(&success[..])), Ok(()));
    let ended = message(NLMSG_DONE, 0, 1, &(-libc::EINTR).to_ne_bytes());
    let error = verdict(&NetlinkBuffer::new(&ended[..])).unwrap_err();
    assert_eq!(error.errno, libc::EINTR);
}

/// One message of a scripted listing: its flags and payload.
type Said = (u16, &'static [u8]);

/// A socket whose other end answers each request by the next listing of the script, each message a datagram and NLMSG_DONE
/// last. Joined, the thread tells how many requests came.
fn scripted(listings: Vec<Vec<Said>>) -> (NetlinkSocket, JoinHandle<usize>) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    // SAFETY: the descriptor was given away by its owner.
    let socket = unsafe { Socket::from_raw_fd(ours.into_raw_fd()) };
    set_receive_timeout(&socket).unwrap();
    let kernel = std::thread::spawn(move || {
        let mut request = [0; 64];
        let mut answered = 0;
        for listing in listings {
            // No bytes: the other end is gone.
            let Ok(1..) = theirs.recv(&mut request) else { break };
            let sequence = u32::from_ne_bytes(request[8..12].try_into().unwrap());
            for (flags, payload) in listing {
                theirs.send(&message(16, flags, sequence, payload)).unwrap();
            }
            theirs.send(&message(NLMSG_DONE, 0, sequence, &0i32.to_ne_bytes())).unwrap();
            answered += 1;
        }
        answered
    });
    (NetlinkSocket { socket, sequence: 0, buffer: Wiped(vec![0; RECEIVE_BYTES]) }, kernel)
}

fn payloads(socket: &mut NetlinkSocket) -> Outcome<Vec<Vec<u8>>> {
    socket.dump(16, &[], |_, payload| Some(payload.to_vec()))
}

#[test]
fn a_listing_that_was_interrupted_is_read_again() {
    let interrupted = vec![(0, &b"old1"[..]), (NLM_F_DUMP_INTR, b"old2")];
    let whole = vec![(0, &b"new1"[..]), (0, b"new2")];
    let (mut socket, kernel) = scripted(vec![interrupted.clone(), interrupted, whole]);
    assert_eq!(payloads(&mut socket).unwrap(), [b"new1", b"new2"]);
    drop(socket);
    assert_eq!(kernel.join().unwrap(), 3);
}

#[test]
fn a_listing_that_is_always_interrupted_is_given_up() {
    let interrupted = vec![(NLM_F_DUMP_INTR, &b"old1"[..])];
    let (mut socket, kernel) = scripted(vec![interrupted; INTERRUPTED_RETRIES]);
    let error = payloads(&mut socket).unwrap_err();
    assert_eq!(error.errno, libc::EBUSY);
    assert!(error.words.unwrap().contains("kept changing"));
    drop(socket);
    assert_eq!(kernel.join().unwrap(), INTERRUPTED_RETRIES);
}

#[test]
fn what_a_listing_left_behind_is_not_taken_for_the_answer_to_the_next_request() {
    let (mut socket, kernel) = scripted(vec![vec![(0, b"left1"), (0, b"left2")], vec![(0, b"asked")]]);
    let mut first = Vec::new();
    let stop = &mut |_, payload: &[u8]| {
        first = payload.to_vec();
        ControlFlow::Break(())
    };
    socket.exchange(16, NLM_F_DUMP, &[], stop).unwrap();
    assert_eq!(first, b"left1");
    assert_eq!(payloads(&mut socket).unwrap(), [b"asked"]);
    drop(socket);
    kernel.join().unwrap();
}

/// The kernel itself: a socket has one listing at a time, which is why `dump_first` takes it.
#[test]
fn a_listing_that_was_left_makes_its_own_socket_busy_and_no_other() {
    in_own_network(
        "link::socket::tests::a_listing_that_was_left_makes_its_own_socket_busy_and_no_other",
        || {
            // So many addresses that their listing takes several datagrams.
            for number in 0..1_000u16 {
                let [high, low] = number.to_be_bytes();
                let network = Network::parse(&format!("10.2.{high}.{low}/32")).unwrap();
                addresses::add(1, "lo", network).unwrap();
            }
            const RTM_GETADDR: u16 = 22;
            let all = &[0; 8];
            let open = || NetlinkSocket::open(netlink_sys::protocols::NETLINK_ROUTE).unwrap();
            let mut left = open();
            left.exchange(RTM_GETADDR, NLM_F_DUMP, all, &mut |_, _| ControlFlow::Break(())).unwrap();
            let again = left.exchange(RTM_GETADDR, NLM_F_DUMP, all, &mut |_, _| ControlFlow::Continue(()));
            assert_eq!(again.err().map(|error| error.errno), Some(libc::EBUSY));
            assert_eq!(open().dump_first(RTM_GETADDR, all, |_, _| Some(())).unwrap(), Some(()));
            assert_eq!(addresses::list().unwrap().len(), 1_000);
        },
    );
}
