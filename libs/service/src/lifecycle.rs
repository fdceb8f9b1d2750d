//! Beginning and end of a process: vital tasks, signals, a shutdown in two stages.
//!
//! Stage one, *drain*: nothing new is accepted, what runs is brought to its end; those who serve
//! the others (the consumer of events) end after the others. Stage two, *stop*: everything ends
//! now. A deadline lies between the two; a second signal skips it.
//!
//! **Invariant**: a vital task that ends, fails or panics before the drain was asked for ends the
//! process with an error.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info, info_span, warn};

/// From the stop until tasks are aborted: enough to close files and sockets.
pub const STOP_GRACE: Duration = Duration::from_secs(3);

/// Why the process ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A vital task ended although nobody asked for the end.
    #[error("{task} ended unexpectedly: {why}")]
    Vital {
        /// Which.
        task: &'static str,
        /// What it said.
        why: String,
    },
    /// Tasks were still running after drain and stop.
    #[error("{count} tasks did not end in time and were aborted")]
    Stuck {
        /// How many.
        count: usize,
    },
    /// The process cannot hear signals.
    #[error("signals cannot be received: {0}")]
    Signals(#[from] std::io::Error),
}

type Ended = (&'static str, anyhow::Result<()>);

/// The process's life. Cheap to clone; parts keep one to learn of the end and to start what must
/// not die.
#[derive(Clone)]
pub struct Lifecycle {
    drain: CancellationToken,
    drained: CancellationToken,
    stop: CancellationToken,
    deadline: Duration,
    vital: Arc<Mutex<JoinSet<Ended>>>,
    last: Arc<Mutex<JoinSet<Ended>>>,
    added: Arc<tokio::sync::Notify>,
}

impl Lifecycle {
    /// A life whose drain takes at most `deadline`.
    pub fn new(deadline: Duration) -> Self {
        Self {
            drain: CancellationToken::new(),
            drained: CancellationToken::new(),
            stop: CancellationToken::new(),
            deadline,
            vital: Arc::default(),
            last: Arc::default(),
            added: Arc::default(),
        }
    }

    /// Asks for the end.
    pub fn shut_down(&self) {
        self.drain.cancel();
    }

    /// Whether the end was asked for.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Resolves when the end was asked for: accept nothing new.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Resolves when the end was asked for and every task of [`Self::spawn_vital`] has ended:
    /// nobody is left to be served.
    pub async fn drained(&self) {
        self.drained.cancelled().await;
    }

    /// Resolves when everything must end now.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// The token behind [`Self::draining`].
    pub fn drain_token(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// The token behind [`Self::stopping`].
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a task without which the process is of no use. It must end by itself once
    /// [`Self::draining`] resolves; if it ends earlier, the process shuts down with an error.
    pub fn spawn_vital<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.spawn(&self.vital, name, task);
    }

    /// Runs a task that others depend on, and that is as vital: it must end by itself once
    /// [`Self::drained`] resolves, when the others have ended.
    pub fn spawn_last<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.spawn(&self.last, name, task);
    }

    fn spawn<F>(&self, tasks: &Mutex<JoinSet<Ended>>, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let span = info_span!("task", name);
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // the inner task catches a panic, so that its name is known
        tasks.spawn(
            async move {
                let inner = AbortOnDrop(tokio::spawn(task.in_current_span()));
                match inner.join().await {
                    Ok(ended) => (name, ended),
                    Err(panic) => (name, Err(anyhow::anyhow!("it panicked: {panic}"))),
                }
            }
            .instrument(span),
        );
        drop(tasks);
        self.added.notify_one();
    }

    /// Waits for SIGINT, SIGTERM, [`Self::shut_down`] or a vital task's end, then shuts down.
    ///
    /// # Errors
    /// The first failure of a vital task, or tasks that did not end in time.
    pub async fn run(self) -> Result<(), Failure> {
        let mut signals = Signals::new()?;
        let mut failure = None;
        tokio::select! {
            () = self.drain.cancelled() => {}
            name = signals.recv() => info!(signal = name, "shutting down"),
            (task, result) = self.next_ended() => {
                let why = why_ended(result);
                error!(task, why, "a vital task ended: shutting down");
                failure = Some(Failure::Vital { task, why });
            }
        }
        self.drain.cancel();
        let drained = tokio::select! {
            failed = self.all_ended() => Some(failed),
            name = signals.recv() => {
                warn!(signal = name, "second signal: stopping now");
                None
            }
            () = tokio::time::sleep(self.deadline) => {
                warn!(deadline = ?self.deadline, "not drained in time: stopping now");
                None
            }
        };
        self.drained.cancel();
        self.stop.cancel();
        let late = match drained {
            Some(failed) => failed,
            None => match tokio::time::timeout(STOP_GRACE, self.all_ended()).await {
                Ok(failed) => failed,
                Err(_) => Some(self.abort_all()),
            },
        };
        failure.or(late).map_or(Ok(()), Err)
    }

    /// The next task that ends; waits while there is none.
    async fn next_ended(&self) -> Ended {
        loop {
            let added = self.added.notified();
            tokio::select! {
                Some(ended) = next_of(&self.vital) => return ended,
                Some(ended) = next_of(&self.last) => return ended,
                () = added => {}
            }
        }
    }

    /// Waits until every task has ended, those that serve others last; gives the first failure.
    async fn all_ended(&self) -> Option<Failure> {
        let first = all_of(&self.vital).await;
        self.drained.cancel();
        let second = all_of(&self.last).await;
        first.or(second)
    }

    fn abort_all(&self) -> Failure {
        let mut count = 0;
        for tasks in [&self.vital, &self.last] {
            let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
            count += tasks.len();
            tasks.abort_all();
        }
        error!(count, "tasks did not end in time and were aborted");
        Failure::Stuck { count }
    }
}

/// The next task of a set that ends, `None` when none is left.
async fn next_of(tasks: &Mutex<JoinSet<Ended>>) -> Option<Ended> {
    std::future::poll_fn(|cx| {
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.poll_join_next(cx)
    })
    .await
    .map(|joined| joined.expect("only this module aborts, after it stopped waiting"))
}

async fn all_of(tasks: &Mutex<JoinSet<Ended>>) -> Option<Failure> {
    let mut failure = None;
    while let Some((task, result)) = next_of(tasks).await {
        if let Err(why) = result {
            let why = format!("{why:#}");
            error!(task, why, "a task failed while shutting down");
            failure.get_or_insert(Failure::Vital { task, why });
        }
    }
    failure
}

fn why_ended(result: anyhow::Result<()>) -> String {
    match result {
        Ok(()) => "it returned".to_owned(),
        Err(error) => format!("{error:#}"),
    }
}

/// A task that does not outlive whoever waits for it.
struct AbortOnDrop(tokio::task::JoinHandle<anyhow::Result<()>>);

impl AbortOnDrop {
    async fn join(mut self) -> Result<anyhow::Result<()>, tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn recv(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life() -> Lifecycle {
        Lifecycle::new(Duration::from_secs(5))
    }

    #[tokio::test(start_paused = true)]
    async fn a_vital_task_that_returns_ends_the_process_with_its_name() {
        let life = life();
        let other = life.clone();
        life.spawn_vital("steady", async move {
            other.draining().await;
            Ok(())
        });
        life.spawn_vital("flaky", async { Ok(()) });
        let failure = life.run().await.unwrap_err().to_string();
        assert_eq!(failure, "flaky ended unexpectedly: it returned");
    }

    #[tokio::test(start_paused = true)]
    async fn a_vital_task_that_panics_is_named_too() {
        let life = life();
        life.spawn_vital("fragile", async { panic!("made of glass") });
        let failure = life.run().await.unwrap_err().to_string();
        assert!(failure.starts_with("fragile ended unexpectedly: it panicked"));
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_that_end_on_drain_end_the_process_well() {
        let life = life();
        let other = life.clone();
        life.spawn_vital("drains", async move {
            other.draining().await;
            tokio::time::sleep(Duration::from_secs(4)).await;
            Ok(())
        });
        life.shut_down();
        life.run().await.expect("in time");
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_serve_others_end_after_the_others() {
        let life = life();
        let order = Arc::new(Mutex::new(Vec::new()));
        let (served, serving) = (life.clone(), life.clone());
        let (first, second) = (order.clone(), order.clone());
        life.spawn_last("serving", async move {
            serving.drained().await;
            second.lock().unwrap().push("serving");
            Ok(())
        });
        life.spawn_vital("served", async move {
            served.draining().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            first.lock().unwrap().push("served");
            Ok(())
        });
        life.shut_down();
        life.run().await.expect("in time");
        assert_eq!(*order.lock().unwrap(), ["served", "serving"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_stops_what_does_not_drain_and_then_aborts() {
        let life = life();
        let other = life.clone();
        life.spawn_vital("stops", async move {
            other.stopping().await;
            Ok(())
        });
        life.spawn_vital("stuck", std::future::pending());
        life.shut_down();
        let failure = life.run().await.unwrap_err();
        assert!(matches!(failure, Failure::Stuck { count: 1 }), "{failure}");
    }
}
