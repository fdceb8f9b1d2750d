//! What we hear: which of the server's streams is which track.

use std::collections::{BTreeSet, HashMap};

use sidetone_media::Codec;
use str0m::media::Mid;
use str0m::rtp::RtpPacket;

use crate::event::{Event, RtpIn};
use crate::peer::Peer;
use crate::sdp;

/// The subscriptions of one session.
#[derive(Default)]
pub(crate) struct Remotes {
    wanted: BTreeSet<String>,
    /// Section → number.
    sections: HashMap<Mid, u32>,
    /// Number → track sid, of sections that send.
    tracks: HashMap<u32, String>,
    /// SSRC → number; forgotten with every description.
    streams: Vec<(u32, u32)>,
    next: u32,
    nack: bool,
}

impl Remotes {
    pub(crate) fn new(nack: bool, first_number: u32) -> Self {
        Self {
            nack,
            next: first_number,
            ..Self::default()
        }
    }

    pub(crate) fn next_number(&self) -> u32 {
        self.next
    }

    pub(crate) fn want(&mut self, sid: &str, wanted: bool) {
        if wanted {
            self.wanted.insert(sid.to_owned());
        } else {
            self.wanted.remove(sid);
        }
    }

    pub(crate) fn wanted(&self) -> impl Iterator<Item = &String> {
        self.wanted.iter()
    }

    /// An offer of the server: which tracks begin and which end.
    pub(crate) fn handle_offer(&mut self, offer: &str, out: &mut impl Extend<Event>) {
        let now = sdp::msids(offer);
        self.streams.clear();
        self.sections.clear();
        self.tracks.retain(|track, sid| {
            let stays = now.iter().any(|section| section.track == *sid);
            if !stays {
                out.extend([Event::Unsubscribed {
                    track: *track,
                    sid: sid.clone(),
                }]);
            }
            stays
        });
        for section in now {
            let known = self.tracks.iter().find(|(_, sid)| **sid == section.track);
            let track = if let Some((track, _)) = known {
                *track
            } else {
                let track = self.next;
                self.next += 1;
                self.tracks.insert(track, section.track.clone());
                out.extend([Event::Subscribed {
                    track,
                    sid: section.track,
                }]);
                track
            };
            self.sections.insert(section.mid.as_str().into(), track);
        }
    }

    /// A packet of the server; `None` if nobody said which track it is of.
    pub(crate) fn handle_packet(&mut self, peer: &mut Peer, packet: RtpPacket) -> Option<RtpIn> {
        let ssrc = *packet.header.ssrc;
        let track = match self.streams.iter().find(|(known, _)| *known == ssrc) {
            Some((_, track)) => *track,
            None => self.new_stream(peer, &packet)?,
        };
        let level = packet.header.ext_vals.audio_level;
        Some(RtpIn {
            track,
            ssrc,
            seq: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            level_dbov: level.map(i8::unsigned_abs),
            codec: codec_of(*packet.header.payload_type),
            payload: packet.payload,
            arrived: packet.timestamp,
        })
    }

    fn new_stream(&mut self, peer: &mut Peer, packet: &RtpPacket) -> Option<u32> {
        let mut direct = peer.rtc.direct_api();
        let stream = direct.stream_rx(&packet.header.ssrc)?;
        if self.nack {
            // the core asks for lost packets only where RTX was negotiated
            stream.suppress_nack(false);
        }
        let track = *self.sections.get(&stream.mid())?;
        self.streams.push((*packet.header.ssrc, track));
        Some(track)
    }
}

/// Payload types 0 and 8 are static (RFC 3551 table 4); the only dynamic one we accept is Opus.
fn codec_of(payload_type: u8) -> Codec {
    match payload_type {
        0 => Codec::Pcmu,
        8 => Codec::Pcma,
        _ => Codec::Opus,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(tracks: &[(&str, &str)]) -> String {
        let section = |(mid, track): &(&str, &str)| {
            format!(
                "m=audio 9 X 111\r\na=mid:{mid}\r\na=msid:PA_a|{track} {track}\r\na=sendrecv\r\n"
            )
        };
        format!("v=0\r\n{}", tracks.iter().map(section).collect::<String>())
    }

    fn words(remotes: &mut Remotes, offer: &str) -> Vec<String> {
        let mut out = Vec::new();
        remotes.handle_offer(offer, &mut out);
        out.iter()
            .map(|event| match event {
                Event::Subscribed { track, sid } => format!("+{track} {sid}"),
                Event::Unsubscribed { track, sid } => format!("-{track} {sid}"),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_section_used_again_is_a_new_track_with_a_new_number() {
        let mut remotes = Remotes::new(true, 0);
        assert_eq!(
            words(&mut remotes, &offer(&[("1", "TR_a"), ("2", "TR_b")])),
            ["+0 TR_a", "+1 TR_b"]
        );
        assert!(words(&mut remotes, &offer(&[("1", "TR_a"), ("2", "TR_b")])).is_empty());
        assert_eq!(
            words(&mut remotes, &offer(&[("1", "TR_c"), ("2", "TR_b")])),
            ["-0 TR_a", "+2 TR_c"]
        );
        assert_eq!(words(&mut remotes, "v=0\r\n").len(), 2);
    }
}
