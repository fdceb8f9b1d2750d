//! The way of reports into the database: one queue, one writer, many reports in one transaction.
//!
//! Whoever hands a report in waits for its commit. While one batch is written the next gathers by
//! itself, so nothing waits for company: alone a report takes one commit, under load a commit is
//! shared by hundreds.

use std::sync::Arc;
use std::time::Duration;

use sidetone_service::{Lifecycle, clock};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::{error, warn};

use super::announce;
use crate::app::{App, now};
use crate::metrics;
use crate::problem::Problem;
use crate::store::{self, Delivery, Ingested, Outcome};

/// Reports that wait for the writer, at most: about a second of the fastest that it writes. Further
/// ones are refused with 503, and their vendor sends them again.
const QUEUE: usize = 8192;
/// The same in KiB of bodies, at 64 MiB.
const QUEUE_KIB: usize = 64 * 1024;
/// Reports in one transaction, at most.
const BATCH: usize = 512;
/// How often a batch that another process was in the way of is tried.
const TRIES: u32 = 3;
/// When to come again if there is no room.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// Where reports are handed in.
pub(crate) struct Ingest {
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

/// A report whose sender waits.
pub(crate) struct Waiting {
    delivery: Delivery,
    answer: oneshot::Sender<Result<Outcome, Failure>>,
    /// Its part of the queue's memory, until it is written.
    room: OwnedSemaphorePermit,
}

/// The writer's end of the queue.
pub(crate) type Queue = mpsc::Receiver<Waiting>;

/// Why a report was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("too many reports wait to be written")]
    Full,
    #[error("the database cannot be reached")]
    Away,
    #[error("the server shuts down")]
    Closing,
    /// The database refuses this one.
    #[error("the report cannot be written")]
    Refused,
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let detail = failure.to_string();
        match failure {
            Failure::Full => Problem::unavailable("busy", detail).retry_after(COME_AGAIN),
            Failure::Away => Problem::unavailable("database_unavailable", detail),
            Failure::Closing => Problem::unavailable("closing", detail),
            Failure::Refused => Problem::internal(),
        }
    }
}

impl Ingest {
    /// The two ends of the queue.
    pub(crate) fn new() -> (Self, Queue) {
        let (queue, reports) = mpsc::channel(QUEUE);
        let room = Arc::new(Semaphore::new(QUEUE_KIB));
        (Self { queue, room }, reports)
    }

    /// How many wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Takes a report that came in `bytes`; returns when it is committed.
    pub(crate) async fn take(&self, delivery: Delivery, bytes: usize) -> Result<Outcome, Failure> {
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
        let room = self.room.clone().try_acquire_many_owned(kib);
        let room = room.map_err(|_| full())?;
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            delivery,
            answer,
            room,
        };
        self.queue.try_send(waiting).map_err(|error| match error {
            TrySendError::Full(_) => full(),
            TrySendError::Closed(_) => Failure::Closing,
        })?;
        answered.await.unwrap_or(Err(Failure::Closing))
    }
}

fn full() -> Failure {
    metrics::ingest_refused();
    Failure::Full
}

/// Writes until everybody who hands something in has ended.
pub(crate) async fn run(
    app: Arc<App>,
    mut queue: Queue,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    let (changes, changed) = mpsc::channel(announce::QUEUE);
    let announcing = tokio::spawn(announce::run(app.clone(), changed));
    loop {
        let first = tokio::select! {
            biased; // what has arrived is written before the end is looked at
            () = lifecycle.stopping() => break,
            first = queue.recv() => first,
            () = lifecycle.drained() => break,
        };
        let Some(first) = first else { break };
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        let began = clock::now();
        let size = batch.len();
        let changed = write(&app, batch).await;
        metrics::ingested(size, clock::now() - began);
        for ingested in changed {
            if ingested.recordings {
                app.fetching.look();
            }
            if ingested.sockets {
                app.hearing.notify_one();
            }
            if changes.send(ingested.changed).await.is_err() {
                anyhow::bail!("nobody tells clients of changed calls any more");
            }
        }
    }
    drop(changes);
    announcing.await.map_err(Into::into)
}

/// Writes a batch and answers all who wait; gives what changed.
async fn write(app: &App, batch: Vec<Waiting>) -> Vec<Ingested> {
    let (deliveries, answers): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|waiting| (waiting.delivery, (waiting.answer, waiting.room)))
        .unzip();
    match attempt(app, &deliveries).await {
        Ok(mut ingested) => {
            let outcomes = std::mem::take(&mut ingested.outcomes);
            for ((answer, _), outcome) in answers.into_iter().zip(outcomes) {
                answer.send(Ok(outcome)).ok(); // who gave up waiting is gone
            }
            vec![ingested]
        }
        Err(error) if error.is_temporary() || error.is_conflict() => {
            warn!(%error, reports = deliveries.len(), "reports of calls were sent back");
            for (answer, _) in answers {
                answer.send(Err(Failure::Away)).ok(); // who gave up waiting is gone
            }
            Vec::new()
        }
        Err(error) => {
            // one of them cannot be written: it must not take the others with it
            if deliveries.len() > 1 {
                warn!(%error, reports = deliveries.len(), "reports are written one by one");
            }
            let mut written = Vec::new();
            for (delivery, (answer, _)) in deliveries.into_iter().zip(answers) {
                let (outcome, ingested) = alone(app, delivery).await;
                answer.send(outcome).ok(); // who gave up waiting is gone
                written.extend(ingested);
            }
            written
        }
    }
}

async fn alone(app: &App, delivery: Delivery) -> (Result<Outcome, Failure>, Option<Ingested>) {
    let delivery = std::slice::from_ref(&delivery);
    match attempt(app, delivery).await {
        Ok(ingested) => {
            let outcome = ingested.outcomes.first().copied();
            (outcome.ok_or(Failure::Refused), Some(ingested))
        }
        Err(error) if error.is_temporary() || error.is_conflict() => (Err(Failure::Away), None),
        Err(error) => {
            let upstream = delivery[0].upstream;
            error!(%upstream, %error, "a report of a call cannot be written and is dropped");
            (Err(Failure::Refused), None)
        }
    }
}

async fn attempt(app: &App, deliveries: &[Delivery]) -> store::Result<Ingested> {
    let mut tries = 1;
    loop {
        match app.store.ingest(deliveries, now()).await {
            Err(error) if error.is_conflict() && tries < TRIES => tries += 1,
            result => return result,
        }
    }
}
