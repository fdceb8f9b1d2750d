use sidetone_rendition::{Channel, Format};
use sidetone_service::clock;
use sidetone_testkit::{tone_file, wait_for};
use sidetone_vault::{DataKey, Store};
use tempfile::TempDir;

use super::*;

const MS: u64 = 3000;
const WAV: Rendition = Rendition {
    format: Format::Wav,
    channel: Channel::Both,
};
/// Its header and two channels of 16 bit.
const WAV_BYTES: u64 = 44 + MS * 48 * 4;

struct Place {
    dir: TempDir,
    store: Store,
    key: DataKey,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::local(&dir.path().join("store")).unwrap();
        let key = DataKey::generate().unwrap();
        let mut sealer = sidetone_vault::chunked::Sealer::new(Vec::new(), &key).unwrap();
        let file = tone_file(&[440.0, 1000.0], MS).unwrap();
        std::io::Write::write_all(&mut sealer, &file).unwrap();
        let sealed = sealer.finish().unwrap().0;
        store.put_bytes("objects/take.enc", sealed).await.unwrap();
        Self { dir, store, key }
    }

    fn renditions(&self, kept_bytes: u64) -> Renditions {
        Renditions::with_limit(&self.dir.path().join("cache"), kept_bytes).unwrap()
    }

    async fn media(&self) -> Media {
        let object = self.store.open("objects/take.enc", &self.key).await;
        Media {
            files: vec![(0, object.unwrap())],
            samples: MS * 48,
        }
    }
}

fn recording(n: u128) -> RecordingId {
    RecordingId(uuid::Uuid::from_u128(n))
}

async fn read(reader: &Reader, from: u64, end: Option<u64>) -> Result<Vec<u8>, Failure> {
    let mut all = Vec::new();
    let mut parts = reader.bytes(from, end);
    while let Some(part) = futures_util::StreamExt::next(&mut parts).await {
        all.extend_from_slice(&part?);
    }
    Ok(all)
}

#[tokio::test]
async fn many_who_ask_read_along_while_one_rendition_is_made() {
    let place = Place::new().await;
    let renditions = place.renditions(u64::MAX);
    // nobody makes anything yet
    let makers = renditions.inner.makers.acquire_many(2).await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..10 {
        let media = place.media().await;
        readers.push(renditions.make(recording(1), WAV, media).unwrap());
    }
    assert_eq!(renditions.inner.shelf().len(), 1);
    assert_eq!(readers[0].known_len(), Some(WAV_BYTES));
    let waiting: Vec<_> = readers
        .into_iter()
        .enumerate()
        .map(|(n, reader)| {
            let from = n as u64 * 1000;
            tokio::spawn(async move { read(&reader, from, None).await })
        })
        .collect();
    drop(makers);
    let mut first = Vec::new();
    for (n, heard) in waiting.into_iter().enumerate() {
        let heard = heard.await.unwrap().unwrap();
        if n == 0 {
            assert_eq!(heard.len() as u64, WAV_BYTES);
            assert!(heard.starts_with(b"RIFF"));
            first = heard;
        } else {
            assert_eq!(heard, first[n * 1000..]);
        }
    }
    let kept = renditions.find(recording(1), WAV).unwrap();
    for (from, end) in [
        (0, 1),
        (65_000, 66_000),
        (65_536, 131_072),
        (WAV_BYTES - 1, WAV_BYTES),
    ] {
        let part = read(&kept, from, Some(end)).await.unwrap();
        assert_eq!(part, first[from as usize..end as usize], "{from} to {end}");
    }
    assert!(read(&kept, WAV_BYTES, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn nothing_of_it_has_a_name_or_lies_unencrypted_on_the_disk() {
    let place = Place::new().await;
    let renditions = place.renditions(u64::MAX);
    let reader = renditions
        .make(recording(1), WAV, place.media().await)
        .unwrap();
    let heard = read(&reader, 0, None).await.unwrap();
    let named = std::fs::read_dir(place.dir.path().join("cache"))
        .unwrap()
        .count();
    assert_eq!(named, 0);
    let stored = reader.on_disk();
    assert!(stored.len() as u64 > WAV_BYTES);
    let has = |part: &[u8]| stored.windows(part.len()).any(|window| window == part);
    assert!(!has(b"RIFF") && !has(b"data") && !has(&heard[50_000..50_016]));
}

#[tokio::test]
async fn an_erased_recording_is_cut_off_also_while_it_is_made() {
    let place = Place::new().await;
    let renditions = place.renditions(u64::MAX);
    let makers = renditions.inner.makers.acquire_many(2).await.unwrap();
    let making = renditions
        .make(recording(1), WAV, place.media().await)
        .unwrap();
    renditions.forget(recording(1));
    drop(makers);
    assert_eq!(making.begun().await, Err(Failure::Forgotten));
    assert!(renditions.find(recording(1), WAV).is_none());

    let made = renditions
        .make(recording(2), WAV, place.media().await)
        .unwrap();
    let other = renditions
        .make(recording(3), WAV, place.media().await)
        .unwrap();
    assert!(read(&made, 0, None).await.is_ok());
    renditions.forget(recording(2));
    assert_eq!(read(&made, 0, Some(1)).await, Err(Failure::Forgotten));
    assert!(renditions.find(recording(2), WAV).is_none());
    assert!(read(&other, 0, None).await.is_ok());
}

#[tokio::test]
async fn beyond_the_queue_one_is_told_to_come_back() {
    let place = Place::new().await;
    let renditions = place.renditions(u64::MAX);
    let makers = renditions.inner.makers.acquire_many(2).await.unwrap();
    for n in 0..WAITING as u128 {
        let media = place.media().await;
        assert!(renditions.make(recording(n), WAV, media).is_ok());
    }
    let one_more = renditions.make(recording(99), WAV, place.media().await);
    assert!(matches!(one_more, Err(Failure::Busy)));
    // those that are there are not refused
    assert!(
        renditions
            .make(recording(0), WAV, place.media().await)
            .is_ok()
    );
    drop(makers);
    let last = renditions
        .find(recording(WAITING as u128 - 1), WAV)
        .unwrap();
    assert!(read(&last, 0, None).await.is_ok());
    assert!(
        renditions
            .make(recording(99), WAV, place.media().await)
            .is_ok()
    );
}

#[tokio::test]
async fn the_ones_that_nobody_asks_for_go_first() {
    let place = Place::new().await;
    // two of them fit
    let renditions = place.renditions(2 * WAV_BYTES + 100_000);
    for n in 1..=3 {
        if n == 3 {
            assert!(renditions.find(recording(1), WAV).is_some());
        }
        let reader = renditions
            .make(recording(n), WAV, place.media().await)
            .unwrap();
        assert!(read(&reader, 0, None).await.is_ok());
    }
    let gone = || async { renditions.inner.shelf().len() == 2 };
    wait_for("a rendition goes", std::time::Duration::from_secs(5), gone).await;
    assert!(renditions.find(recording(1), WAV).is_some());
    assert!(renditions.find(recording(2), WAV).is_none());
    renditions.inner.tidy(clock::now() + KEPT_FOR);
    assert_eq!(renditions.inner.shelf().len(), 0);
}

#[tokio::test]
async fn what_cannot_be_made_says_why_and_is_tried_again() {
    let place = Place::new().await;
    let renditions = place.renditions(u64::MAX);
    let third = Rendition {
        format: Format::Wav,
        channel: Channel::Index(2),
    };
    let reader = renditions
        .make(recording(1), third, place.media().await)
        .unwrap();
    assert!(matches!(reader.begun().await, Err(Failure::Unsuitable(_))));

    let media = place.media().await;
    place.store.erase("objects/take.enc").await.unwrap();
    let reader = renditions.make(recording(1), WAV, media).unwrap();
    let missing = reader.begun().await.unwrap_err();
    assert_eq!(missing, Failure::Media(StoreError::NotFound));
    assert!(renditions.find(recording(1), WAV).is_none());
    let nonsense = b"OggS, it says, but what follows is none of it".to_vec();
    place
        .store
        .put_bytes("objects/bad.ogg", nonsense)
        .await
        .unwrap();
    let object = place.store.open_plain("objects/bad.ogg").await.unwrap();
    let files = vec![(0, object)];
    let samples = MS * 48;
    let reader = renditions
        .make(recording(2), WAV, Media { files, samples })
        .unwrap();
    let damaged = reader.begun().await.unwrap_err();
    assert!(
        matches!(damaged, Failure::Media(StoreError::Damaged(_))),
        "{damaged}"
    );
}

#[tokio::test]
async fn the_end_of_the_process_waits_for_no_rendition() {
    let place = Place::new().await;
    let renditions = place.renditions(u64::MAX);
    let made = renditions
        .make(recording(1), WAV, place.media().await)
        .unwrap();
    renditions.close();
    assert_eq!(made.begun().await, Err(Failure::Forgotten));
    let late = renditions
        .make(recording(2), WAV, place.media().await)
        .unwrap();
    assert_eq!(late.begun().await, Err(Failure::Forgotten));
}
