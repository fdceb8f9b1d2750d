//! What sockets of all simulated vendors have in common.

use std::future::Future;

use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::server::ErrorResponse;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_util::sync::CancellationToken;

/// Serves each that dials in until it has gone or `stopped` is cancelled.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    stopped: CancellationToken,
    mut serve: impl FnMut(TcpStream) -> F,
) where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else { return };
        let (served, stopped) = (serve(stream), stopped.clone());
        tokio::spawn(async move {
            tokio::select! {
                // who has gone is told nothing more
                ended = served => drop(ended),
                () = stopped.cancelled() => {}
            }
        });
    }
}

/// Lets somebody not in.
pub(crate) fn refusal(status: StatusCode) -> ErrorResponse {
    let mut refusal = ErrorResponse::new(None);
    *refusal.status_mut() = status;
    refusal
}
