use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sidetone_testkit::database;
use sidetone_wire::{TakeState, WrappedKey};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const ETAG: &str = "etag: \"v1\"\r\n";

/// A WAV of one second in stereo, longer than a few packets.
fn wav() -> Vec<u8> {
    let data = 192_000u32;
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
    for word in [48_000u32, 192_000, 0x0010_0004] {
        file.extend(word.to_le_bytes());
    }
    file.extend(b"data");
    file.extend(data.to_le_bytes());
    file.extend((0..data).map(|n| (n % 251) as u8));
    file
}

/// A vendor's server: each connection gets the next script, the last one for ever.
struct Vendor {
    url: SecretString,
    asked: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

type Script = Box<dyn Fn(&str) -> Vec<Part> + Send>;

/// What a script does next.
enum Part {
    Send(Vec<u8>),
    /// So many bytes, one every few milliseconds.
    Drip(usize),
    /// Nothing, and does not close.
    Hang,
}

impl Vendor {
    async fn new(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (counted, noted) = (asked.clone(), heads.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let n = counted
                    .fetch_add(1, Ordering::SeqCst)
                    .min(scripts.len() - 1);
                // one at a time: what they ask for is in order
                if let Some((head, stream)) = head(stream).await {
                    let parts = scripts[n](&head);
                    noted.lock().unwrap().push(head);
                    tokio::spawn(play(stream, parts));
                }
            }
        });
        Self {
            url: SecretString::from(format!(
                "http://127.0.0.1:{port}/secret/call.wav?token=secret"
            )),
            asked,
            heads,
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn head(mut stream: TcpStream) -> Option<(String, TcpStream)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some((String::from_utf8(head).unwrap().to_lowercase(), stream))
}

async fn play(mut stream: TcpStream, parts: Vec<Part>) {
    for part in parts {
        match part {
            Part::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Part::Drip(count) => {
                for _ in 0..count {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    if stream.write_all(b"x").await.is_err() {
                        return;
                    }
                }
            }
            Part::Hang => tokio::time::sleep(Duration::from_mins(1)).await,
        }
    }
}

fn says(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<Part> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    vec![Part::Send(head.into_bytes()), Part::Send(body.to_vec())]
}

fn whole() -> Script {
    Box::new(|_| says("200 OK", ETAG, wav().len(), &wav()))
}

fn status(status: &'static str) -> Script {
    Box::new(move |_| says(status, "", 0, b""))
}

/// Breaks off after so many bytes.
fn cut(after: usize) -> Script {
    Box::new(move |_| says("200 OK", ETAG, wav().len(), &wav()[..after]))
}

/// Sends what is missing, as it is asked for.
fn rest() -> Script {
    Box::new(|head| {
        let range = head.split("range: bytes=").nth(1).unwrap();
        let from: usize = range.split('-').next().unwrap().parse().unwrap();
        let (whole, length) = (wav(), wav().len());
        let headers = format!(
            "{ETAG}content-range: bytes {from}-{}/{length}\r\n",
            length - 1
        );
        says(
            "206 Partial Content",
            &headers,
            length - from,
            &whole[from..],
        )
    })
}

struct World {
    fetching: Fetching,
    url: String,
    dir: TempDir,
    call: CallId,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = database(dir.path()).await;
        let store = Store::open(
            &url.clone().into(),
            &"a secret of at least 32 characters".into(),
        )
        .await
        .unwrap();
        let call = CallId(clock::new_id());
        let client = clock::new_id();
        for sql in [
            format!(
                "INSERT INTO clients (id, slug, name, created_at) VALUES ('{client}', 'acme', 'Acme', 0)"
            ),
            format!(
                "INSERT INTO calls (id, client_id, upstream, upstream_call_id, direction, from_party, to_party, status, started_at, control_since, seen_at) VALUES ('{call}', '{client}', 'vapi', 'v1', 'inbound', 'a', 'b', 'ended', 1763632800000, 0, 0)"
            ),
        ] {
            execute(&url, sql).await;
        }
        let objects = sidetone_vault::Store::local(&dir.path().join("store")).unwrap();
        let keyring = Keyring::from_base64(&STANDARD.encode([7; 32]).into()).unwrap();
        let folder = dir.path().join("vendor");
        let fetching = Fetching::new(store, objects, keyring, &folder, true).unwrap();
        let pace = Pace {
            first_wait: Duration::from_millis(20),
            last_wait: Duration::from_millis(100),
            limits: Limits {
                connect: Duration::from_millis(500),
                answer: Duration::from_millis(500),
                idle: Duration::from_millis(200),
                total: Duration::from_secs(5),
                bytes: 1_000_000,
                bytes_per_second: 1000,
            },
            ..Pace::default()
        };
        let fetching = Fetching { pace, ..fetching };
        Self {
            fetching,
            url,
            dir,
            call,
        }
    }

    async fn execute(&self, sql: String) {
        execute(&self.url, sql).await;
    }

    async fn note(&self, vendor: &Vendor) -> RecordingId {
        let noted = self.fetching.note(self.call, "vapi", &vendor.url).await;
        noted.unwrap().expect("it is new")
    }

    /// Attempts until the row is not due any more; gives the recording's row.
    async fn settle(&self, id: RecordingId) -> Settled {
        let end = clock::now() + Duration::from_secs(20);
        while clock::now() < end {
            for due in self.fetching.store.due_fetches(now(), 10).await.unwrap() {
                self.fetching.fetch(due).await;
            }
            let row = self.row(id).await;
            if row.done {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it never came to an end");
    }

    async fn row(&self, id: RecordingId) -> Settled {
        let mut database = sqlx::AnyConnection::connect(&self.url).await.unwrap();
        let sql = format!(
            "SELECT CASE WHEN v.next_attempt_at IS NULL THEN 1 ELSE 0 END AS settled, \
             v.original_url, v.attempts, v.error, \
             COALESCE(r.state, '') AS state, COALESCE(r.error, '') AS text, \
             COALESCE(r.object, '') AS object, COALESCE(r.bytes, 0) AS bytes, \
             COALESCE(r.duration_ms, 0) AS duration_ms, r.wrapped_key, r.key_id \
             FROM vendor_recordings v LEFT JOIN recordings r ON r.id = v.id WHERE v.id = '{id}'"
        );
        let row = database.fetch_one(AssertSqlSafe(sql)).await.unwrap();
        let key = row.get::<Option<String>, _>("wrapped_key");
        Settled {
            done: row.get::<i64, _>("settled") != 0,
            url: row.get("original_url"),
            attempts: row.get("attempts"),
            error: row.get::<Option<String>, _>("error"),
            state: row.get("state"),
            text: row.get("text"),
            object: row.get("object"),
            bytes: row.get("bytes"),
            duration_ms: row.get("duration_ms"),
            key: key.map(|wrapped| WrappedKey {
                key_id: row.get("key_id"),
                wrapped,
            }),
        }
    }

    /// What is stored of it, decrypted.
    async fn kept(&self, id: RecordingId, row: &Settled) -> Vec<u8> {
        let key = row.key.as_ref().expect("it has a key");
        let key = self.fetching.keyring.unwrap(key, "acme", id).unwrap();
        let object = self.fetching.objects.open(&row.object, &key).await.unwrap();
        object.read_whole().await.unwrap()
    }

    async fn stored_names(&self) -> Vec<String> {
        let listed = self.fetching.objects.list("objects/", None).await.unwrap();
        listed.into_iter().map(|object| object.name).collect()
    }

    fn on_their_way(&self) -> usize {
        std::fs::read_dir(&self.fetching.folder).unwrap().count()
    }
}

async fn execute(url: &str, sql: String) {
    let mut database = sqlx::AnyConnection::connect(url).await.unwrap();
    database.execute(AssertSqlSafe(sql)).await.unwrap();
}

#[derive(Debug)]
struct Settled {
    done: bool,
    url: String,
    attempts: i64,
    error: Option<String>,
    state: String,
    text: String,
    object: String,
    bytes: i64,
    duration_ms: i64,
    key: Option<WrappedKey>,
}

#[tokio::test]
async fn a_vendors_recording_is_kept_like_a_take_of_ours() {
    let world = World::new().await;
    let vendor = Vendor::new(vec![whole()]).await;
    let id = world.note(&vendor).await;
    let row = world.settle(id).await;
    assert_eq!(row.state, TakeState::Stored.as_str());
    assert_eq!((row.bytes, row.duration_ms), (wav().len() as i64, 1000));
    assert_eq!(row.object, format!("objects/acme/2025/11/{id}.enc"));
    assert_eq!(world.kept(id, &row).await, wav());
    let stored = std::fs::read(world.dir.path().join("store").join(&row.object)).unwrap();
    assert!(!stored.windows(4).any(|bytes| bytes == b"RIFF"));
    assert!(!row.url.contains("secret") && !row.url.is_empty());
    assert_eq!(
        (row.attempts, row.error, world.on_their_way()),
        (1, None, 0)
    );

    // the webhook comes again
    let again = world.fetching.note(world.call, "vapi", &vendor.url).await;
    assert_eq!(again.unwrap(), None);
    assert_eq!(
        world.fetching.store.due_fetches(now(), 10).await.unwrap(),
        []
    );
    assert_eq!(vendor.asked(), 1);
}

#[tokio::test]
async fn a_file_that_breaks_off_is_gone_on_with() {
    let world = World::new().await;
    let vendor = Vendor::new(vec![cut(60_000), rest()]).await;
    let id = world.note(&vendor).await;
    let row = world.settle(id).await;
    assert_eq!((row.state.as_str(), row.attempts), ("stored", 1));
    assert_eq!(world.kept(id, &row).await, wav());
    let heads = vendor.heads.lock().unwrap().clone();
    assert!(heads[1].contains("if-range: \"v1\""), "{}", heads[1]);
    assert!(heads[1].contains("range: bytes="), "{}", heads[1]);

    // where the server cannot do that, or the file has changed, it begins anew
    let other = Box::new(|_: &str| says("200 OK", "etag: \"v2\"\r\n", wav().len(), &wav()));
    let vendor = Vendor::new(vec![cut(60_000), other]).await;
    let id = world.note(&vendor).await;
    let row = world.settle(id).await;
    assert_eq!(world.kept(id, &row).await, wav());
    let unversioned = Box::new(|_: &str| says("200 OK", "", wav().len(), &wav()[..90_000]));
    let vendor = Vendor::new(vec![unversioned, whole()]).await;
    let id = world.note(&vendor).await;
    let row = world.settle(id).await;
    assert_eq!(world.kept(id, &row).await, wav());
    assert!(!vendor.heads.lock().unwrap()[1].contains("range:"));
}

#[tokio::test]
async fn what_is_not_there_yet_is_tried_again() {
    let world = World::new().await;
    let scripts = vec![
        status("403 Forbidden"),
        status("404 Not Found"),
        status("503 Slow Down"),
        whole(),
    ];
    let vendor = Vendor::new(scripts).await;
    let id = world.note(&vendor).await;
    let row = world.settle(id).await;
    assert_eq!((row.state.as_str(), row.attempts), ("stored", 4));
    assert_eq!(world.kept(id, &row).await, wav());
}

#[tokio::test]
async fn servers_that_hang_or_drip_are_left_and_tried_again() {
    let world = World::new().await;
    let length = wav().len();
    let drip = move |_: &str| {
        let mut parts = says("200 OK", "", length, b"RIFF");
        parts.push(Part::Drip(10_000));
        parts
    };
    let hang = |_: &str| vec![Part::Hang];
    let vendor = Vendor::new(vec![Box::new(drip), Box::new(hang), whole()]).await;
    let id = world.note(&vendor).await;
    let row = world.settle(id).await;
    assert_eq!(row.state, "stored");
    assert_eq!(world.kept(id, &row).await, wav());
}

#[tokio::test]
async fn what_is_no_recording_is_given_up_with_a_reason() {
    let world = World::new().await;
    let page = "<!doctype html><title>Sign in</title>"
        .repeat(50)
        .into_bytes();
    let large = vec![0; 16];
    let answers: [(Script, &str); 5] = [
        (
            Box::new(move |_| says("200 OK", "", page.len(), &page)),
            "neither Ogg Opus nor WAV nor MP3",
        ),
        (
            Box::new(move |_| says("200 OK", "", 2_000_000_000, &large)),
            "more than 1000000 bytes",
        ),
        (status("410 Gone"), "status 410"),
        (
            Box::new(|_| {
                says(
                    "302 Found",
                    "location: http://169.254.169.254/x\r\n",
                    0,
                    b"",
                )
            }),
            "refused",
        ),
        (
            Box::new(|_| says("302 Found", "location: https://evil.example/x\r\n", 0, b"")),
            "evil.example is not one of those",
        ),
    ];
    for (script, why) in answers {
        let vendor = Vendor::new(vec![script]).await;
        let id = world.note(&vendor).await;
        let row = world.settle(id).await;
        assert_eq!((row.state.as_str(), row.attempts), ("failed", 1), "{row:?}");
        assert!(row.text.contains(why), "{row:?}");
        assert!(
            !row.text.contains("secret") && row.url.is_empty(),
            "{row:?}"
        );
    }
    assert!(world.stored_names().await.is_empty());
    assert_eq!(world.on_their_way(), 0);
}

#[tokio::test]
async fn a_file_with_a_wrong_length_is_not_kept_and_given_up_in_the_end() {
    let mut world = World::new().await;
    world.fetching.pace.patience = Duration::from_millis(500);
    // shorter than its own header says, and the server thinks that that is all
    let short = |_: &str| says("200 OK", ETAG, 100_000, &wav()[..100_000]);
    let vendor = Vendor::new(vec![Box::new(short)]).await;
    let id = world.note(&vendor).await;
    let row = world.settle(id).await;
    assert_eq!(row.state, "failed");
    assert!(
        row.attempts > 1 && row.text.contains("ends before its end"),
        "{row:?}"
    );
    assert!(row.url.is_empty() && world.stored_names().await.is_empty());
}

#[tokio::test]
async fn nothing_is_kept_of_a_call_whose_consent_was_denied() {
    let world = World::new().await;
    let vendor = Vendor::new(vec![whole()]).await;
    let id = world.note(&vendor).await;
    let deny = format!(
        "UPDATE calls SET consent = 'denied' WHERE id = '{}'",
        world.call
    );
    world.execute(deny).await;
    let row = world.settle(id).await;
    assert_eq!((row.state.as_str(), row.url.as_str()), ("", ""));
    assert_eq!(
        (vendor.asked(), row.error.as_deref()),
        (0, Some("consent was denied"))
    );
    let other = Vendor::new(vec![whole()]).await;
    let noted = world.fetching.note(world.call, "vapi", &other.url).await;
    assert_eq!(noted.unwrap(), None);
}

#[tokio::test]
async fn consent_that_is_denied_while_it_is_fetched_keeps_it_out() {
    let mut world = World::new().await;
    world.fetching.pace.lease = Duration::from_millis(400);
    let slow = |_: &str| {
        let mut parts = says("200 OK", "", wav().len(), &wav()[..50_000]);
        parts.push(Part::Drip(60));
        parts.push(Part::Send(wav()[50_060..].to_vec()));
        parts
    };
    let vendor = Vendor::new(vec![Box::new(slow)]).await;
    let id = world.note(&vendor).await;
    let due = world.fetching.store.due_fetches(now(), 1).await.unwrap()[0];
    let deny = format!(
        "UPDATE calls SET consent = 'denied' WHERE id = '{}'",
        world.call
    );
    let (fetched, ()) = tokio::join!(world.fetching.fetch(due), async {
        while vendor.asked() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.execute(deny).await;
    });
    assert_eq!(fetched, None);
    let row = world.settle(id).await;
    assert_eq!((row.state.as_str(), row.url.as_str()), ("", ""));
    assert!(world.stored_names().await.is_empty());
}

#[tokio::test]
async fn what_was_erased_while_it_was_put_away_is_taken_out_again() {
    let world = World::new().await;
    let vendor = Vendor::new(vec![whole()]).await;
    let id = world.note(&vendor).await;
    let due = world.fetching.store.due_fetches(now(), 1).await.unwrap()[0];
    let until = after(now(), Duration::from_mins(1));
    let fetch = world
        .fetching
        .store
        .claim_fetch(due, until)
        .await
        .unwrap()
        .unwrap();
    let mut held = Held {
        fetching: &world.fetching,
        lease: Lease { id, until },
        renewed: clock::now(),
    };
    let key = DataKey::generate().unwrap();
    let (dialler, folder) = (
        world.fetching.dialler("vapi").unwrap().unwrap(),
        &world.fetching.folder,
    );
    let url = vendor.url.expose_secret();
    let whole = download(&dialler, url, folder, &key, 1_000_000, &mut held)
        .await
        .unwrap();
    let fetched = world.fetching.describe(&fetch, id, &key, &whole).unwrap();
    let booked = world
        .fetching
        .store
        .book_fetch(held.lease, &fetch, &fetched, until)
        .await;
    assert!(booked.unwrap());
    let tenant = world.fetching.store.tenant(fetch.tenant);
    let actor = store::Actor::rule("test");
    tenant.erase(id, &actor, now()).await.unwrap();
    // neither booked again nor said to be stored
    let failed = world
        .fetching
        .keep(&fetch, &mut held, &fetched, &whole)
        .await
        .unwrap_err();
    assert_eq!(failed.again, Again::NotOurs);
    let finished = world
        .fetching
        .store
        .finish_fetch(held.lease, &fetch, &fetched, now())
        .await;
    assert!(!finished.unwrap());
    assert!(world.stored_names().await.is_empty());
    let row = world.row(id).await;
    assert_eq!((row.state.as_str(), row.url.as_str()), ("erased", ""));
    assert!(row.key.is_none());
}

#[tokio::test]
async fn what_a_crash_left_in_the_store_is_replaced() {
    let world = World::new().await;
    let vendor = Vendor::new(vec![whole()]).await;
    let id = world.note(&vendor).await;
    let name = format!("objects/acme/2025/11/{id}.enc");
    let left = b"sealed under a key that nobody has".to_vec();
    world.fetching.objects.put_bytes(&name, left).await.unwrap();
    let row = world.settle(id).await;
    assert_eq!(row.state, "stored");
    assert_eq!(world.kept(id, &row).await, wav());
}

#[tokio::test]
async fn two_processes_fetch_a_row_once() {
    let world = World::new().await;
    let vendor = Vendor::new(vec![whole()]).await;
    world.note(&vendor).await;
    let due = world.fetching.store.due_fetches(now(), 1).await.unwrap()[0];
    let (one, two) = tokio::join!(world.fetching.fetch(due), world.fetching.fetch(due));
    assert_eq!([one, two].iter().flatten().count(), 1);
    assert_eq!(vendor.asked(), 1);
}

#[tokio::test]
async fn urls_that_would_never_be_opened_are_not_noted() {
    let world = World::new().await;
    let note = async |call, vendor: &str, url: &str| {
        let url = SecretString::from(url);
        world.fetching.note(call, vendor, &url).await.unwrap_err()
    };
    let storage = "https://storage.vapi.ai/a.wav";
    let error = note(world.call, "nobody", storage).await;
    assert!(matches!(error, NoteError::UnknownVendor), "{error}");
    let error = note(CallId(clock::new_id()), "vapi", storage).await;
    assert!(matches!(error, NoteError::UnknownCall), "{error}");
    for url in [
        "https://evil.example/a.wav",
        "http://10.0.0.1/a.wav",
        "file:///etc/passwd",
    ] {
        let error = note(world.call, "vapi", url).await;
        assert!(matches!(error, NoteError::Refused(_)), "{url}: {error}");
    }
}
