//! Recordings that vendors made: fetched in the background into our own store, encrypted like our
//! takes.
//!
//! A URL arrives by webhook; from then on the row in the database is the queue. Whatever happens
//! to a fetch, the row becomes due again, until the file is stored, it turns out to be none, or
//! three days have passed.

mod download;
mod sniff;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use sidetone_service::dial::{Dialler, Limits, Policy, Refusal};
use sidetone_service::{Lifecycle, clock, random};
use sidetone_vault::{DataKey, KeyError, Keyring, Put, StoreError};
use sidetone_wire::{CallId, Channel, Party, RecordingId, TenantId, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{Instrument as _, error, info, info_span, warn};

use crate::app::{App, now};
use crate::metrics;
use crate::store::{self, Fetch, Fetched, Lease, NewFetch, NotedUrl, Store};
use download::{Downloaded, Trouble, download};

/// How often it is looked for rows that became due; new ones are told at once.
const LOOK: Duration = Duration::from_secs(10);
/// Files fetched at once: bounded by what the line and the disk bear beside live calls.
const AT_ONCE: u32 = 4;

/// How patient fetching is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How long a row is ours without being renewed.
    lease: Duration,
    /// How long it is ours while the file is put into the store, which is not interrupted.
    putting: Duration,
    /// Before the second attempt; doubled each time.
    first_wait: Duration,
    /// The longest wait.
    last_wait: Duration,
    /// After this it is given up.
    patience: Duration,
    /// Of one answer.
    limits: Limits,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            lease: Duration::from_mins(2),
            putting: Duration::from_mins(15),
            first_wait: Duration::from_secs(30),
            last_wait: Duration::from_hours(6),
            patience: Duration::from_hours(3 * 24),
            limits: Limits::RECORDINGS,
        }
    }
}

/// Why a URL is not noted.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// Nothing is known of the vendor's hosts.
    #[error("the vendor is not known")]
    UnknownVendor,
    /// There is no such call.
    #[error("there is no such call")]
    UnknownCall,
    /// The URL is not one that would be opened.
    #[error("the URL is refused: {0}")]
    Refused(#[from] Refusal),
    /// The URL cannot be kept, or the database is away.
    #[error("it cannot be noted: {0}")]
    Unavailable(#[from] anyhow::Error),
}

/// Where URLs of vendors' recordings are noted. Cheap to clone.
#[derive(Clone)]
pub struct VendorRecordings(pub(crate) Arc<App>);

impl VendorRecordings {
    /// Notes where a vendor keeps a call's recording, to be fetched into our store. Gives the
    /// recording that it will be; `None` when it is known already, or nothing of the call may be
    /// kept.
    ///
    /// # Errors
    /// When the call or the vendor is not known, or the URL is not one that would be opened.
    pub async fn note(
        &self,
        call: CallId,
        vendor: &str,
        url: &SecretString,
    ) -> Result<Option<RecordingId>, NoteError> {
        self.0.fetching.note(call, vendor, url).await
    }
}

/// What fetching needs of the control plane.
pub(crate) struct Fetching {
    store: Store,
    objects: sidetone_vault::Store,
    keyring: Keyring,
    /// Of files on their way, encrypted; emptied at the start.
    folder: PathBuf,
    /// Vendors may be on this machine: tests and the demo.
    loopback: bool,
    pace: Pace,
    /// There is something new.
    wake: Notify,
}

impl Fetching {
    /// Keeps files on their way in `folder`, from which it removes what a former process left.
    pub(crate) fn new(
        store: Store,
        objects: sidetone_vault::Store,
        keyring: Keyring,
        folder: &Path,
        loopback: bool,
    ) -> std::io::Result<Self> {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        std::fs::create_dir_all(folder)?;
        Ok(Self {
            store,
            objects,
            keyring,
            folder: folder.to_owned(),
            loopback,
            pace: Pace::default(),
            wake: Notify::new(),
        })
    }

    fn dialler(&self, vendor: &str) -> anyhow::Result<Option<Dialler>> {
        let policy = Policy::recordings(vendor, self.loopback);
        let policy = policy.map(|policy| Policy {
            limits: self.pace.limits,
            ..policy
        });
        policy.map(Dialler::new).transpose()
    }

    /// Notes where a vendor keeps a call's recording; it is fetched soon. Gives the recording it
    /// will be; `None` when it is known already, or nothing of the call may be kept.
    pub(crate) async fn note(
        &self,
        call: CallId,
        vendor: &str,
        url: &SecretString,
    ) -> Result<Option<RecordingId>, NoteError> {
        let new = self.seal(call, vendor, url)?;
        let id = new.id;
        let noted = self.store.note_vendor_recording(&new, now()).await;
        match noted.map_err(anyhow::Error::from)? {
            NotedUrl::New => {
                self.wake.notify_one();
                Ok(Some(id))
            }
            NotedUrl::Idle => Ok(None),
            NotedUrl::UnknownCall => Err(NoteError::UnknownCall),
        }
    }
}

impl Fetching {
    /// What noting a URL writes, for those who write it with something else; they `look` after
    /// the commit.
    pub(crate) fn seal(
        &self,
        call: CallId,
        vendor: &str,
        url: &SecretString,
    ) -> Result<NewFetch, NoteError> {
        let policy = Policy::recordings(vendor, self.loopback);
        let policy = policy.ok_or(NoteError::UnknownVendor)?;
        policy.check(url.expose_secret())?;
        let id = RecordingId(clock::new_id());
        let wrapped = self.keyring.wrap_secret(&context(id), url);
        let hash = Sha256::new()
            .chain_update(vendor)
            .chain_update([0])
            .chain_update(unsigned(url.expose_secret()))
            .finalize();
        Ok(NewFetch {
            id,
            call,
            vendor: vendor.to_owned(),
            url: wrapped.map_err(anyhow::Error::from)?,
            url_hash: hex::encode(hash),
        })
    }

    /// There may be something new.
    pub(crate) fn look(&self) {
        self.wake.notify_one();
    }
}

/// A URL without its query where that is a signature, which is another one each time that the
/// vendor names the same file.
fn unsigned(url: &str) -> &str {
    match url.split_once('?') {
        Some((file, query)) if query.contains("Signature=") => file,
        Some(_) | None => url,
    }
}

/// What a row's URL is encrypted for.
fn context(id: RecordingId) -> String {
    format!("vendor recording {id}")
}

/// Fetches until the process drains. What is being fetched then is fetched again by the next one.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut fetches = JoinSet::new();
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = app.fetching.wake.notified() => {}
            Some(_) = fetches.join_next() => {}
            () = lifecycle.draining() => return Ok(()),
        }
        let free = AT_ONCE.saturating_sub(fetches.len() as u32);
        if free == 0 {
            continue;
        }
        match app.fetching.store.due_fetches(now(), free).await {
            Ok(due) => {
                for lease in due {
                    let app = app.clone();
                    let span = info_span!("vendor_recording", recording = %lease.id);
                    fetches.spawn(
                        async move {
                            if let Some((tenant, call)) = app.fetching.fetch(lease).await {
                                app.tell_call(tenant, call).await;
                            }
                        }
                        .instrument(span),
                    );
                }
            }
            Err(error) => error!(%error, "vendors' recordings cannot be looked for"),
        }
    }
}

impl Fetching {
    /// One attempt at a due row; gives whose call changed by it.
    async fn fetch(&self, due: Lease) -> Option<(TenantId, CallId)> {
        let until = after(now(), self.pace.lease);
        let fetch = match self.store.claim_fetch(due, until).await {
            Ok(Some(fetch)) => fetch,
            Ok(None) => return None,
            Err(error) => {
                error!(%error, "a vendor's recording cannot be claimed");
                return None;
            }
        };
        let changed = Some((fetch.tenant, fetch.call));
        let mut held = Held {
            fetching: self,
            lease: Lease { id: due.id, until },
            renewed: clock::now(),
        };
        let whole = self.pace.limits.total;
        let attempt = tokio::time::timeout(whole, Box::pin(self.once(&fetch, &mut held)));
        let result = attempt.await.unwrap_or_else(|_| {
            let why = format!("it takes longer than {whole:?}");
            Err(Failed::later(why))
        });
        match result {
            Ok(()) => {
                metrics::vendor_fetch("stored");
                info!(vendor = fetch.vendor, "a vendor's recording is stored");
                changed
            }
            Err(failed) => self
                .failed(&fetch, held.lease, failed)
                .await
                .then_some(changed)
                .flatten(),
        }
    }

    async fn once(&self, fetch: &Fetch, held: &mut Held<'_>) -> Result<(), Failed> {
        let id = held.lease.id;
        let url = self.keyring.unwrap_secret(&context(id), &fetch.url)?;
        let dialler = self
            .dialler(&fetch.vendor)
            .map_err(|e| Failed::later(e.to_string()))?;
        let dialler = dialler.ok_or_else(|| Failed::never("the vendor is not known".to_owned()))?;
        let key = DataKey::generate()?;
        let most = self.pace.limits.bytes;
        let whole = download(
            &dialler,
            url.expose_secret(),
            &self.folder,
            &key,
            most,
            held,
        )
        .await?;
        let fetched = self.describe(fetch, id, &key, &whole)?;
        self.keep(fetch, held, &fetched, &whole).await
    }

    fn describe(
        &self,
        fetch: &Fetch,
        id: RecordingId,
        key: &DataKey,
        whole: &Downloaded,
    ) -> Result<Fetched, Failed> {
        let at = fetch.call_started_at.to_string();
        let (year, month) = (at.get(..4), at.get(5..7));
        let (year, month) = (year.unwrap_or("0000"), month.unwrap_or("00"));
        // vendors put the customer left, as we do
        let parties = match whole.sound.channels {
            2 => &[Party::Customer, Party::Agent][..],
            _ => &[],
        };
        let channels = parties.iter().zip(0..).map(|(party, index)| Channel {
            index,
            party: *party,
            name: None,
        });
        Ok(Fetched {
            format: whole.sound.kind.as_str(),
            duration_ms: whole.sound.duration_ms,
            channels: channels.collect(),
            bytes: whole.sealed.plain_bytes,
            sha256: whole.sealed.plain_sha256.clone(),
            object: format!("objects/{}/{year}/{month}/{id}.enc", fetch.slug),
            key: self.keyring.wrap(key, &fetch.slug, id)?,
        })
    }

    /// Books the file, puts it into the store, and says that it is there.
    async fn keep(
        &self,
        fetch: &Fetch,
        held: &mut Held<'_>,
        fetched: &Fetched,
        whole: &Downloaded,
    ) -> Result<(), Failed> {
        let until = after(now(), self.pace.putting);
        let lease = held.lease;
        if !self.store.book_fetch(lease, fetch, fetched, until).await? {
            return Err(Trouble::NotOurs.into());
        }
        held.lease.until = until;
        self.put(&fetched.object, whole.file.path()).await?;
        if !self
            .store
            .finish_fetch(held.lease, fetch, fetched, now())
            .await?
        {
            // erased while it was put there: its key is gone, and so shall be its bytes
            self.objects.erase(&fetched.object).await?;
            return Err(Trouble::NotOurs.into());
        }
        Ok(())
    }

    /// Puts a file under a name that is only ours, over what an attempt that did not live to say so
    /// has left there.
    async fn put(&self, name: &str, file: &Path) -> Result<Put, StoreError> {
        match self.objects.put_file(name, file).await {
            Err(StoreError::Exists) => {
                self.objects.erase(name).await?;
                self.objects.put_file(name, file).await
            }
            put => put,
        }
    }

    /// Notes a failure; gives whether it is the end of it.
    async fn failed(&self, fetch: &Fetch, lease: Lease, failed: Failed) -> bool {
        let Failed { why, again } = failed;
        if again == Again::NotOurs {
            metrics::vendor_fetch("withdrawn");
            return false;
        }
        let noted_at = noted_at(lease.id);
        let next = after(now(), self.wait(fetch.attempts));
        let patient = next.ms_since(noted_at) < self.pace.patience.as_millis() as u64;
        let vendor = &fetch.vendor;
        if again == Again::Later && patient {
            metrics::vendor_fetch("postponed");
            warn!(vendor, why, %next, "a vendor's recording was not fetched: tried again");
            let noted = self.store.postpone_fetch(lease, &why, next).await;
            told(noted);
            return false;
        }
        metrics::vendor_fetch("given_up");
        let attempts = fetch.attempts;
        error!(vendor, why, attempts, "a vendor's recording is given up");
        let text = format!("the vendor's recording could not be fetched: {why}");
        told(self.store.give_up_fetch(lease, fetch, &text, now()).await).unwrap_or(false)
    }

    fn wait(&self, attempts: u32) -> Duration {
        let doubled = self
            .pace
            .first_wait
            .saturating_mul(1 << attempts.saturating_sub(1).min(20));
        random::jittered(doubled.min(self.pace.last_wait))
    }
}

fn told<T>(noted: store::Result<T>) -> Option<T> {
    noted
        .inspect_err(|error| error!(%error, "what became of a vendor's recording is not noted"))
        .ok()
}

fn after(at: Timestamp, wait: Duration) -> Timestamp {
    Timestamp::from_unix_ms(at.unix_ms() + wait.as_millis() as i64)
}

/// When a URL arrived: its id was made then.
fn noted_at(id: RecordingId) -> Timestamp {
    let at = id.0.get_timestamp().map_or(0, |at| {
        let (seconds, nanos) = at.to_unix();
        seconds.cast_signed() * 1000 + i64::from(nanos) / 1_000_000
    });
    Timestamp::from_unix_ms(at)
}

/// When it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Later,
    Never,
    /// It is no affair of ours any more.
    NotOurs,
}

/// Why an attempt failed.
#[derive(Debug)]
struct Failed {
    /// Holds nothing of the URL but its host.
    why: String,
    again: Again,
}

impl Failed {
    fn later(why: String) -> Self {
        let again = Again::Later;
        Self { why, again }
    }

    fn never(why: String) -> Self {
        let again = Again::Never;
        Self { why, again }
    }
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        let again = if matches!(trouble, Trouble::NotOurs) {
            Again::NotOurs
        } else if trouble.is_temporary() {
            Again::Later
        } else {
            Again::Never
        };
        Self {
            why: trouble.to_string(),
            again,
        }
    }
}

impl From<KeyError> for Failed {
    fn from(error: KeyError) -> Self {
        Self::later(error.to_string())
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::later(error.to_string())
    }
}

impl From<store::Error> for Failed {
    fn from(error: store::Error) -> Self {
        Self::later(error.to_string())
    }
}

/// A row that we hold, renewed while its file comes.
struct Held<'a> {
    fetching: &'a Fetching,
    lease: Lease,
    renewed: Instant,
}

impl Held<'_> {
    /// Asked while the file comes: whether it is still wanted.
    async fn still(&mut self) -> Result<(), Trouble> {
        let pace = self.fetching.pace;
        if clock::now() - self.renewed < pace.lease / 4 {
            return Ok(());
        }
        let until = after(now(), pace.lease);
        if !self.fetching.store.renew_fetch(self.lease, until).await? {
            return Err(Trouble::NotOurs);
        }
        self.lease.until = until;
        self.renewed = clock::now();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
