//! A vendor's file on its way into an encrypted one.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use axum::body::Bytes;
use axum::http::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use axum::http::{HeaderMap, HeaderValue};
use sidetone_service::dial::{Answer, DialError, Dialler};
use sidetone_vault::DataKey;
use sidetone_vault::chunked::{Sealed, Sealer};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tracing::debug;

use super::Held;
use super::sniff::{Sniffer, Sound, Unfit};

/// How often a file that broke off is gone on with, before its next attempt waits.
const RESUMED_AT_MOST: u32 = 5;
/// Pieces between the network and the disk, some 64 KiB: the network waits when the disk is slower.
const CHUNKS: usize = 4;

/// Why a file was not fetched this time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the vendor answers with status {0}")]
    Status(u16),
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error("it holds more than we take")]
    TooLarge,
    #[error("our disk: {0}")]
    Disk(#[from] std::io::Error),
    /// Erased, denied, or another has it.
    #[error("it is not ours to fetch any more")]
    NotOurs,
    #[error("database: {0}")]
    Database(#[from] crate::store::Error),
}

impl Trouble {
    /// Whether it is worth trying again later.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Dial(error) => error.is_temporary(),
            // not there yet, or a signature that has yet to become valid: vendors say so of
            // recordings that they are still writing
            Self::Status(status) => !matches!(status, 400 | 405 | 410 | 414 | 451),
            Self::Unfit(unfit) => *unfit == Unfit::Cut,
            Self::TooLarge | Self::NotOurs => false,
            Self::Disk(_) | Self::Database(_) => true,
        }
    }
}

/// A whole file, encrypted, with what it is.
pub(super) struct Downloaded {
    pub(super) file: NamedTempFile,
    pub(super) sealed: Sealed,
    pub(super) sound: Sound,
}

/// Fetches a file into `folder`, encrypted under `key`. Goes on where it broke off, if the server
/// can do that and the file is still the same; else anew.
pub(super) async fn download(
    dialler: &Dialler,
    url: &str,
    folder: &Path,
    key: &DataKey,
    most_bytes: u64,
    held: &mut Held<'_>,
) -> Result<Downloaded, Trouble> {
    let mut sink = Sink::new(folder, key)?;
    let mut version = None;
    let mut resumed = 0;
    loop {
        held.still().await?;
        let (answer, goes_on) = ask(dialler, url, version.as_ref(), sink.bytes).await?;
        if !goes_on {
            version = strong_etag(&answer);
            if sink.bytes > 0 {
                sink = Sink::new(folder, key)?;
            }
        }
        let (kept, taken) = take(sink, answer, most_bytes, held).await;
        sink = kept;
        match taken {
            Ok(()) => return finish(sink).await,
            Err(Trouble::Dial(error)) if error.is_temporary() && resumed < RESUMED_AT_MOST => {
                resumed += 1;
                debug!(bytes = sink.bytes, %error, "a vendor's file broke off: going on");
            }
            Err(trouble) => return Err(trouble),
        }
    }
}

/// Asks for the file, or what is missing of it; gives whether that is what comes.
async fn ask(
    dialler: &Dialler,
    url: &str,
    version: Option<&HeaderValue>,
    from: u64,
) -> Result<(Answer, bool), Trouble> {
    let mut headers = HeaderMap::new();
    if let (Some(version), 1..) = (version, from)
        && let Ok(range) = HeaderValue::from_str(&format!("bytes={from}-"))
    {
        headers.insert(RANGE, range);
        headers.insert(IF_RANGE, version.clone());
    }
    let answer = dialler.get(url, headers).await?;
    match answer.status() {
        200 => Ok((answer, false)),
        206 if continues(&answer, from) => Ok((answer, true)),
        status => Err(Trouble::Status(status)),
    }
}

/// Whether a part begins where we broke off.
fn continues(answer: &Answer, from: u64) -> bool {
    let range = answer.headers().get(CONTENT_RANGE);
    let range = range.and_then(|range| range.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next());
    first.and_then(|first| first.parse().ok()) == Some(from)
}

fn strong_etag(answer: &Answer) -> Option<HeaderValue> {
    let tag = answer.headers().get(ETAG)?;
    tag.as_bytes().starts_with(b"\"").then(|| tag.clone())
}

/// Where the file is written.
struct Sink {
    file: NamedTempFile,
    sealer: Sealer<File>,
    sniffer: Sniffer,
    bytes: u64,
}

impl Sink {
    fn new(folder: &Path, key: &DataKey) -> Result<Self, Trouble> {
        let file = NamedTempFile::new_in(folder)?;
        let sealer = Sealer::new(file.reopen()?, key)?;
        Ok(Self {
            file,
            sealer,
            sniffer: Sniffer::default(),
            bytes: 0,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.sniffer.handle(bytes)?;
        self.sealer.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// Writes an answer's body on a thread that may block; gives back what is there, also when it
/// broke off.
async fn take(
    mut sink: Sink,
    answer: Answer,
    most_bytes: u64,
    held: &mut Held<'_>,
) -> (Sink, Result<(), Trouble>) {
    let room = most_bytes.saturating_sub(sink.bytes);
    let (chunks, mut coming) = mpsc::channel::<Bytes>(CHUNKS);
    let writer = tokio::task::spawn_blocking(move || {
        let mut written = Ok(());
        while written.is_ok()
            && let Some(chunk) = coming.blocking_recv()
        {
            written = sink.write(&chunk);
        }
        (sink, written)
    });
    let passed = pass(answer, chunks, room, held).await;
    let (sink, written) = writer
        .await
        .expect("it does not panic, and nobody aborts it");
    // when both failed, the writer's word is the cause
    (sink, written.and(passed))
}

/// Passes an answer's body on, until its end or the writer's.
async fn pass(
    mut answer: Answer,
    chunks: mpsc::Sender<Bytes>,
    room_bytes: u64,
    held: &mut Held<'_>,
) -> Result<(), Trouble> {
    let mut left = room_bytes;
    while let Some(chunk) = answer.chunk().await? {
        held.still().await?;
        left = left
            .checked_sub(chunk.len() as u64)
            .ok_or(Trouble::TooLarge)?;
        if chunks.send(chunk).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn finish(sink: Sink) -> Result<Downloaded, Trouble> {
    let Sink {
        file,
        sealer,
        sniffer,
        ..
    } = sink;
    let sound = sniffer.end()?;
    let finishing = tokio::task::spawn_blocking(move || {
        let (out, sealed) = sealer.finish()?;
        out.sync_all()?;
        Ok::<_, std::io::Error>(sealed)
    });
    let sealed = finishing
        .await
        .expect("it does not panic, and nobody aborts it")?;
    Ok(Downloaded {
        file,
        sealed,
        sound,
    })
}
