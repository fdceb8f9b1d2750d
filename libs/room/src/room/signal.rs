//! What the server says over signalling.

use std::task::{Context, Poll};

use livekit_protocol as proto;
use livekit_signaling::SignalEvent;
use proto::leave_request::Action;
use proto::signal_response::Message;
use proto::{DisconnectReason, SignalTarget};
use tracing::{debug, info};

use super::Room;
use super::link::Link;
use crate::event::{Closed, Event};
use crate::model::Speaker;
use crate::peer::Role;

impl Room {
    /// Takes one message; `true` if there was any.
    pub(super) fn poll_signal(&mut self, cx: &mut Context<'_>) -> bool {
        if matches!(self.link, Link::Rejoining(_)) {
            return false;
        }
        match self.session.poll_signal(cx) {
            Poll::Pending => false,
            Poll::Ready(Some(SignalEvent::Message(message))) => {
                self.handle_message(*message);
                true
            }
            Poll::Ready(Some(SignalEvent::Close(reason))) => {
                // a resume closes the former connection: no loss
                if matches!(self.link, Link::Up | Link::Doubted(_)) {
                    self.resume(&reason);
                }
                true
            }
            Poll::Ready(None) => {
                self.rejoin("the signalling task ended");
                true
            }
        }
    }

    fn handle_message(&mut self, message: Message) {
        match message {
            Message::Offer(offer) => self.handle_offer(offer),
            Message::Answer(answer) => self.handle_answer(answer),
            Message::Trickle(trickle) => self.handle_trickle(&trickle),
            Message::Update(update) => self.handle_participants(&update.participants),
            Message::TrackPublished(published) => {
                let sid = published.track.map(|track| track.sid).unwrap_or_default();
                self.locals.handle_announced(&published.cid, sid);
                self.negotiate();
            }
            Message::Leave(leave) => self.handle_leave(&leave),
            Message::Mute(mute) => {
                if let Some(track) = self.locals.by_sid(&mute.sid) {
                    self.events.push_back(Event::LocalTrackMuted {
                        track,
                        muted: mute.muted,
                    });
                }
            }
            Message::SpeakersChanged(changed) => {
                let speakers = changed
                    .speakers
                    .into_iter()
                    .map(|s| self.speaker(s))
                    .collect();
                self.events.push_back(Event::Speakers(speakers));
            }
            Message::RefreshToken(_) => self.events.push_back(Event::TokenRefreshed),
            Message::RoomUpdate(update) => self.handle_room(update.room),
            Message::SubscriptionPermissionUpdate(update) if !update.allowed => {
                let reason = "the publisher does not permit it".to_owned();
                self.events.push_back(Event::SubscriptionFailed {
                    sid: update.track_sid,
                    reason,
                });
            }
            Message::SubscriptionPermissionUpdate(update) => {
                self.subscribe_again(&update.track_sid);
            }
            Message::SubscriptionResponse(response) => {
                let reason = format!("{:?}", response.err());
                self.events.push_back(Event::SubscriptionFailed {
                    sid: response.track_sid,
                    reason,
                });
            }
            Message::RequestResponse(response)
                if response.reason() != proto::request_response::Reason::Ok =>
            {
                debug!(reason = ?response.reason(), message = response.message, "request refused");
                self.handle_refusal(response);
            }
            _ => {}
        }
    }

    fn speaker(&self, info: proto::SpeakerInfo) -> Speaker {
        let local = (info.sid == self.local.sid).then_some(self.local.identity.as_str());
        let identity = local
            .or_else(|| self.roster.identity_of(&info.sid))
            .unwrap_or_default();
        Speaker {
            identity: identity.to_owned(),
            sid: info.sid,
            level: info.level,
            active: info.active,
        }
    }

    /// A publisher has permitted us a track that we want.
    fn subscribe_again(&mut self, sid: &str) {
        if self.session.remotes.wanted().any(|wanted| wanted == sid) {
            self.subscribe(sid);
        }
    }

    fn handle_trickle(&mut self, trickle: &proto::TrickleRequest) {
        let role = match trickle.target() {
            SignalTarget::Subscriber => Role::Subscriber,
            SignalTarget::Publisher => Role::Publisher,
        };
        let init: serde_json::Value = match serde_json::from_str(&trickle.candidate_init) {
            Ok(init) => init,
            Err(error) => return debug!(%error, "candidate is not JSON"),
        };
        let candidate = init["candidate"].as_str().unwrap_or_default();
        if candidate.is_empty() {
            return; // end of candidates
        }
        if let Some(peer) = self.session.peer(role) {
            peer.add_remote_candidate(candidate);
            self.drain(role);
        }
    }

    fn handle_participants(&mut self, infos: &[proto::ParticipantInfo]) {
        for info in infos {
            if info.identity == self.local.identity {
                if info.sid == self.local.sid {
                    self.permission_changed(info);
                }
            } else {
                self.roster.handle_update(info, &mut self.events);
            }
        }
    }

    fn handle_room(&mut self, room: Option<proto::Room>) {
        let Some(room) = room else { return };
        if room.metadata != self.metadata || room.sid != self.sid {
            self.metadata.clone_from(&room.metadata);
            self.sid.clone_from(&room.sid);
            self.events.push_back(Event::RoomChanged {
                sid: room.sid,
                metadata: room.metadata,
            });
        }
    }

    fn handle_refusal(&mut self, response: proto::RequestResponse) {
        use proto::request_response::Request;
        if let Some(Request::AddTrack(request)) = response.request {
            let reason = response.message.clone();
            if let Some(track) = self.locals.refuse(&request.cid) {
                self.events
                    .push_back(Event::PublishFailed { track, reason });
            }
        }
    }

    fn handle_leave(&mut self, leave: &proto::LeaveRequest) {
        let reason = leave.reason();
        info!(room = self.name, ?reason, action = ?leave.action(), "the server says leave");
        match leave.action() {
            Action::Resume => self.resume(&format!("{reason:?}")),
            Action::Reconnect => self.rejoin(&format!("{reason:?}")),
            Action::Disconnect => self.close(match reason {
                DisconnectReason::RoomDeleted | DisconnectReason::RoomClosed => Closed::RoomClosed,
                DisconnectReason::ParticipantRemoved => Closed::Removed,
                DisconnectReason::DuplicateIdentity => Closed::DuplicateIdentity,
                DisconnectReason::ServerShutdown => {
                    return self.rejoin("the server shuts down");
                }
                other => Closed::Lost(format!("{other:?}")),
            }),
        }
    }
}
