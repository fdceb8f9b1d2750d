//! Outgoing webhooks: what is owed is sent, and sent again until it is taken.
//!
//! The rows of the outbox are the queue. Whoever sends one holds its row until the attempt is over,
//! so several processes on one database send each once; a process that dies in an attempt may have
//! sent it, and it is sent again. What is sent for one subscription is in no particular order.

mod sign;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue};
use secrecy::SecretString;
use sidetone_service::dial::{Answer, DialError, Dialler, Policy, Refusal};
use sidetone_service::{Lifecycle, clock, random};
use sidetone_vault::{KeyError, Keyring};
use sidetone_wire::{DeliveryState, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use crate::app::{App, now};
use crate::metrics;
use crate::store::{Attempted, DeliveryLease, Outgoing};

/// How often it is looked for rows that became due; changes of calls are told at once.
const LOOK: Duration = Duration::from_secs(1);
/// Webhooks sent at once.
const AT_ONCE: usize = 64;
/// Of these, for one subscription: one that hangs holds up no other.
const AT_ONCE_EACH: usize = 4;
/// How long a row is ours: longer than an attempt can take.
const LEASE: Duration = Duration::from_mins(1);
/// Before the second attempt; four times as long before each further one.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait that we choose.
const LAST_WAIT: Duration = Duration::from_hours(6);
/// The longest wait that a receiver may ask for.
const ASKED_WAIT: Duration = Duration::from_hours(24);
/// After this a delivery is given up, and a subscription that took nothing for as long is switched
/// off.
const PATIENCE: Duration = Duration::from_hours(3 * 24);
/// How long what is over stays in the log.
const LOG: Duration = Duration::from_hours(14 * 24);
/// How often the log is tidied.
const TIDY: Duration = Duration::from_mins(5);
/// Deliveries that may wait for one subscription.
const WAITING_MAX: u32 = 50_000;

const GONE: &str = "its receiver answered 410 Gone";
const DEAF: &str = "it took nothing for three days";

/// Sends webhooks.
pub(crate) struct Webhooks {
    dialler: Dialler,
    keyring: Keyring,
    /// There is something to send.
    pub(crate) wake: Notify,
}

/// What a subscription's secret is bound to where it is kept.
pub(crate) fn secret_context(subscription: Uuid) -> String {
    format!("webhook subscription {subscription}")
}

/// What came of one attempt.
enum Sent {
    Taken(u16),
    Gone,
    /// Not taken: the status if there was one, why, and how long to wait if it says so.
    Refused(Option<u16>, String, Option<Duration>),
    /// It will never be dialled.
    Never(String),
}

fn after(at: Timestamp, wait: Duration) -> Timestamp {
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(at.unix_ms().saturating_add(wait))
}

/// Until when whoever begins to send something now has it for themselves.
pub(crate) fn leased() -> Timestamp {
    after(now(), LEASE)
}

/// How long to wait after so many attempts.
fn wait(attempts: u32) -> Duration {
    let factor = 4_u32.saturating_pow(attempts.saturating_sub(1).min(15));
    random::jittered(FIRST_WAIT.saturating_mul(factor).min(LAST_WAIT))
}

impl Webhooks {
    /// # Errors
    /// When there is no TLS.
    pub(crate) fn new(keyring: Keyring, loopback: bool) -> anyhow::Result<Self> {
        Self::with_policy(keyring, Policy::webhooks(loopback))
    }

    fn with_policy(keyring: Keyring, policy: Policy) -> anyhow::Result<Self> {
        Ok(Self {
            dialler: Dialler::new(policy)?,
            keyring,
            wake: Notify::new(),
        })
    }

    /// Judges where webhooks are to go.
    pub(crate) fn check(&self, url: &str) -> Result<(), Refusal> {
        let start = url.get(..2).unwrap_or_default();
        if start.eq_ignore_ascii_case("ws") {
            let scheme = url.chars().take_while(|c| *c != ':').take(16).collect();
            return Err(Refusal::Scheme(scheme));
        }
        self.dialler.check(url)
    }

    /// A new secret, and how it is kept.
    pub(crate) fn new_secret(&self, subscription: Uuid) -> Result<(String, String), KeyError> {
        let secret = sign::new_secret();
        let kept = SecretString::from(secret.clone());
        let wrapped = self
            .keyring
            .wrap_secret(&secret_context(subscription), &kept)?;
        Ok((secret, wrapped))
    }

    /// One attempt at what is ours.
    async fn send(&self, outgoing: &Outgoing, at: Timestamp) -> Sent {
        let headers = match self.headers(outgoing, at) {
            Ok(headers) => headers,
            Err(error) => {
                let why = format!("the secret cannot be read: {error}");
                return Sent::Refused(None, why, None);
            }
        };
        let body = outgoing.payload.clone();
        match self.dialler.post(&outgoing.url, headers, body).await {
            Ok(answer) => answered(&answer, at),
            Err(DialError::Refused(refusal @ Refusal::Address { .. })) => {
                // its name may lead elsewhere again
                Sent::Refused(None, refusal.to_string(), None)
            }
            Err(DialError::Refused(refusal)) => Sent::Never(refusal.to_string()),
            Err(error) => Sent::Refused(None, error.to_string(), None),
        }
    }

    fn headers(&self, outgoing: &Outgoing, at: Timestamp) -> Result<HeaderMap, KeyError> {
        let context = secret_context(outgoing.subscription);
        let mut secrets = Vec::new();
        for wrapped in &outgoing.secrets {
            secrets.push(self.keyring.unwrap_secret(&context, wrapped)?);
        }
        let seconds = (at.unix_ms() / 1000).to_string();
        let (id, body) = (&outgoing.message_id, &outgoing.payload);
        let signature = sign::signatures(&secrets, id, &seconds, body);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let agent = concat!("Sidetone-Webhooks/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        let ours = [
            ("webhook-id", id),
            ("webhook-timestamp", &seconds),
            ("webhook-signature", &signature),
        ];
        for (name, value) in ours {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        Ok(headers)
    }
}

fn answered(answer: &Answer, at: Timestamp) -> Sent {
    let status = answer.status();
    match status {
        200..=299 => Sent::Taken(status),
        410 => Sent::Gone,
        _ => {
            let asks = matches!(status, 429 | 503);
            let asked = answer.headers().get(RETRY_AFTER).filter(|_| asks);
            let asked = asked.and_then(|value| retry_after(value.to_str().ok()?, at));
            let why = format!("it answered with status {status}");
            Sent::Refused(Some(status), why, asked)
        }
    }
}

/// Reads `Retry-After`: seconds, or a date.
fn retry_after(text: &str, at: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let asked = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?;
        let until = Timestamp::from_unix_ms(date.timestamp().as_millisecond());
        Duration::from_millis(until.ms_since(at))
    };
    Some(asked.min(ASKED_WAIT))
}

/// What an attempt means for the row and the subscription.
fn judge(outgoing: &Outgoing, sent: Sent, took: Duration, at: Timestamp) -> Attempted {
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let mut attempted = Attempted {
        state: DeliveryState::Failed,
        status: None,
        error: None,
        duration_ms,
        next: None,
        disable: None,
    };
    match sent {
        Sent::Taken(status) => {
            attempted.state = DeliveryState::Delivered;
            attempted.status = Some(status);
        }
        Sent::Gone => {
            attempted.status = Some(410);
            attempted.error = Some(GONE.to_owned());
            attempted.disable = Some(GONE);
        }
        Sent::Never(why) => attempted.error = Some(why),
        Sent::Refused(status, why, asked) => {
            attempted.status = status;
            let wait = asked.unwrap_or_default().max(wait(outgoing.attempts));
            let next = after(at, wait);
            if next <= after(outgoing.created_at, PATIENCE) {
                attempted.state = DeliveryState::Pending;
                attempted.next = Some(next);
            }
            attempted.error = Some(why);
            let deaf = outgoing
                .failing_since
                .is_some_and(|since| after(since, PATIENCE) <= at);
            attempted.disable = deaf.then_some(DEAF);
        }
    }
    attempted
}

impl App {
    /// One attempt at a due row, unless somebody was faster. `once`: it is not tried again.
    pub(crate) async fn deliver(
        &self,
        seen: DeliveryLease,
        once: bool,
    ) -> crate::store::Result<()> {
        let lease = DeliveryLease {
            id: seen.id,
            until: leased(),
        };
        let claimed = self.store.claim_delivery(seen, lease.until, now()).await?;
        let Some(outgoing) = claimed else {
            return Ok(());
        };
        let start = clock::now();
        let sent = self.webhooks.send(&outgoing, now()).await;
        let took = clock::now() - start;
        let mut attempted = judge(&outgoing, sent, took, now());
        if once && attempted.state == DeliveryState::Pending {
            attempted.state = DeliveryState::Failed;
            attempted.next = None;
        }
        metrics::webhook_sent(attempted.state, took);
        let subscription = outgoing.subscription;
        if attempted.state != DeliveryState::Delivered {
            let error = attempted.error.as_deref().unwrap_or_default();
            debug!(%subscription, attempts = outgoing.attempts, error, "a webhook was not taken");
        }
        let noted = self.store.attempted(lease, &outgoing, &attempted, now());
        if let Some(raised) = noted.await? {
            warn!(%subscription, why = attempted.disable, "a webhook subscription is switched off");
            self.tell_alert(&raised).await;
        }
        Ok(())
    }
}

/// Sends until the process drains, then lets what is being sent come to its end.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(LOOK);
    let mut tidy = tokio::time::interval(TIDY);
    for ticks in [&mut look, &mut tidy] {
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    let mut sending: JoinSet<Uuid> = JoinSet::new();
    let mut each: HashMap<Uuid, usize> = HashMap::new();
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = app.webhooks.wake.notified() => {}
            Some(sent) = sending.join_next() => {
                if let Ok(subscription) = sent {
                    end(&mut each, subscription);
                }
            }
            _ = tidy.tick() => tidy_up(&app).await,
            () = lifecycle.draining() => break,
        }
        if let Err(error) = begin(&app, &mut sending, &mut each).await {
            error!(%error, "webhooks that are due could not be looked for; tried again soon");
        }
    }
    loop {
        tokio::select! {
            sent = sending.join_next() => if sent.is_none() { return Ok(()) },
            () = lifecycle.stopping() => return Ok(()),
        }
    }
}

fn end(each: &mut HashMap<Uuid, usize>, subscription: Uuid) {
    if let Some(count) = each.get_mut(&subscription) {
        *count -= 1;
        if *count == 0 {
            each.remove(&subscription);
        }
    }
}

/// Begins to send what is due, a few for each subscription.
async fn begin(
    app: &Arc<App>,
    sending: &mut JoinSet<Uuid>,
    each: &mut HashMap<Uuid, usize>,
) -> crate::store::Result<()> {
    if sending.len() >= AT_ONCE {
        return Ok(());
    }
    // as many as can have something in flight, and others behind them
    let looked_at = 2 * AT_ONCE as u32;
    for subscription in app.store.due_subscriptions(now(), looked_at).await? {
        let busy = each.get(&subscription).copied().unwrap_or(0);
        let free = AT_ONCE_EACH
            .saturating_sub(busy)
            .min(AT_ONCE - sending.len());
        if free == 0 {
            continue;
        }
        let due = app.store.due_deliveries(subscription, now(), free as u32);
        for lease in due.await? {
            *each.entry(subscription).or_default() += 1;
            let app = app.clone();
            sending.spawn(async move {
                if let Err(error) = app.deliver(lease, false).await {
                    error!(%error, "what came of a webhook could not be noted; it is sent again");
                }
                subscription
            });
        }
    }
    Ok(())
}

async fn tidy_up(app: &App) {
    let before = Timestamp::from_unix_ms(now().unix_ms() - LOG.as_millis() as i64);
    match app.store.forget_deliveries(before, now()).await {
        Ok(0) => {}
        Ok(count) => info!(count, "old webhook deliveries left the log"),
        Err(error) => error!(%error, "old webhook deliveries could not be dropped"),
    }
    match app.store.switch_off_choked(WAITING_MAX, now()).await {
        Ok(raised) => app.tell_alerts(&raised).await,
        Err(error) => error!(%error, "subscriptions could not be checked for what waits"),
    }
}

#[cfg(test)]
mod tests;
