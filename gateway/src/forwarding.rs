//! What a call's packets are on their way into a room.

use sidetone_media::{ClockRate, Packet, Rewriter};
use sidetone_room::RtpOut;
use sidetone_service::random;

/// One outgoing stream, the same over every change of its source. It begins with numbers that
/// nobody can guess (RFC 3550, section 5.1).
pub(crate) struct Forwarding(Rewriter);

impl Forwarding {
    pub(crate) fn new(rate: ClockRate) -> Self {
        let draw = random::u64();
        Self(Rewriter::new(draw as u16, (draw >> 32) as u32, rate))
    }

    /// What is skipped before the next packet was left out on purpose and is no loss.
    pub(crate) fn resume(&mut self) {
        self.0.resume();
    }

    /// The packet as it leaves; `None` for one that is not to.
    pub(crate) fn rewrite(&mut self, packet: &Packet) -> Option<RtpOut> {
        let header = self.0.rewrite(packet)?;
        Some(RtpOut {
            seq: header.seq,
            timestamp: header.timestamp,
            marker: header.marker,
            level_dbov: packet.level_dbov,
            payload: packet.payload.clone(),
        })
    }
}
