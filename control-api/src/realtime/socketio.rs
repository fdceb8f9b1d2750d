//! Socket.IO clients, over WebSocket and polling.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use socketioxide::extract::{Event, SocketRef, TryData};
use socketioxide::handler::ConnectHandler as _;
use socketioxide::{SendError, SocketError};
use tracing::error;

use super::hub::{Client, Sent, Why, Wire};
use super::message::Frame;
use super::session;
use crate::app::App;
use crate::auth::Proof;
use crate::store::Identity;

/// What a client says of itself while connecting.
#[derive(Debug, Default, Deserialize)]
struct Auth {
    token: Option<String>,
    user_id: Option<String>,
}

/// Why a client is not let in. Its text reaches the client.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("unauthenticated: log in first")]
    Unauthenticated,
    #[error("forbidden: user_id is not the session's user")]
    OtherUser,
    #[error("unavailable: the database cannot be reached")]
    Unavailable,
}

/// Who was let in, and with which token.
#[derive(Clone)]
struct Admitted(Identity, Arc<str>);

struct Socket(SocketRef);

impl Wire for Socket {
    fn send(&self, frame: &Frame) -> Sent {
        match self.0.emit(frame.event(), frame.data()) {
            Ok(()) => Sent::Yes,
            Err(SendError::Socket(SocketError::InternalChannelFull)) => Sent::Full,
            Err(SendError::Socket(SocketError::Closed)) => Sent::Gone,
            Err(SendError::Serialize(error)) => {
                error!(%error, event = frame.event(), "a message could not be written");
                Sent::Gone
            }
        }
    }

    fn close(&self, _: Why) -> bool {
        let closed = self.0.clone().disconnect();
        !matches!(closed, Err(SocketError::InternalChannelFull))
    }
}

/// Lets clients in from now on.
pub(crate) fn serve(app: &Arc<App>) {
    let (admitting, admitted) = (app.clone(), app.clone());
    let admit = move |socket: SocketRef, TryData(auth): TryData<Auth>| {
        let app = admitting.clone();
        async move { admit(&app, &socket, auth.unwrap_or_default()).await }
    };
    let enter = move |socket: SocketRef| {
        let app = admitted.clone();
        async move { enter(app, socket).await }
    };
    app.realtime.io.ns("/", enter.with(admit));
}

async fn admit(app: &App, socket: &SocketRef, auth: Auth) -> Result<(), Refusal> {
    let token = match &auth.token {
        Some(token) => Some(token.as_str()),
        None => Proof::of(&socket.req_parts().headers).map(Proof::token),
    };
    let token = token.ok_or(Refusal::Unauthenticated)?;
    let identity = app.identify(token).await.map_err(|error| {
        error!(%error, "a client could not be identified");
        Refusal::Unavailable
    })?;
    let identity = identity.ok_or(Refusal::Unauthenticated)?;
    if auth
        .user_id
        .is_some_and(|user| user != identity.user.to_string())
    {
        return Err(Refusal::OtherUser);
    }
    let admitted = Admitted(identity, Arc::from(token));
    socket.extensions.insert(admitted);
    Ok(())
}

async fn enter(app: Arc<App>, socket: SocketRef) {
    let Some(Admitted(identity, token)) = socket.extensions.remove::<Admitted>() else {
        return;
    };
    let client = session::enter(&app, identity, Box::new(Socket(socket.clone())));
    let (leaving, left) = (app.clone(), client.id);
    socket.on_disconnect(move || {
        let app = leaving.clone();
        async move { app.realtime.left(left) }
    });
    hear(&app, &socket, &client);
    session::greet(&app, &client, &token, socket.id.to_string()).await;
}

/// What the client may say.
fn hear(app: &Arc<App>, socket: &SocketRef, client: &Arc<Client>) {
    let (app, client) = (app.clone(), client.clone());
    socket.on_fallback(move |Event(event): Event, TryData(data): TryData<Value>| {
        let (app, client) = (app.clone(), client.clone());
        async move { session::hear(&app, &client, &event, data.unwrap_or_default()).await }
    });
}
