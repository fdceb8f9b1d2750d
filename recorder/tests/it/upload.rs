//! From the spool to the store, with ledgers and stores that fail.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use recorder::Recorder;
use sidetone_fleet::ledger::{Ledger, LedgerError, MemoryLedger};
use sidetone_fleet::take::{Recorder as _, TakeStart};
use sidetone_media::MediaTime;
use sidetone_service::clock;
use sidetone_vault::Store;
use sidetone_wire::{
    Booked, Booking, CallId, Manifest, Party, RecordingId, RecordingRule, SpoolClaim, TakeState,
    Timestamp, WrappedKey,
};
use uuid::Uuid;

use crate::support::{self, Coder, DEADLINE, MS, Voice};

/// What a booking meets.
type Mood = Box<dyn Fn(&Booking) -> Answer + Send + Sync>;

enum Answer {
    Asked,
    Say(Result<Booked, LedgerError>),
    Hang,
}

/// A ledger with moods.
#[derive(Default)]
struct Moody {
    inner: MemoryLedger,
    mood: Mutex<Option<Mood>>,
    booking_now: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Moody {
    fn set(&self, mood: impl Fn(&Booking) -> Answer + Send + Sync + 'static) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(mood));
    }

    fn answer(&self, booking: &Booking) -> Answer {
        let mood = self.mood.lock().unwrap_or_else(PoisonError::into_inner);
        mood.as_ref().map_or(Answer::Asked, |mood| mood(booking))
    }

    fn stored(&self) -> Vec<Manifest> {
        let all = self.inner.bookings().into_iter();
        all.filter(|booking| booking.state == TakeState::Stored)
            .map(|booking| booking.manifest)
            .collect()
    }
}

#[async_trait::async_trait]
impl Ledger for Moody {
    async fn claim_spool(&self, claim: &SpoolClaim) -> Result<Uuid, LedgerError> {
        self.inner.claim_spool(claim).await
    }

    async fn confirm_spool(&self, spool: Uuid, token: Uuid) -> Result<(), LedgerError> {
        self.inner.confirm_spool(spool, token).await
    }

    async fn recording_rule(&self, call: CallId) -> Result<RecordingRule, LedgerError> {
        self.inner.recording_rule(call).await
    }

    async fn book(&self, booking: &Booking) -> Result<Booked, LedgerError> {
        let now = self.booking_now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        // so that others come meanwhile, if they may
        tokio::task::yield_now().await;
        let answer = match self.answer(booking) {
            Answer::Asked => self.inner.book(booking).await,
            Answer::Say(answer) => answer,
            Answer::Hang => std::future::pending().await,
        };
        self.booking_now.fetch_sub(1, Ordering::SeqCst);
        answer
    }

    async fn lost(&self, recording: RecordingId, error: &str) -> Result<(), LedgerError> {
        self.inner.lost(recording, error).await
    }

    async fn find(
        &self,
        recording: RecordingId,
    ) -> Result<Option<(TakeState, Option<WrappedKey>)>, LedgerError> {
        self.inner.find(recording).await
    }
}

/// A recorder whose ledger and store can be troubled.
struct Desk {
    folder: tempfile::TempDir,
    ledger: Arc<Moody>,
    recorder: Recorder,
}

impl Desk {
    async fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap(), Arc::default()).await
    }

    async fn open(folder: tempfile::TempDir, ledger: Arc<Moody>) -> Self {
        let mut settings = support::settings(folder.path());
        settings.max_takes = 1_000;
        let store = Store::local(&folder.path().join("store")).unwrap();
        let recorder = recorder::load(settings, store, ledger.clone())
            .await
            .unwrap();
        Self {
            folder,
            ledger,
            recorder,
        }
    }

    /// The next process on the same folder. This one stops where it is.
    async fn restart(self) -> Self {
        assert!(self.recorder.shutdown(DEADLINE).await);
        self.ledger.set(|_| Answer::Asked);
        Self::open(self.folder, self.ledger).await
    }

    /// Records and ends short takes.
    fn takes(&self, number: usize) -> Vec<RecordingId> {
        let mut voice = Voice::new(440.0, Coder::Silk);
        let packets = voice.talk(0, 60);
        let take = |_| {
            let recording = RecordingId(clock::new_id());
            let mut take = self
                .recorder
                .begin(TakeStart {
                    recording,
                    call: CallId(clock::new_id()),
                    tenant: "acme".into(),
                    started_at: Timestamp::from_unix_ms(1_793_000_000_000),
                })
                .unwrap();
            take.name(Party::Customer, "Erika Mustermann");
            for packet in &packets {
                take.write(Party::Customer, packet);
            }
            take.end(MediaTime::from_samples(60 * MS));
            recording
        };
        (0..number).map(take).collect()
    }

    fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    /// What the spool has of takes.
    fn spooled(&self) -> Vec<String> {
        let names = names(&self.spool());
        let of_takes = |name: &String| Uuid::parse_str(name.split('.').next().unwrap()).is_ok();
        names.into_iter().filter(of_takes).collect()
    }

    /// What the store has.
    fn objects(&self) -> Vec<String> {
        names(&self.folder.path().join("store/objects/acme/2026/10"))
    }

    async fn all_stored(&self, takes: usize) {
        until("all takes are stored", || {
            self.ledger.stored().len() == takes && self.spooled().is_empty()
        })
        .await;
        assert_eq!(
            self.objects().len(),
            2 * takes,
            "an object and a manifest each"
        );
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = clock::now() + DEADLINE;
    while !condition() {
        assert!(clock::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn away() -> Answer {
    Answer::Say(Err(LedgerError::Away("out for lunch".into())))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_take_is_stored_once_and_leaves_the_spool() {
    let desk = Desk::new().await;
    let mut takes = desk.takes(3);
    takes.sort();
    desk.all_stored(3).await;
    let stored = desk.ledger.stored();
    for (manifest, take) in stored.iter().zip(&takes) {
        assert_eq!(manifest.recording, *take);
        assert_eq!(manifest.object, format!("objects/acme/2026/10/{take}.enc"));
    }
    until("the backlog is empty", || {
        let backlog = desk.recorder.backlog();
        (backlog.uploading, backlog.error) == (0, None)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_store_has_no_names_no_key_and_no_sound_that_can_be_read() {
    let desk = Desk::new().await;
    let take = desk.takes(1)[0];
    desk.all_stored(1).await;
    let folder = desk.folder.path().join("store/objects/acme/2026/10");
    let manifest = std::fs::read_to_string(folder.join(format!("{take}.json"))).unwrap();
    let booking = desk.ledger.inner.booked(take).unwrap();
    assert!(!manifest.contains("Mustermann") && !manifest.contains(&booking.key.wrapped));
    let read: Manifest = serde_json::from_str(&manifest).unwrap();
    assert_eq!(read.key_id, Some(booking.key.key_id));
    assert_eq!(read.sha256, booking.manifest.sha256);
    let names = booking
        .manifest
        .channels
        .iter()
        .map(|channel| channel.name.as_deref());
    assert!(names.flatten().any(|name| name == "Erika Mustermann"));
    let object = std::fs::read(folder.join(format!("{take}.enc"))).unwrap();
    for mark in [&b"OggS"[..], b"OpusHead", b"OpusTags"] {
        assert!(!object.windows(mark.len()).any(|window| window == mark));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_wait_for_a_ledger_that_is_away_and_say_so() {
    let desk = Desk::new().await;
    desk.ledger.set(|_| away());
    desk.takes(40);
    until("the backlog says why", || {
        let backlog = desk.recorder.backlog();
        backlog.waiting + backlog.uploading == 40 && backlog.error.is_some()
    })
    .await;
    let error = desk.recorder.backlog().error.unwrap();
    assert!(error.contains("out for lunch"), "{error}");
    assert_eq!(desk.objects(), [""; 0]);
    desk.ledger.set(|_| Answer::Asked);
    desk.all_stored(40).await;
    until("the backlog is empty", || {
        let backlog = desk.recorder.backlog();
        (backlog.waiting, backlog.error) == (0, None)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_wait_for_a_store_that_is_away() {
    let desk = Desk::new().await;
    // a file where its folders should be
    let objects = desk.folder.path().join("store/objects");
    std::fs::write(&objects, b"").unwrap();
    desk.takes(40);
    until("the backlog says why", || {
        desk.recorder
            .backlog()
            .error
            .is_some_and(|error| error.contains("store"))
    })
    .await;
    assert_eq!(desk.ledger.stored(), []);
    std::fs::remove_file(&objects).unwrap();
    desk.all_stored(40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_take_whose_call_is_not_known_yet_waits_and_lets_the_others_pass() {
    let desk = Desk::new().await;
    let odd = desk.takes(1)[0];
    desk.ledger.set(move |booking| {
        let is_odd = booking.manifest.recording == odd;
        if is_odd {
            Answer::Say(Ok(Booked::UnknownCall))
        } else {
            Answer::Asked
        }
    });
    desk.takes(20);
    until("the others are stored", || desk.ledger.stored().len() == 20).await;
    let error = desk.recorder.backlog().error.unwrap();
    assert!(error.contains(&odd.to_string()), "{error}");
    desk.ledger.set(|_| Answer::Asked);
    desk.all_stored(21).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_sixteen_takes_are_sent_at_once() {
    let desk = Desk::new().await;
    // held until the first sixteen are there
    desk.ledger.set(|_| Answer::Hang);
    desk.takes(60);
    until("sixteen are on their way", || {
        desk.recorder.backlog().uploading == 16
    })
    .await;
    until("all are sealed", || {
        desk.spooled()
            .iter()
            .filter(|name| name.ends_with(".sealed"))
            .count()
            == 60
    })
    .await;
    assert_eq!(desk.ledger.most_at_once.load(Ordering::SeqCst), 16);
    let desk = desk.restart().await;
    desk.all_stored(60).await;
    // those that hung when the process ended are counted for ever
    assert!(desk.ledger.most_at_once.load(Ordering::SeqCst) <= 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_cut_off_at_any_step_is_finished_by_the_next_process_without_doubling() {
    for cut_at in [TakeState::Sealed, TakeState::Stored] {
        let desk = Desk::new().await;
        desk.ledger.set(move |booking| {
            if booking.state == cut_at {
                Answer::Hang
            } else {
                Answer::Asked
            }
        });
        desk.takes(3);
        until("all hang", || desk.recorder.backlog().uploading == 3).await;
        if cut_at == TakeState::Stored {
            until("all are put", || desk.objects().len() == 6).await;
        }
        let desk = desk.restart().await;
        desk.all_stored(3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_was_done_before_is_done_again_without_harm() {
    let desk = Desk::new().await;
    let take = desk.takes(1)[0];
    // it was put, booked as stored, and the process died before the spool was emptied
    let (spool, kept) = (desk.spool(), tempfile::tempdir().unwrap());
    let copy = move |from: &Path, to: &Path| {
        for name in names(from)
            .iter()
            .filter(|name| name.starts_with(&take.to_string()))
        {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    };
    let (from, to) = (spool.clone(), kept.path().to_owned());
    desk.ledger.set(move |booking| {
        if booking.state == TakeState::Stored {
            copy(&from, &to);
        }
        Answer::Asked
    });
    desk.all_stored(1).await;
    assert!(names(kept.path()).len() >= 2, "{:?}", names(kept.path()));
    assert!(desk.recorder.shutdown(DEADLINE).await);
    copy(kept.path(), &spool);
    let desk = Desk::open(desk.folder, desk.ledger).await;
    desk.all_stored(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_take_that_was_sealed_again_goes_from_the_spool_and_the_stored_one_stays() {
    let desk = Desk::new().await;
    desk.ledger.set(|_| away());
    let take = desk.takes(1)[0];
    let (enc, sealed) = (format!("{take}.0.enc"), format!("{take}.sealed"));
    until("it is sealed", || {
        desk.spooled() == [enc.clone(), sealed.clone()]
    })
    .await;
    let kept = tempfile::tempdir().unwrap();
    for name in [&enc, &sealed] {
        std::fs::copy(desk.spool().join(name), kept.path().join(name)).unwrap();
    }
    desk.ledger.set(|_| Answer::Asked);
    desk.all_stored(1).await;
    let object = desk
        .folder
        .path()
        .join(format!("store/objects/acme/2026/10/{take}.enc"));
    let stored = std::fs::read(&object).unwrap();
    assert!(desk.recorder.shutdown(DEADLINE).await);
    // another salt, other bytes; the book does not go backwards
    std::fs::write(desk.spool().join(&enc), b"sealed again").unwrap();
    std::fs::copy(kept.path().join(&sealed), desk.spool().join(&sealed)).unwrap();
    desk.ledger.set(|_| Answer::Say(Ok(Booked::Kept)));
    let desk = Desk::open(desk.folder, desk.ledger).await;
    until("it goes from the spool", || desk.spooled().is_empty()).await;
    assert_eq!(std::fs::read(&object).unwrap(), stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_take_that_is_erased_on_its_way_leaves_nothing_anywhere() {
    for erased_at in [TakeState::Sealed, TakeState::Stored] {
        let desk = Desk::new().await;
        desk.ledger.set(move |booking| {
            if booking.state == erased_at {
                Answer::Say(Ok(Booked::Erased))
            } else {
                Answer::Asked
            }
        });
        desk.takes(5);
        until("they are booked", || {
            desk.ledger.most_at_once.load(Ordering::SeqCst) > 0
                && desk.recorder.backlog().sealing == 0
        })
        .await;
        until("nothing is in the spool", || desk.spooled().is_empty()).await;
        assert_eq!(desk.objects(), [""; 0]);
        assert_eq!(desk.ledger.stored(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_take_that_is_erased_while_it_is_being_put_is_destroyed_by_the_next_process_too() {
    let desk = Desk::new().await;
    desk.ledger.set(|booking| {
        if booking.state == TakeState::Stored {
            Answer::Hang
        } else {
            Answer::Asked
        }
    });
    let take = desk.takes(1)[0];
    until("it is put", || desk.objects().len() == 2).await;
    desk.ledger.inner.erase(take);
    desk.recorder.erase(&[take]);
    // it is known for as long as something of it may be in the store
    assert!(desk.recorder.shutdown(DEADLINE).await);
    assert!(desk.spooled().iter().any(|name| name.ends_with(".sealed")));
    desk.ledger.set(|_| Answer::Asked);
    let desk = Desk::open(desk.folder, desk.ledger).await;
    until("nothing is anywhere", || {
        desk.spooled().is_empty() && desk.objects().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_object_of_the_name_is_not_overwritten_and_the_take_stays() {
    let desk = Desk::new().await;
    desk.ledger.set(|_| away());
    let take = desk.takes(1)[0];
    let folder = desk.folder.path().join("store/objects/acme/2026/10");
    std::fs::create_dir_all(&folder).unwrap();
    let object = folder.join(format!("{take}.enc"));
    std::fs::write(&object, b"another").unwrap();
    desk.ledger.set(|_| Answer::Asked);
    until("the backlog says why", || {
        desk.recorder
            .backlog()
            .error
            .is_some_and(|error| error.contains("another object"))
    })
    .await;
    assert_eq!(std::fs::read(&object).unwrap(), b"another");
    assert_eq!(desk.spooled().len(), 2);
    std::fs::remove_file(&object).unwrap();
    desk.all_stored(1).await;
}
