//! The peer connections: datagrams in, packets and data out.

use std::task::{Context, Poll};
use std::time::Instant;

use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use str0m::channel::ChannelId;
use str0m::rtp::RawPacket;
use str0m::rtp::rtcp::Rtcp;
use tracing::debug;

use super::link::Link;
use super::session::Channel;
use super::{DATA_BACKLOG, Room};
use crate::clock;
use crate::data::Handled;
use crate::event::Event;
use crate::local::Negotiated;
use crate::peer::{PeerError, Role};

const ROLES: [Role; 2] = [Role::Subscriber, Role::Publisher];

impl Room {
    /// Reads what has come, one datagram of each connection; `true` if there was any.
    pub(super) fn poll_media(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        for role in ROLES {
            let Some(peer) = self.session.peer(role) else {
                continue;
            };
            match peer.poll_recv(cx, clock::now) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => {
                    any = true;
                    self.drain(role);
                }
                Poll::Ready(Err(error)) => {
                    self.peer_failed(role, &error);
                    return true;
                }
            }
        }
        any
    }

    pub(super) fn handle_peer_timeouts(&mut self, now: Instant) {
        for role in ROLES {
            let Some(peer) = self.session.peer(role) else {
                continue;
            };
            if peer.timeout() > now {
                continue;
            }
            match peer.handle_timeout(now) {
                Ok(()) => self.drain(role),
                Err(error) => self.peer_failed(role, &error),
            }
        }
    }

    /// Sends what was written to the publishing connection.
    pub(super) fn drive_publisher(&mut self) {
        let Some(peer) = self.session.publisher.as_mut() else {
            return;
        };
        match peer.handle_timeout(clock::now()) {
            Ok(()) => self.drain(Role::Publisher),
            Err(error) => self.peer_failed(Role::Publisher, &error),
        }
    }

    /// Takes every output of a connection.
    pub(super) fn drain(&mut self, role: Role) {
        loop {
            let Some(peer) = self.session.peer(role) else {
                return;
            };
            match peer.poll_output() {
                Ok(None) => return,
                Ok(Some(event)) => self.handle_peer_event(role, event),
                Err(error) => return self.peer_failed(role, &error),
            }
        }
    }

    fn handle_peer_event(&mut self, role: Role, event: str0m::Event) {
        match event {
            str0m::Event::RtpPacket(packet) => {
                let Some(peer) = self.session.subscriber.as_mut() else {
                    return;
                };
                if let Some(packet) = self.session.remotes.handle_packet(peer, packet) {
                    self.events.push_back(Event::Packet(packet));
                }
            }
            str0m::Event::RawPacket(packet) => {
                if let RawPacket::RtcpRx(Rtcp::Nack(nack)) = *packet
                    && let Some(peer) = self.session.publisher.as_mut()
                {
                    self.locals.handle_nack(peer, &nack, clock::now());
                }
            }
            str0m::Event::ChannelOpen(id, label) => self.channel_opened(role, id, &label),
            str0m::Event::ChannelData(data) => {
                let Handled { event, reply } = self.data.handle_packet(&data.data);
                self.events.extend(event);
                if let Some(reply) = reply {
                    self.send_packet(Channel::Reliable, reply);
                }
            }
            str0m::Event::IceConnectionStateChange(state) => debug!(?role, ?state, "ICE"),
            str0m::Event::Closed => self.doubt(),
            _ => {}
        }
    }

    fn channel_opened(&mut self, role: Role, id: ChannelId, label: &str) {
        let primary = role == Role::Subscriber || self.session.subscriber.is_none();
        if primary && label == "_reliable" {
            self.events.push_back(Event::Connected);
        }
        if role == Role::Publisher {
            match label {
                "_reliable" => self.session.reliable = Some(id),
                "_lossy" => self.session.lossy = Some(id),
                _ => {}
            }
            self.send_backlog();
        }
    }

    fn peer_failed(&mut self, role: Role, error: &PeerError) {
        debug!(?role, %error, room = self.name, "peer connection failed");
        self.rejoin(&error.to_string());
    }

    /// Offers what waits to be negotiated, unless an offer is pending.
    pub(super) fn negotiate(&mut self) {
        if matches!(self.link, Link::Rejoining(_) | Link::Closed) {
            return;
        }
        let now = clock::now();
        let offered = match self.session.publisher(self.options.uplink_nack, now) {
            Ok(peer) => self.locals.offer(peer).map(|sdp| (sdp, peer.offer_id)),
            Err(error) => return self.peer_failed(Role::Publisher, &error),
        };
        let Some((sdp, id)) = offered else { return };
        self.request(Request::Offer(proto::SessionDescription {
            r#type: "offer".to_owned(),
            sdp,
            id,
            ..Default::default()
        }));
        self.drain(Role::Publisher);
    }

    /// The server has answered our offer.
    pub(super) fn handle_answer(&mut self, answer: proto::SessionDescription) {
        let Some(peer) = self.session.publisher.as_mut() else {
            return;
        };
        match peer.accept(answer.sdp, answer.id) {
            Ok(true) => {}
            Ok(false) => return debug!(id = answer.id, "answer to no offer of ours"),
            Err(error) => return self.peer_failed(Role::Publisher, &error),
        }
        for done in self.locals.handle_answered(peer) {
            self.events.push_back(match done {
                Negotiated::Published(track, sid) => Event::Published { track, sid },
                Negotiated::Failed(track, reason) => Event::PublishFailed { track, reason },
            });
        }
        self.drain(Role::Publisher);
        self.negotiate();
    }

    /// The server offers what it will send.
    pub(super) fn handle_offer(&mut self, offer: proto::SessionDescription) {
        self.session
            .remotes
            .handle_offer(&offer.sdp, &mut self.events);
        let Some(peer) = self.session.subscriber.as_mut() else {
            return;
        };
        match peer.answer(offer.sdp) {
            Ok(sdp) => self.request(Request::Answer(proto::SessionDescription {
                r#type: "answer".to_owned(),
                sdp,
                id: offer.id,
                ..Default::default()
            })),
            Err(error) => return self.peer_failed(Role::Subscriber, &error),
        }
        self.drain(Role::Subscriber);
    }

    /// Sends a data packet, or keeps it until the channel is open; the oldest goes when too many
    /// wait.
    pub(super) fn send_packet(&mut self, channel: Channel, mut packet: proto::DataPacket) {
        use prost::Message as _;
        if channel == Channel::Reliable {
            self.last_data_sequence += 1;
            packet.sequence = self.last_data_sequence;
        }
        if self.backlog.len() >= DATA_BACKLOG {
            metrics::counter!("room_data_packets_dropped_total").increment(1);
            self.backlog.pop_front();
        }
        self.backlog.push_back((channel, packet.encode_to_vec()));
        if self.session.publisher.is_none() {
            self.locals.needed = true;
            self.negotiate();
        }
        self.send_backlog();
    }

    fn send_backlog(&mut self) {
        let (Some(reliable), Some(lossy)) = (self.session.reliable, self.session.lossy) else {
            return;
        };
        let Some(peer) = self.session.publisher.as_mut() else {
            return;
        };
        while let Some((channel, bytes)) = self.backlog.front() {
            let id = if *channel == Channel::Reliable {
                reliable
            } else {
                lossy
            };
            let Some(mut open) = peer.rtc.channel(id) else {
                break;
            };
            match open.write(true, bytes) {
                Ok(true) => drop(self.backlog.pop_front()),
                Ok(false) => break, // full: goes on with the next packet
                Err(error) => {
                    debug!(%error, "data packet not sent");
                    self.backlog.pop_front();
                }
            }
        }
        self.drive_publisher();
    }
}
