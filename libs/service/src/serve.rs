//! HTTP for many connections, of which some mean harm.
//!
//! **Invariant**: whoever sends slowly, or nothing, costs a connection for a bounded time and
//! nobody else anything.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tower::Service as _;
use tracing::{debug, warn};

use crate::{Lifecycle, files};

/// Connections at once: twice the dashboards that one process is promised to serve. Further ones
/// wait in the kernel's queue.
const CONNECTIONS: usize = 10_000;
/// From a connection, or from an answer, until the next request's head is there: longer than
/// browsers and proxies pause between two requests, so that they seldom meet a closing connection.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of a request's head. Longer ones are answered 431.
const HEAD_BYTES: usize = 64 * 1024;
/// When no file can be opened, others must be closed first.
const OUT_OF_FILES: Duration = Duration::from_millis(100);

/// Serves until the drain, answers what has begun, and ends when that is done or at the stop.
pub async fn serve(listener: TcpListener, router: Router, lifecycle: &Lifecycle) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS.min(files::for_connections())));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await;
            (accept(&listener).await, slot.expect("it is never closed"))
        };
        let ((stream, from), slot) = tokio::select! {
            next = next => next,
            () = lifecycle.draining() => break,
        };
        connections.spawn(connection(
            stream,
            from,
            router.clone(),
            lifecycle.clone(),
            slot,
        ));
    }
    drop(listener);
    connections.close();
    tokio::select! {
        () = connections.wait() => {}
        () = lifecycle.stopping() => {}
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // it went away while it waited
            Err(error)
                if [
                    ErrorKind::ConnectionAborted,
                    ErrorKind::ConnectionReset,
                    ErrorKind::ConnectionRefused,
                ]
                .contains(&error.kind()) => {}
            Err(error) => {
                warn!(%error, "no connection can be accepted");
                tokio::time::sleep(OUT_OF_FILES).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    router: Router,
    lifecycle: Lifecycle,
    slot: OwnedSemaphorePermit,
) {
    // without it small answers may wait for the other side's acknowledgement
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection was gone at once");
        return;
    }
    let service = service_fn(move |request| answer(router.clone(), request, from));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = lifecycle.draining() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = lifecycle.stopping() => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
    drop(slot);
}

async fn answer(
    mut router: Router,
    request: Request<Incoming>,
    from: SocketAddr,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(from));
    router.call(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;

    async fn from(ConnectInfo(from): ConnectInfo<SocketAddr>) -> String {
        from.to_string()
    }

    async fn served(router: Router) -> (SocketAddr, Lifecycle) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let lifecycle = Lifecycle::new(Duration::from_secs(5));
        let life = lifecycle.clone();
        lifecycle.spawn_vital("server", async move {
            serve(listener, router, &life).await;
            Ok(())
        });
        (address, lifecycle)
    }

    async fn exchange(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_request_is_answered_and_knows_where_it_came_from() {
        let (address, _life) = served(Router::new().route("/", get(from))).await;
        let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let answer = exchange(address, request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("127.0.0.1:"), "{answer}");
    }

    #[tokio::test]
    async fn a_head_without_end_is_refused() {
        let (address, _life) = served(Router::new()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET / HTTP/1.1\r\nhost: a\r\nx: {}",
            "y".repeat(2 * HEAD_BYTES)
        );
        // it may be closed before all was written
        drop(stream.write_all(head.as_bytes()).await);
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 431");
    }

    #[tokio::test]
    async fn what_has_begun_is_answered_while_it_drains() {
        let begun = Arc::new(Notify::new());
        let beginning = begun.clone();
        let slow = get(async move || {
            beginning.notify_one();
            tokio::time::sleep(Duration::from_millis(100)).await;
            "done"
        });
        let (address, life) = served(Router::new().route("/", slow)).await;
        // an idle connection does not hold up the end
        let idle = TcpStream::connect(address).await.unwrap();
        let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let slow = tokio::spawn(async move { exchange(address, request).await });
        begun.notified().await;
        life.shut_down();
        life.run().await.expect("in time");
        assert!(slow.await.unwrap().ends_with("done"));
        assert!(TcpStream::connect(address).await.is_err());
        drop(idle);
    }
}
