//! A proxy before an HTTP server that misbehaves as it is told.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

mod exchange;
mod http;

/// Connections at the same time at most. Further ones are closed as they come: nothing that is
/// tested may need so many.
const CONNECTIONS_MAX: usize = 256;

/// What the proxy does to a request. A request keeps what it met when it began, except that one
/// that hangs is cut off when the fault changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: passes it on.
    Pass,
    /// Resets the connection.
    Refuse,
    /// Takes it and says nothing.
    Hang,
    /// Answers 503 with S3's `SlowDown`, without asking the server.
    SlowDown,
    /// Passes both bodies on at so many bytes per second.
    Drip {
        /// Bytes per second.
        bytes_per_second: u64,
    },
    /// Resets both connections after so many bytes of the request's body; a request with no more
    /// than that passes.
    CutRequest {
        /// Bytes that pass.
        after_bytes: u64,
    },
    /// Resets the connection after so many bytes of the answer's body; an answer with no more than
    /// that passes.
    CutResponse {
        /// Bytes that pass.
        after_bytes: u64,
    },
    /// The server does what it was asked to do, and its answer is lost.
    LoseAnswer,
    /// The answer's `ETag` is another one.
    WrongEtag,
    /// The answer's `x-amz-checksum-*` are other ones.
    WrongChecksum,
    /// The answer has neither `ETag` nor `x-amz-checksum-*`.
    NoChecksum,
    /// Answers 501 with S3's `NotImplemented` to a request with `If-None-Match`, as servers without
    /// conditional puts do; passes others.
    Unconditional,
    /// Waits before it passes the request on.
    Delay(Duration),
}

/// What went through since the start or the last [`FaultProxy::forget`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests by method, whatever became of them.
    pub requests: BTreeMap<String, u64>,
    /// Bytes of requests' bodies that reached the server.
    pub request_body_bytes: u64,
    /// Bytes of answers' bodies that reached the client.
    pub response_body_bytes: u64,
    /// Most requests at the same time.
    pub in_flight_max: usize,
}

impl Traffic {
    /// Requests with a method.
    pub fn requests(&self, method: &str) -> u64 {
        self.requests.get(method).copied().unwrap_or(0)
    }

    /// All requests.
    pub fn requests_total(&self) -> u64 {
        self.requests.values().sum()
    }
}

/// A proxy on a free loopback port that misbehaves as [`FaultProxy::set`] tells it. Gone on drop.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// A proxy before the server at `upstream`, passing everything on.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("the fault proxy cannot listen")?;
        let address = listener.local_addr().context("no address")?;
        let shared = Arc::new(Shared {
            upstream,
            plan: watch::Sender::new(Plan {
                method: None,
                fault: Fault::Pass,
            }),
            counts: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// Its address, `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests meet this from now on; those that hang are cut off.
    pub fn set(&self, fault: Fault) {
        self.plan(None, 0, fault);
    }

    /// The same for requests with one method; others pass.
    pub fn set_on(&self, method: &'static str, fault: Fault) {
        self.plan(Some(method), 0, fault);
    }

    /// The same, after so many further requests with the method have passed.
    pub fn set_after(&self, method: &'static str, pass: u64, fault: Fault) {
        self.plan(Some(method), pass, fault);
    }

    fn plan(&self, method: Option<&'static str>, pass: u64, fault: Fault) {
        self.shared.counts().pass = pass;
        self.shared.plan.send_replace(Plan { method, fault });
    }

    /// What went through.
    pub fn traffic(&self) -> Traffic {
        self.shared.counts().traffic.clone()
    }

    /// Requests that are under way.
    pub fn in_flight(&self) -> usize {
        self.shared.counts().in_flight
    }

    /// Begins counting anew.
    pub fn forget(&self) {
        self.shared.counts().traffic = Traffic::default();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    method: Option<&'static str>,
    fault: Fault,
}

#[derive(Default)]
struct Counts {
    traffic: Traffic,
    in_flight: usize,
    /// Requests that pass before the fault is met.
    pass: u64,
}

struct Shared {
    upstream: SocketAddr,
    plan: watch::Sender<Plan>,
    counts: Mutex<Counts>,
}

impl Shared {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        // counts are whole numbers: none is half written when a test panics
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request that begins, and says what it meets.
    fn begin(self: &Arc<Self>, method: &str) -> (Fault, InFlight) {
        let plan = *self.plan.borrow();
        let mut counts = self.counts();
        *counts
            .traffic
            .requests
            .entry(method.to_owned())
            .or_default() += 1;
        counts.in_flight += 1;
        counts.traffic.in_flight_max = counts.traffic.in_flight_max.max(counts.in_flight);
        let meets = plan.method.is_none_or(|only| only == method);
        let fault = if !meets {
            Fault::Pass
        } else if counts.pass > 0 {
            counts.pass -= 1;
            Fault::Pass
        } else {
            plan.fault
        };
        (fault, InFlight(Arc::clone(self)))
    }
}

/// A request under way.
struct InFlight(Arc<Shared>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.counts().in_flight -= 1;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if connections.len() < CONNECTIONS_MAX {
            connections.spawn(connection(client, Arc::clone(&shared)));
        }
    }
}

/// One client's requests, one after the other.
async fn connection(mut client: TcpStream, shared: Arc<Shared>) {
    // an error is what the test asked for, or the other side's doing
    let end = exchange::all(&mut client, &shared).await;
    if end.is_err() {
        // without it the system would say goodbye politely, as after a whole answer
        drop(client.set_zero_linger());
    }
}

#[cfg(test)]
mod tests;
