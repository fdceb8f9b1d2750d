//! The way into a call's room, and the questions to its upstream.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sidetone_room::{JoinError, JoinPacer, Options, Room, TokenSource};
use sidetone_service::clock;
use sidetone_service::dial::Dialler;
use sidetone_service::dial::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};

use super::invitation::Invitation;
use crate::upstream::without_host;

/// A room that cannot be had back within this time is asked for anew.
const GIVE_UP_AFTER: Duration = Duration::from_secs(20);

/// What asks for a room and for a call, and what says whether a room is joined.
#[derive(Clone)]
pub(crate) struct Diallers {
    pub(crate) api: Dialler,
    pub(crate) acts: Dialler,
    pub(crate) rooms: Dialler,
}

/// Why there is no room.
pub(super) struct Refused {
    pub(super) why: String,
    /// The upstream knows no such call.
    pub(super) gone: bool,
}

/// The room, and who we are there.
pub(super) type Joined = Result<(Box<Room>, String), Refused>;
pub(super) type Joining = Pin<Box<dyn Future<Output = Joined>>>;

/// Asks for a way into a call's room.
pub(super) async fn invite(
    api: &Dialler,
    socket: &sidetone_wire::Socket,
) -> Result<Invitation, Refused> {
    let url = &socket.url.0;
    let refused = |why: String| Refused {
        why: without_host(&why, url),
        gone: false,
    };
    let answer = api.post(url, headers(socket), "{}").await;
    let answer = answer.map_err(|error| refused(error.to_string()))?;
    match answer.status() {
        200..=299 => {}
        status => {
            return Err(Refused {
                why: format!("it answers with status {status}"),
                gone: matches!(status, 404 | 410),
            });
        }
    }
    let body = answer.whole().await;
    let body = body.map_err(|error| refused(error.to_string()))?;
    Invitation::read(&body).map_err(|error| refused(error.to_string()))
}

/// What every question to the upstream shows: the tenant's key.
pub(super) fn headers(socket: &sidetone_wire::Socket) -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
    let key = socket.bearer.as_ref().map_or("", |key| &key.0);
    if let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {key}")) {
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    headers
}

/// Joins a room, if it is on a server that may be one of the upstream's.
pub(super) async fn enter(rooms: &Dialler, way: Invitation, pacer: JoinPacer) -> Joined {
    let refused = |why: String| Refused { why, gone: false };
    let vetted = rooms.vet(&way.url).await;
    vetted.map_err(|error| {
        let why = without_host(&error.to_string(), &way.url);
        refused(format!("its room is not joined: {why}"))
    })?;
    let (url, listener) = (way.url.clone(), way.listener.clone());
    let token: TokenSource = Arc::new(move |_attempt| {
        if way.is_over(clock::wall()) {
            return Err("it has expired".to_owned());
        }
        Ok(way.token.clone())
    });
    let mut options = Options::with_token_source(&url, token);
    options.pacer = pacer;
    options.give_up_after = GIVE_UP_AFTER;
    match Box::pin(Room::join(options)).await {
        Ok(room) => Ok((Box::new(room), listener)),
        // what they say names the server
        Err(JoinError::Unauthorized { .. }) => {
            Err(refused("its room does not take our token".to_owned()))
        }
        Err(JoinError::Unreachable { .. }) => Err(refused("its room cannot be joined".to_owned())),
    }
}
