//! Who takes part in calls, a server for them to meet on, and the system that watches it.

use std::path::Path;
use std::time::Duration;

use sidetone_room::service::RoomService;
use sidetone_room::token::{Credentials, Kind, Token};
use sidetone_testkit::{LivekitServer, PythonPeer, System, Tone, ToneSpeaker};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Generous: the machine may be busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// What customers say, in Hz.
pub(crate) const CUSTOMER: f64 = 440.0;
/// What agents say, in Hz.
pub(crate) const AGENT: f64 = 1000.0;
/// How loud everybody is.
pub(crate) const LEVEL_DBFS: f64 = -12.0;

/// Two tests at a time have the machine: with more of them peers that decode every track fall
/// behind, and what they hear late says nothing about us.
static MACHINE: Semaphore = Semaphore::const_new(2);

/// A test beside another one.
pub(crate) async fn shared() -> SemaphorePermit<'static> {
    MACHINE.acquire().await.unwrap()
}

/// A test that needs the machine for itself.
pub(crate) async fn alone() -> SemaphorePermit<'static> {
    MACHINE.acquire_many(2).await.unwrap()
}

/// The program that is shipped.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sidetone"))
}

/// A system on a server, ready.
pub(crate) async fn start(livekit: &LivekitServer) -> System {
    System::start(binary(), livekit).await
}

/// The same with a secret of the test's choice, as it is.
pub(crate) fn start_unready(livekit: &LivekitServer, secret: &str) -> System {
    System::start_unready(binary(), livekit, secret)
}

pub(crate) fn credentials(livekit: &LivekitServer) -> Credentials {
    Credentials::new(livekit.api_key(), livekit.api_secret())
}

pub(crate) fn rooms(livekit: &LivekitServer) -> RoomService {
    RoomService::new(&livekit.url(), &credentials(livekit))
}

pub(crate) fn sign(livekit: &LivekitServer, token: Token) -> String {
    token.sign(&credentials(livekit)).unwrap()
}

pub(crate) fn customer_token(room: &str) -> Token {
    Token::participant(room, "customer").name("Ada")
}

pub(crate) fn agent_token(room: &str) -> Token {
    Token::participant(room, "agent")
        .name("Robin")
        .kind(Kind::Agent)
}

/// A customer who says [`CUSTOMER`].
pub(crate) async fn customer(livekit: &LivekitServer, room: &str) -> ToneSpeaker {
    speaker(livekit, customer_token(room), CUSTOMER).await
}

/// An agent who says [`AGENT`].
pub(crate) async fn agent(livekit: &LivekitServer, room: &str) -> ToneSpeaker {
    speaker(livekit, agent_token(room), AGENT).await
}

pub(crate) async fn speaker(livekit: &LivekitServer, token: Token, hz: f64) -> ToneSpeaker {
    let tone = Tone::new(hz, LEVEL_DBFS).unwrap();
    let token = sign(livekit, token);
    ToneSpeaker::join(&livekit.url(), token, tone)
        .await
        .unwrap()
}

/// A participant on LiveKit's own SDK, in a room.
pub(crate) async fn python(livekit: &LivekitServer, token: Token) -> PythonPeer {
    let mut peer = PythonPeer::start().await.unwrap();
    let token = sign(livekit, token);
    peer.join(&livekit.url(), &token).await.unwrap();
    peer
}
