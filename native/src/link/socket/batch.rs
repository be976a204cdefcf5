//! Several messages as one, all of which count or none (nfnetlink's transactions).

use std::ops::ControlFlow;

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkBuffer};

use super::{End, NETLINK_HEADER_LEN, NetlinkSocket, Outcome, Progress, read_datagram, retry};

/// One of a batch.
pub struct Message {
    pub kind: u16,
    pub flags: u16,
    pub body: Vec<u8>,
}

impl NetlinkSocket {
    /// Sends the messages between `begin` and `end`. The first error of any of them is the answer; use no socket again that gave
    /// one, since others may follow.
    pub fn batch(&mut self, begin: &Message, messages: &[Message], end: &Message) -> Outcome<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        let last = messages.len().saturating_sub(1);
        // One sequence number for all: whichever is refused, it is this batch.
        self.append(&mut bytes, begin, 0);
        for (index, message) in messages.iter().enumerate() {
            self.append(&mut bytes, message, if index == last { NLM_F_ACK } else { 0 });
        }
        self.append(&mut bytes, end, 0);
        retry(|| self.socket.send(&bytes, 0))?;
        loop {
            let length = self.receive()?;
            let datagram = &self.buffer.0[..length];
            let ignore = &mut |_, _: &[u8]| ControlFlow::Continue(());
            if read_datagram(datagram, self.sequence, &mut End::Complete, ignore)? == Progress::Over {
                return Ok(());
            }
        }
    }

    fn append(&self, bytes: &mut Vec<u8>, Message { kind, flags, body }: &Message, more: u16) {
        let start = bytes.len();
        bytes.resize(start + NETLINK_HEADER_LEN, 0);
        let mut header = NetlinkBuffer::new(&mut bytes[start..]);
        header.set_length((NETLINK_HEADER_LEN + body.len()) as u32);
        header.set_message_type(*kind);
        header.set_flags(flags | more | NLM_F_REQUEST);
        header.set_sequence_number(self.sequence);
        bytes.extend_from_slice(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
}
