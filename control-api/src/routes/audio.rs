//! `GET /api/recordings/{id}/audio`: the sound, whole or in parts (RFC 9110 sections 13 and 14).
//!
//! **Invariant**: every byte that is sent is as it was recorded. What is damaged ends with an
//! error, before the first byte where that is possible, and never with other sound.

mod range;
mod refusal;
mod wish;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde_json::json;
use sidetone_rendition::Rendition;
use sidetone_vault::{Object, StoreError};
use sidetone_wire::{RecordingId, TakeState, Timestamp};
use tracing::error;

use crate::app::{App, now};
use crate::auth::Caller;
use crate::extract::{Path, Query};
use crate::problem::ProblemBody;
use crate::renditions::{Media, Reader};
use crate::store::StoredRecording;
use range::Wanted;
use refusal::Refusal;
pub(crate) use wish::Wish;
use wish::{Format, Granted};

/// How long listening counts as one access: a player asks for many parts.
const ONE_ACCESS: Duration = Duration::from_mins(10);

/// Bytes on their way out.
type Sound = BoxStream<'static, Result<Bytes, Refusal>>;

/// The sound of a recording
///
/// One range of bytes can be asked for. What is not stored so is made on request; its length is
/// known beforehand for WAV only.
#[utoipa::path(
    method(get, head), path = "/api/recordings/{id}/audio", tag = "recordings",
    params(("id" = RecordingId, Path, description = "The recording"), Wish),
    responses(
        (status = 200, description = "The whole file", content_type = "audio/ogg"),
        (status = 206, description = "A part of it", content_type = "audio/ogg"),
        (status = 304, description = "It is what the client has"),
        (status = 404, description = "No such recording", body = ProblemBody),
        (status = 409, description = "It is still being made, or failed", body = ProblemBody),
        (status = 410, description = "It was erased", body = ProblemBody),
        (status = 416, description = "No such part", body = ProblemBody),
        (status = 422, description = "It has no such format or channel", body = ProblemBody),
        (status = 500, description = "It is damaged (`recording_unreadable`)", body = ProblemBody),
        (status = 503, description = "The store is away, or too much is being converted", body = ProblemBody),
    ),
)]
pub(crate) async fn audio(
    State(app): State<Arc<App>>,
    caller: Caller,
    method: Method,
    Path(id): Path<RecordingId>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let found = caller.tenant.recording(id).await?.ok_or(Refusal::Unknown)?;
    is_audible(&found)?;
    let granted = wish.granted(&found)?;
    let about = About::new(&found, &wish, &granted)?;
    if range::is_known(&headers, &about.etag) {
        return Ok((StatusCode::NOT_MODIFIED, about.headers()).into_response());
    }
    let request = Request {
        app: &app,
        caller: &caller,
        found: &found,
        wish: &wish,
        about: &about,
        headers: &headers,
        head: method == Method::HEAD,
    };
    match granted {
        Granted::File { object, bytes, .. } => request.file(&object, bytes).await,
        Granted::Made(rendition) => request.rendition(rendition).await,
    }
}

fn is_audible(found: &StoredRecording) -> Result<(), Refusal> {
    match found.recording.state {
        TakeState::Stored => Ok(()),
        TakeState::Recording | TakeState::Sealed => Err(Refusal::NotReady),
        TakeState::Failed => {
            let error = found.recording.error.clone().unwrap_or_default();
            Err(Refusal::Failed(error))
        }
        TakeState::Erased => Err(Refusal::Erased),
    }
}

/// What every answer about the sound says of it.
struct About {
    etag: String,
    format: Format,
    disposition: String,
}

impl About {
    fn new(found: &StoredRecording, wish: &Wish, granted: &Granted) -> Result<Self, Refusal> {
        let format = wish.format(found)?;
        let word = wish.channel_word();
        let started_at = found.recording.started_at.to_string();
        let day = started_at.split('T').next().unwrap_or_default();
        let (id, ending) = (found.recording.id, format.as_str());
        let kind = if wish.is_download() {
            "attachment"
        } else {
            "inline"
        };
        let etag = match granted {
            Granted::File { sha256, .. } => format!("\"{sha256}\""),
            // another version may make other bytes of the same sound
            Granted::Made(rendition) => {
                let (sha256, version) = (&found.recording.sha256, env!("CARGO_PKG_VERSION"));
                let channel = rendition.channel;
                let tag = format!("{sha256}-{version}-{ending}-{channel:?}");
                format!("\"{}\"", tag.replace(['(', ')'], ""))
            }
        };
        Ok(Self {
            etag,
            format,
            disposition: format!("{kind}; filename=\"sidetone-{day}-{id}{word}.{ending}\""),
        })
    }

    fn headers(&self) -> [(header::HeaderName, String); 5] {
        [
            (header::CONTENT_TYPE, self.format.media_type().to_owned()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
            (header::ETAG, self.etag.clone()),
            (header::CACHE_CONTROL, "private, no-cache".to_owned()),
            (header::CONTENT_DISPOSITION, self.disposition.clone()),
        ]
    }
}

/// A request for the sound of a recording that has some.
struct Request<'a> {
    app: &'a App,
    caller: &'a Caller,
    found: &'a StoredRecording,
    wish: &'a Wish,
    about: &'a About,
    headers: &'a HeaderMap,
    head: bool,
}

/// A part of so many bytes in all.
#[derive(Debug, Clone, Copy)]
struct Part {
    first: u64,
    last: u64,
    length: u64,
}

impl Request<'_> {
    fn id(&self) -> RecordingId {
        self.found.recording.id
    }

    /// The part that is wanted of so many bytes; `None` is all of them.
    fn part(&self, length: u64) -> Result<Option<Part>, Refusal> {
        match range::wanted(self.headers, &self.about.etag, length) {
            Wanted::All => Ok(None),
            Wanted::Part { first, last } => Ok(Some(Part {
                first,
                last,
                length,
            })),
            Wanted::Nothing => Err(Refusal::Range(length)),
        }
    }

    /// A file of the store as it is.
    async fn file(&self, name: &str, bytes: u64) -> Result<Response, Refusal> {
        let media = Refusal::media(self.id());
        let object = self.open(name).await?;
        let length = object.len();
        if length != bytes {
            let text = format!("{name} has {length} bytes, {bytes} are booked");
            return Err(media(StoreError::Damaged(text)));
        }
        let part = self.part(length)?;
        if self.head {
            return Ok(self.answer(part, Some(length), Body::empty()));
        }
        let range = part.map_or(0..length, |part| part.first..part.last + 1);
        let sound = object.read(range).await.map_err(&media)?;
        let sound = sound.map(move |bytes| bytes.map_err(&media)).boxed();
        self.send(part, Some(length), sound).await
    }

    /// A rendition, as it is made.
    async fn rendition(&self, rendition: Rendition) -> Result<Response, Refusal> {
        let failed = Refusal::rendition(self.id());
        let known = self.app.renditions.find(self.id(), rendition);
        if self.head {
            // it is not made for being asked about
            let samples = samples(self.found);
            let length = known.map_or_else(|| rendition.len(samples), |known| known.known_len());
            let part = length
                .map(|length| self.part(length))
                .transpose()?
                .flatten();
            return Ok(self.answer(part, length, Body::empty()));
        }
        let reader = match known {
            Some(reader) => reader,
            None => self.make(rendition).await?,
        };
        reader.begun().await.map_err(&failed)?;
        let length = if self.headers.contains_key(header::RANGE) {
            Some(reader.len().await.map_err(&failed)?)
        } else {
            reader.known_len()
        };
        let part = length
            .map(|length| self.part(length))
            .transpose()?
            .flatten();
        let (from, end) = part.map_or((0, length), |part| (part.first, Some(part.last + 1)));
        let sound = reader.bytes(from, end);
        let sound = sound.map(move |bytes| bytes.map_err(&failed)).boxed();
        self.send(part, length, sound).await
    }

    async fn make(&self, rendition: Rendition) -> Result<Reader, Refusal> {
        let mut files = Vec::with_capacity(1 + self.found.extra.len());
        let main = (0, &self.found.object);
        let extra = self.found.extra.iter();
        for (channel, name) in std::iter::once(main).chain(extra.map(|f| (f.channel, &f.object))) {
            if rendition.needs(channel) {
                files.push((channel, self.open(name).await?));
            }
        }
        let samples = samples(self.found);
        let media = Media { files, samples };
        let made = self.app.renditions.make(self.id(), rendition, media);
        let reader = made.map_err(Refusal::rendition(self.id()))?;
        // an erasure that came in between has found nothing to forget
        let found = self.caller.tenant.recording(self.id()).await?;
        if found.is_none_or(|found| found.recording.state == TakeState::Erased) {
            self.app.renditions.forget(self.id());
            return Err(Refusal::Erased);
        }
        Ok(reader)
    }

    async fn open(&self, name: &str) -> Result<Object, Refusal> {
        let recording = self.id();
        let store = &self.app.objects;
        let opened = match &self.found.key {
            Some(wrapped) => {
                let tenant = &self.found.key_tenant;
                let key = self.app.keyring.unwrap(wrapped, tenant, recording);
                let key = key.map_err(|error| Refusal::Key { recording, error })?;
                store.open(name, &key).await
            }
            // of before encryption
            None => store.open_plain(name).await,
        };
        opened.map_err(Refusal::media(recording))
    }

    /// Sends the sound once its first piece is there, and notes who hears it.
    async fn send(
        &self,
        part: Option<Part>,
        length: Option<u64>,
        mut sound: Sound,
    ) -> Result<Response, Refusal> {
        let first = sound.next().await.transpose()?;
        self.note().await?;
        let recording = self.id();
        let rest = sound.map(move |bytes| {
            bytes.map_err(|refusal| {
                error!(%recording, error = %refusal, "a recording broke off while it was heard");
                io::Error::other("the recording broke off")
            })
        });
        // what is good is on its way before an error ends the connection
        let rest = rest.then(|bytes| async {
            if bytes.is_err() {
                tokio::task::yield_now().await;
            }
            bytes
        });
        let body = stream::iter(first.map(Ok)).chain(rest);
        Ok(self.answer(part, length, Body::from_stream(body)))
    }

    /// Notes who hears or takes it. Who cannot be noted does not hear it.
    async fn note(&self) -> Result<(), Refusal> {
        let format = self.about.format.as_str();
        let (action, detail) = if self.wish.is_download() {
            let channel = self.wish.channel_word();
            let channel = channel.strip_prefix('-').unwrap_or("both");
            let detail = json!({ "channel": channel, "format": format });
            ("recording.downloaded", detail)
        } else {
            ("recording.played", json!({}))
        };
        let at = now();
        let since = Timestamp::from_unix_ms(at.unix_ms() - ONE_ACCESS.as_millis() as i64);
        let actor = self.caller.actor();
        let tenant = &self.caller.tenant;
        let noted = tenant.note_access(&actor, action, self.id(), &detail, since, at);
        Ok(noted.await?)
    }

    fn answer(&self, part: Option<Part>, length: Option<u64>, body: Body) -> Response {
        let status = match part {
            Some(_) => StatusCode::PARTIAL_CONTENT,
            None => StatusCode::OK,
        };
        let mut response = (status, self.about.headers(), body).into_response();
        let headers = response.headers_mut();
        let count = part.map(|part| part.last - part.first + 1).or(length);
        if let Some(count) = count {
            headers.insert(header::CONTENT_LENGTH, count.into());
        }
        if let Some(Part {
            first,
            last,
            length,
        }) = part
            && let Ok(value) = HeaderValue::from_str(&format!("bytes {first}-{last}/{length}"))
        {
            headers.insert(header::CONTENT_RANGE, value);
        }
        response
    }
}

/// Length of a recording at 48 kHz.
fn samples(found: &StoredRecording) -> u64 {
    (found.recording.duration_seconds * 1000.0).round() as u64 * 48
}
