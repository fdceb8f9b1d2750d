//! Calls heard by WebSocket: for browsers without LiveKit, and for programs.
//!
//! The public listener is here and the sound is with the call's gateway: [`Feed`] is the way
//! between them. What is heard so is noted, shown and taken back as what is heard in a monitor
//! room is, and by the same commands: the gateway ends the feed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, WebSocket};
use serde_json::json;
use sidetone_fleet::{Feed, FeedEnd};
use sidetone_service::clock;
use sidetone_wire::{
    Call, CallId, Capability, Command, CommandError, FeedId, FeedSound, Role, WatchMode,
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use crate::app::{App, now};
use crate::audit::{self, Outcome};
use crate::auth::{Caller, Ticket};
use crate::livekit::monitor_room;
use crate::realtime::websocket::{End, say_goodbye};
use crate::routes::listen::LISTENS_MAX;
use crate::store::{self, Subject};

/// How often a listener is asked how far it is.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// One that has not come to our question for so long is that far behind: buffers between us and
/// it hold more than ours do.
const BEHIND_AT_MOST: Duration = Duration::from_secs(5);
/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// RFC 6455 and our own close codes.
mod code {
    pub(super) const DONE: u16 = 1000;
    pub(super) const FAILED: u16 = 1011;
    pub(super) const ELSEWHERE: u16 = 1012;
    pub(super) const LATER: u16 = 1013;
    pub(super) const BAD_TOKEN: u16 = 4401;
    pub(super) const REVOKED: u16 = 4403;
    pub(super) const NO_CALL: u16 = 4404;
    pub(super) const TOO_SLOW: u16 = 4408;
}

const BAD_TOKEN: End = End(code::BAD_TOKEN, "the token is not good, or was used");
const REVOKED: End = End(code::REVOKED, "the right to listen was taken back");
const NO_CALL: End = End(code::NO_CALL, "there is no such call to hear");
const TOO_SLOW: End = End(code::TOO_SLOW, "too slow: this is a live call");
const LATER: End = End(code::LATER, "try again later");
const ELSEWHERE: End = End(
    code::ELSEWHERE,
    "another gateway has the call: ask for another URL",
);

impl From<store::Error> for End {
    fn from(error: store::Error) -> Self {
        warn!(%error, "a listener could not be let in");
        Self(code::FAILED, "the database is away: ask for another URL")
    }
}

impl From<CommandError> for End {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NoHolder => NO_CALL,
            CommandError::TimedOut | CommandError::Overloaded => LATER,
            CommandError::Unsupported { .. } | CommandError::Failed { .. } => {
                Self(code::FAILED, "the gateway could not do it")
            }
        }
    }
}

/// A listener who was let in.
struct Listening {
    app: Arc<App>,
    caller: Caller,
    call: CallId,
    feed: Feed,
    since: Instant,
}

/// Lets a listener hear what its token is for, until either ends.
pub(crate) async fn serve(
    app: Arc<App>,
    token: String,
    sound: FeedSound,
    from: IpAddr,
    mut socket: WebSocket,
) {
    let end = match enter(&app, &token, sound, from).await {
        Ok(mut listening) => {
            let end = listening.run(sound, &mut socket).await;
            listening.leave(end.as_ref()).await;
            end
        }
        Err(end) => Some(end),
    };
    if let Some(end) = end {
        say_goodbye(&mut socket, end).await;
    }
}

async fn enter(
    app: &Arc<App>,
    token: &str,
    sound: FeedSound,
    from: IpAddr,
) -> Result<Listening, End> {
    let ticket = app.tickets.read(token, now()).ok_or(BAD_TOKEN)?;
    if !app.store.use_ticket(&ticket, now()).await? {
        return Err(BAD_TOKEN);
    }
    let identity = app.store.session(ticket.session, now()).await?;
    let identity = identity.filter(|identity| identity.user == ticket.user);
    let caller = Caller::new(app, identity.ok_or(REVOKED)?, Some(from));
    if !caller.may(Role::Supervisor) {
        return Err(REVOKED);
    }
    let call = caller.tenant.call(ticket.call, now()).await?;
    let heard =
        |call: &Call| call.ended_at.is_none() && call.capabilities.contains(&Capability::Listen);
    if !call.is_some_and(|call| heard(&call)) {
        return Err(NO_CALL);
    }
    let (tenant, subject) = (&caller.tenant, Subject::Call(ticket.call));
    let detail = json!({ "mode": WatchMode::Listen, "via": "websocket" });
    let actor = caller.actor();
    let intent = audit::begin(tenant, &actor, "call.listened", subject, &detail).await?;
    let fed = feed(app, &caller, &ticket, sound).await;
    let (outcome, detail) = match &fed {
        Ok(_) => (Outcome::Done, detail),
        Err(End(_, reason)) => (Outcome::Refused, json!({ "reason": reason })),
    };
    audit::result(tenant, intent, outcome, detail).await;
    let feed = fed?;
    app.tell_call(tenant.id(), ticket.call).await;
    Ok(Listening {
        app: app.clone(),
        call: ticket.call,
        caller,
        feed,
        since: clock::now(),
    })
}

/// Has the call's holder send its sound, and notes who hears it.
async fn feed(app: &App, caller: &Caller, ticket: &Ticket, sound: FeedSound) -> Result<Feed, End> {
    let (tenant, session, call) = (&caller.tenant, ticket.session, ticket.call);
    if tenant.watched_by(session).await? >= LISTENS_MAX {
        return Err(LATER);
    }
    let feed = app.fleet.open_feed(FeedId(clock::new_id()));
    let command = Command::Feed {
        call,
        monitor: monitor_room(ticket.user, session),
        feed: feed.id(),
        sound,
    };
    app.fleet.command(call, command).await?;
    // a logout may have come between, and must not be outlived; the feed ends with us
    let (mode, by) = (WatchMode::Listen, caller.author());
    if tenant.watch(call, session, mode, &by, now()).await? {
        info!(%call, user = %ticket.user, "a call is heard by WebSocket");
        return Ok(feed);
    }
    let session = app.store.session(session, now()).await?;
    Err(session.map_or(REVOKED, |_| NO_CALL))
}

impl Listening {
    /// Passes sound on. Gives what the listener is to be told at the end, if it is still there.
    async fn run(&mut self, sound: FeedSound, socket: &mut WebSocket) -> Option<End> {
        let start = Message::Text(start_of(sound).into());
        if let Err(end) = self.send(socket, start).await {
            return end;
        }
        let mut asks = interval(ASK_EVERY);
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked: Option<Instant> = None;
        loop {
            let message = tokio::select! {
                frame = self.feed.next() => match frame {
                    Ok(frame) => Message::Binary(frame),
                    Err(FeedEnd::Over(why)) => return self.last_words(socket, why).await,
                    Err(end) => return Some(told(&end)),
                },
                said = socket.recv() => match said {
                    Some(Ok(Message::Pong(_))) => {
                        asked = None;
                        continue;
                    }
                    Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                },
                _ = asks.tick() => match asked {
                    Some(at) if clock::now() >= at + BEHIND_AT_MOST => return Some(TOO_SLOW),
                    Some(_) => continue,
                    None => {
                        asked = Some(clock::now());
                        Message::Ping(axum::body::Bytes::new())
                    }
                },
            };
            if let Err(end) = self.send(socket, message).await {
                return end;
            }
        }
    }

    /// Sends a message, unless the feed ends before it is taken: whoever takes nothing must not
    /// hold up its own end.
    async fn send(&mut self, socket: &mut WebSocket, message: Message) -> Result<(), Option<End>> {
        tokio::select! {
            biased;
            cut = self.feed.cut() => Err(Some(told(&cut))),
            sent = socket.send(message) => sent.map_err(|_| None),
        }
    }

    async fn last_words(&self, socket: &mut WebSocket, why: Option<String>) -> Option<End> {
        let reason = match why {
            Some(why) => why,
            None => self.end_reason().await,
        };
        let end = json!({ "type": "end", "reason": reason });
        let said = timeout(
            LAST_WORDS,
            socket.send(Message::Text(end.to_string().into())),
        )
        .await;
        matches!(said, Ok(Ok(()))).then_some(End(code::DONE, "the call is over"))
    }

    /// Why the call ended, as the control plane knows it.
    async fn end_reason(&self) -> String {
        let call = self.caller.tenant.call(self.call, now()).await;
        let reason = call.ok().flatten().and_then(|call| call.end_reason);
        reason.map_or_else(|| "call_ended".to_owned(), |reason| reason.code)
    }

    /// Notes that it is over.
    async fn leave(self, end: Option<&End>) {
        let (tenant, session) = (&self.caller.tenant, self.caller.identity.session);
        if end.is_some_and(|End(code, _)| *code == code::ELSEWHERE) {
            // nobody else tells that they are gone
            match tenant.unwatch(self.call, session).await {
                Ok(true) => self.app.tell_call(tenant.id(), self.call).await,
                Ok(false) => {}
                Err(error) => warn!(call = %self.call, %error, "a listener is still shown"),
            }
        }
        let seconds = (clock::now() - self.since).as_secs();
        let closed = end.map(|End(code, _)| *code);
        let detail = json!({ "via": "websocket", "seconds": seconds, "closed": closed });
        let (actor, subject) = (self.caller.actor(), Subject::Call(self.call));
        let noted = tenant.note(&actor, "call.unlistened", subject, &detail, now());
        if let Err(error) = noted.await {
            warn!(call = %self.call, %error, "the end of a listening could not be noted");
        }
        info!(call = %self.call, seconds, "a call is heard by WebSocket no more");
    }
}

fn told(end: &FeedEnd) -> End {
    match end {
        FeedEnd::Over(_) => End(code::DONE, "the call is over"),
        FeedEnd::Revoked => REVOKED,
        FeedEnd::TooSlow => TOO_SLOW,
        FeedEnd::Elsewhere => ELSEWHERE,
    }
}

fn start_of(sound: FeedSound) -> String {
    let (encoding, rate_hz) = match sound {
        FeedSound::Opus => ("opus", 48_000),
        FeedSound::Linear16 { rate_hz } => ("linear16", rate_hz),
    };
    let start = json!({
        "type": "start", "encoding": encoding, "sampleRate": rate_hz,
        "channels": 2, "frameMs": 20,
    });
    start.to_string()
}
