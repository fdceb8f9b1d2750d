//! What we publish: tracks on their way through announcement, negotiation and packets.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use sidetone_media::Codec;
use str0m::change::SdpOffer;
use str0m::channel::{ChannelConfig, Reliability};
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::rtp::rtcp::Nack;
use str0m::rtp::{ExtensionValues, RtpWrite, Ssrc};

use crate::event::RtpOut;
use crate::model::{LocalTrack, PublishOptions};
use crate::peer::Peer;
use crate::sdp;

/// Packets of a track kept for resending: 1.3 s of 20 ms packets, longer than a receiver waits.
const RESEND_PACKETS: usize = 64;

/// Payload type of G.711 µ-law (RFC 3551 table 4).
const PCMU_PAYLOAD_TYPE: &str = "0";

enum State {
    /// AddTrack is sent.
    Announced,
    /// The server gave a sid; waits for the next offer.
    Queued,
    /// In the pending offer, or ended while it was.
    Offered(Mid),
    /// Takes packets.
    Live {
        mid: Mid,
        ssrc: Ssrc,
        payload_type: Pt,
    },
}

struct Sent {
    seq: u64,
    timestamp: u32,
    marker: bool,
    payload: Arc<[u8]>,
}

struct Track {
    options: PublishOptions,
    cid: String,
    sid: String,
    state: State,
    ended: bool,
    /// What is taken off sequence numbers so that the first of an SSRC is below 65,536.
    seq_base: Option<u64>,
    sent: VecDeque<Sent>,
}

/// The local tracks of one room.
#[derive(Default)]
pub(crate) struct Locals {
    tracks: BTreeMap<LocalTrack, Track>,
    by_ssrc: HashMap<u32, LocalTrack>,
    next: u32,
    stopping: Vec<Mid>,
    offered: Vec<LocalTrack>,
    pub(crate) restart_ice: bool,
    /// Something is to be negotiated that no track says, such as data channels.
    pub(crate) needed: bool,
    nack: bool,
    dirty: bool,
}

/// What the answer to an offer brought.
pub(crate) enum Negotiated {
    Published(LocalTrack, String),
    Failed(LocalTrack, String),
}

impl Locals {
    pub(crate) fn new(nack: bool) -> Self {
        Self {
            nack,
            ..Self::default()
        }
    }

    /// A new track, to be announced under the returned client id.
    pub(crate) fn add(&mut self, options: PublishOptions) -> LocalTrack {
        let track = LocalTrack(self.next);
        self.next += 1;
        let state = State::Announced;
        let (cid, sid) = (String::new(), String::new());
        let sent = VecDeque::new();
        let new = Track {
            options,
            cid,
            sid,
            state,
            ended: false,
            seq_base: None,
            sent,
        };
        self.tracks.insert(track, new);
        track
    }

    /// The AddTrack request of a track.
    pub(crate) fn announce(
        &mut self,
        track: LocalTrack,
    ) -> Option<livekit_protocol::AddTrackRequest> {
        use livekit_protocol::{AddTrackRequest, AudioTrackFeature, TrackType};
        let local = self.tracks.get_mut(&track)?;
        local.cid = format!("local-{}", track.0);
        local.state = State::Announced;
        let mut audio_features = Vec::new();
        if !local.options.dtx {
            audio_features.push(AudioTrackFeature::TfNoDtx as i32);
        }
        Some(AddTrackRequest {
            cid: local.cid.clone(),
            name: local.options.name.clone(),
            r#type: TrackType::Audio as i32,
            muted: local.options.muted,
            source: local.options.source.to_proto() as i32,
            disable_red: true,
            audio_features,
            ..Default::default()
        })
    }

    /// The session is new: every track is to be announced again.
    pub(crate) fn restart(&mut self) -> Vec<LocalTrack> {
        self.tracks.retain(|_, local| !local.ended);
        self.by_ssrc.clear();
        self.stopping.clear();
        self.offered.clear();
        for local in self.tracks.values_mut() {
            local.state = State::Announced;
            local.seq_base = None;
            local.sent.clear();
        }
        self.tracks.keys().copied().collect()
    }

    /// The server has given a sid to a client id.
    pub(crate) fn handle_announced(&mut self, cid: &str, sid: String) {
        if let Some(local) = self.tracks.values_mut().find(|local| local.cid == cid) {
            local.sid = sid;
            local.state = State::Queued;
        }
        self.tracks
            .retain(|_, local| !(local.ended && matches!(local.state, State::Queued)));
    }

    /// The server refuses to announce a track.
    pub(crate) fn refuse(&mut self, cid: &str) -> Option<LocalTrack> {
        let refused = self
            .tracks
            .iter()
            .find(|(_, local)| local.cid == cid)
            .map(|(t, _)| *t)?;
        self.tracks.remove(&refused);
        Some(refused)
    }

    /// Stops a track: it takes no packets from now on.
    pub(crate) fn end(&mut self, track: LocalTrack) {
        let Some(local) = self.tracks.get_mut(&track) else {
            return;
        };
        local.ended = true;
        match local.state {
            State::Live { mid, ssrc, .. } => {
                self.stopping.push(mid);
                self.by_ssrc.remove(&*ssrc);
                self.tracks.remove(&track);
            }
            State::Queued => {
                self.tracks.remove(&track);
            }
            State::Announced | State::Offered(_) => {} // ended when the server has answered
        }
    }

    pub(crate) fn sid(&self, track: LocalTrack) -> Option<&str> {
        self.tracks
            .get(&track)
            .map(|local| local.sid.as_str())
            .filter(|sid| !sid.is_empty())
    }

    pub(crate) fn by_sid(&self, sid: &str) -> Option<LocalTrack> {
        self.tracks
            .iter()
            .find(|(_, local)| local.sid == sid)
            .map(|(track, _)| *track)
    }

    pub(crate) fn set_muted(&mut self, track: LocalTrack, muted: bool) {
        if let Some(local) = self.tracks.get_mut(&track) {
            local.options.muted = muted;
        }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// What the server is told after a resume: client id and sid of every track.
    pub(crate) fn published(&self) -> impl Iterator<Item = (&str, &str)> {
        let known = self.tracks.values().filter(|local| !local.sid.is_empty());
        known.map(|local| (local.cid.as_str(), local.sid.as_str()))
    }

    /// An offer with everything that waits, unless one is pending already or nothing waits.
    pub(crate) fn offer(&mut self, peer: &mut Peer) -> Option<String> {
        if peer.pending.is_some() {
            return None;
        }
        let queued: Vec<LocalTrack> = self
            .tracks
            .iter()
            .filter(|(_, local)| matches!(local.state, State::Queued))
            .map(|(track, _)| *track)
            .collect();
        if queued.is_empty() && self.stopping.is_empty() && !self.restart_ice && !self.needed {
            return None;
        }
        let mut changes = peer.rtc.sdp_api();
        if peer.offer_id == 0 {
            // An application section that never goes away: the bundle is never empty when every
            // track has stopped (an answer without a bundle is an error), and it carries our data.
            changes.add_channel_with_config(ChannelConfig {
                label: "_lossy".to_owned(),
                ordered: false,
                reliability: Reliability::MaxRetransmits { retransmits: 0 },
                ..Default::default()
            });
            changes.add_channel_with_config(ChannelConfig {
                label: "_reliable".to_owned(),
                ..Default::default()
            });
        }
        let mut pcmu = Vec::new();
        for track in queued {
            let local = self.tracks.get_mut(&track).expect("just listed");
            // the track id is what the server matches with the announcement
            let stream = Some("sidetone".to_owned());
            let cid = Some(local.cid.clone());
            let mid = changes.add_media(MediaKind::Audio, Direction::SendOnly, stream, cid, None);
            local.state = State::Offered(mid);
            self.offered.push(track);
            if local.options.codec == Codec::Pcmu {
                pcmu.push(mid.to_string());
            }
        }
        for mid in self.stopping.drain(..) {
            changes.stop_media(mid);
        }
        if std::mem::take(&mut self.restart_ice) {
            changes.ice_restart(true);
        }
        self.needed = false;
        let (offer, pending) = changes.apply()?;
        peer.pending = Some(pending);
        peer.offer_id += 1;
        let text = self.offer_text(&offer, &pcmu);
        peer.last_local = Some(text.clone());
        Some(text)
    }

    fn offer_text(&self, offer: &SdpOffer, pcmu: &[String]) -> String {
        let mut text = offer.to_sdp_string();
        for mid in pcmu {
            text = sdp::offer_single_codec(&text, mid, PCMU_PAYLOAD_TYPE);
        }
        if self.nack {
            sdp::offer_with_nack(&text)
        } else {
            text
        }
    }

    /// The answer was taken: offered tracks are live, or failed.
    pub(crate) fn handle_answered(&mut self, peer: &mut Peer) -> Vec<Negotiated> {
        let mut done = Vec::new();
        for track in std::mem::take(&mut self.offered) {
            let Some(local) = self.tracks.get_mut(&track) else {
                continue;
            };
            let State::Offered(mid) = local.state else {
                continue;
            };
            if local.ended {
                self.stopping.push(mid);
                self.tracks.remove(&track);
                continue;
            }
            let payload_type = peer
                .rtc
                .media(mid)
                .and_then(|m| m.remote_pts().first().copied());
            // by section: the SSRC is only known from there
            let mut direct = peer.rtc.direct_api();
            let stream = direct.stream_tx_by_mid(mid, None);
            let (Some(payload_type), Some(stream)) = (payload_type, stream) else {
                let reason = "the server's answer has no codec for it".to_owned();
                self.tracks.remove(&track);
                done.push(Negotiated::Failed(track, reason));
                continue;
            };
            // nothing is resent over RTX: keep no packets in the core
            stream.set_rtx_cache(0, std::time::Duration::ZERO, None);
            let ssrc = stream.ssrc();
            local.state = State::Live {
                mid,
                ssrc,
                payload_type,
            };
            self.by_ssrc.insert(*ssrc, track);
            done.push(Negotiated::Published(track, local.sid.clone()));
        }
        done
    }

    /// Hands a packet to the core; it leaves with the next [`Locals::take_dirty`]. `false` if the
    /// track takes none (not published yet, or ended).
    pub(crate) fn write(
        &mut self,
        peer: &mut Peer,
        track: LocalTrack,
        packet: RtpOut,
        now: Instant,
    ) -> bool {
        let Some(local) = self.tracks.get_mut(&track) else {
            return false;
        };
        let State::Live {
            ssrc, payload_type, ..
        } = local.state
        else {
            return false;
        };
        let base = *local.seq_base.get_or_insert(packet.seq & !0xffff);
        let Some(seq) = packet.seq.checked_sub(base) else {
            return false;
        };
        let mut direct = peer.rtc.direct_api();
        let Some(stream) = direct.stream_tx(&ssrc) else {
            return false;
        };
        if self.nack {
            if local.sent.len() >= RESEND_PACKETS {
                local.sent.pop_front();
            }
            local.sent.push_back(Sent {
                seq,
                timestamp: packet.timestamp,
                marker: packet.marker,
                payload: packet.payload.clone(),
            });
        }
        let level = packet
            .level_dbov
            .map(|level| -i8::try_from(level.min(127)).unwrap_or(127));
        let extensions = ExtensionValues {
            audio_level: level,
            voice_activity: level.map(|level| level > -50),
            ..Default::default()
        };
        stream.write_rtp(
            RtpWrite::new(
                payload_type,
                seq.into(),
                packet.timestamp,
                now,
                packet.payload,
            )
            .marker(packet.marker)
            .ext_vals(extensions),
        );
        self.dirty = true;
        true
    }

    /// Whether packets were written since it was last asked.
    pub(crate) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// Sends again what a receiver misses: the core resends only over RTX, which audio has not.
    pub(crate) fn handle_nack(&mut self, peer: &mut Peer, nack: &Nack, now: Instant) {
        let Some(local) = self
            .by_ssrc
            .get(&*nack.ssrc)
            .and_then(|t| self.tracks.get(t))
        else {
            return;
        };
        let State::Live {
            ssrc, payload_type, ..
        } = local.state
        else {
            return;
        };
        for entry in nack.reports.iter() {
            for seq in lost_sequence_numbers(entry.pid, entry.blp) {
                let Some(sent) = local.sent.iter().rfind(|s| s.seq as u16 == seq) else {
                    continue;
                };
                let mut direct = peer.rtc.direct_api();
                let Some(stream) = direct.stream_tx(&ssrc) else {
                    return;
                };
                stream.write_rtp(
                    RtpWrite::new(
                        payload_type,
                        sent.seq.into(),
                        sent.timestamp,
                        now,
                        sent.payload.clone(),
                    )
                    .marker(sent.marker),
                );
                metrics::counter!("room_resent_packets_total").increment(1);
                self.dirty = true;
            }
        }
    }
}

/// The sequence numbers that a NACK names (RFC 4585 section 6.2.1).
fn lost_sequence_numbers(pid: u16, blp: u16) -> impl Iterator<Item = u16> {
    let following = (0..16).filter(move |bit| blp >> bit & 1 == 1);
    std::iter::once(pid).chain(following.map(move |bit| pid.wrapping_add(bit + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nack_names_a_packet_and_those_after_it() {
        let lost: Vec<u16> = lost_sequence_numbers(65_534, 0b1000_0000_0000_0011).collect();
        assert_eq!(lost, [65_534, 65_535, 0, 14]);
    }

    #[test]
    fn a_track_that_ends_before_it_is_announced_is_not_offered() {
        let mut locals = Locals::new(true);
        let track = locals.add(PublishOptions::opus("a"));
        let request = locals.announce(track).expect("known");
        locals.end(track);
        locals.handle_announced(&request.cid, "TR_1".into());
        assert!(locals.is_empty());
    }

    #[test]
    fn a_new_session_announces_every_track_again() {
        let mut locals = Locals::new(true);
        let (a, b) = (
            locals.add(PublishOptions::opus("a")),
            locals.add(PublishOptions::pcmu("b")),
        );
        locals.end(a);
        assert_eq!(locals.restart(), [b]);
        let request = locals.announce(b).expect("known");
        assert!(!request.audio_features.is_empty() && request.disable_red);
    }
}
