//! Recordings with sound in them: other formats, single channels, damage, who heard them.

use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sidetone_media::ogg;
use sidetone_service::clock;
use sidetone_testkit::{database, level_dbfs, tone_file};
use sidetone_vault::DataKey;
use sidetone_wire::{Booking, RecordingId, TakeState};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::takes::{audited, manifest, path, sealed};
use crate::world::{User, World};

const MS: u64 = 3000;
const CUSTOMER_HZ: f64 = 440.0;
const AGENT_HZ: f64 = 1000.0;
const WAV_HEADER: usize = 44;

/// A recording in which both parties hum.
struct Humming {
    world: World,
    admin: User,
    id: RecordingId,
    file: Vec<u8>,
    object: String,
}

impl Humming {
    async fn new() -> Self {
        let world = World::new().await;
        let admin = world.admin().await;
        let call = world.gateway().hold("room-1", None);
        call.known_to(&admin).await;
        let id = RecordingId(clock::new_id());
        let file = tone_file(&[CUSTOMER_HZ, AGENT_HZ], MS).unwrap();
        let mut manifest = manifest(&call, id);
        manifest.duration_ms = MS;
        manifest.bytes = file.len() as u64;
        manifest.sha256 = hex::encode(Sha256::digest(&file));
        let object = manifest.object.clone();
        let key = DataKey::generate().unwrap();
        let wrapped = world.keyring.wrap(&key, &manifest.tenant, id).unwrap();
        let objects = &world.objects;
        objects
            .put_bytes(&object, sealed(&file, &key))
            .await
            .unwrap();
        let booking = Booking {
            manifest,
            key: wrapped,
            state: TakeState::Stored,
        };
        world.ledger.book(&booking).await.unwrap();
        Self {
            world,
            admin,
            id,
            file,
            object,
        }
    }

    async fn ask(&self, method: Method, query: &str, headers: &[(&str, &str)]) -> Response {
        let path = format!("{}/audio?{query}", path(self.id));
        let mut request = self.admin.request(method, &path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn hear(&self, query: &str) -> (HeaderMap, Vec<u8>) {
        let response = self.ask(Method::GET, query, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{query}");
        let headers = response.headers().clone();
        (headers, response.bytes().await.unwrap().to_vec())
    }

    async fn refused(&self, query: &str) -> (StatusCode, String) {
        let path = format!("{}/audio?{query}", path(self.id));
        let (status, body) = self.admin.get(&path).await;
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }

    /// The object as the store's folder has it, changed.
    fn on_disk(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.world.dir.path().join(&self.object);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }

    /// Changes rows as a former version would have left them.
    async fn execute(&self, sql: String) {
        let url = database(self.world.dir.path()).await;
        sqlx::any::install_default_drivers();
        let mut database = sqlx::AnyConnection::connect(&url).await.unwrap();
        database.execute(AssertSqlSafe(sql)).await.unwrap();
    }

    async fn accesses(&self) -> Vec<Value> {
        audited(&self.admin, &self.id.to_string()).await
    }
}

/// The channels of a WAV file's sound.
fn wav(file: &[u8], channels: usize) -> Vec<Vec<i16>> {
    assert!(file.starts_with(b"RIFF") && &file[8..16] == b"WAVEfmt ");
    assert_eq!(u16::from_le_bytes([file[22], file[23]]) as usize, channels);
    let samples: Vec<i16> = file[WAV_HEADER..]
        .chunks(2)
        .map(|sample| i16::from_le_bytes([sample[0], sample[1]]))
        .collect();
    let of = |n| samples.iter().skip(n).step_by(channels).copied().collect();
    (0..channels).map(of).collect()
}

fn hums(pcm: &[i16], hz: f64) -> bool {
    level_dbfs(&pcm[4800..pcm.len() - 4800], hz) > -12.0
}

#[tokio::test]
async fn a_wav_is_made_on_request_and_is_as_long_as_the_call() {
    let humming = Humming::new().await;
    let length = WAV_HEADER + MS as usize * 48 * 4;
    let head = humming.ask(Method::HEAD, "format=wav", &[]).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(
        head.headers()["content-length"],
        length.to_string().as_str()
    );

    let (headers, file) = humming.hear("format=wav").await;
    assert_eq!(headers["content-type"], "audio/wav");
    assert_eq!(headers["content-length"], length.to_string().as_str());
    assert_eq!(headers["etag"], head.headers()["etag"]);
    let name = format!(
        "inline; filename=\"sidetone-2026-11-20-{}.wav\"",
        humming.id
    );
    assert_eq!(headers["content-disposition"], name.as_str());
    assert_eq!(file.len(), length);
    let channels = wav(&file, 2);
    assert!(hums(&channels[0], CUSTOMER_HZ) && !hums(&channels[0], AGENT_HZ));
    assert!(hums(&channels[1], AGENT_HZ) && !hums(&channels[1], CUSTOMER_HZ));

    for (range, first, last) in [
        ("bytes=0-43", 0, 43),
        ("bytes=65500-131100", 65_500, 131_100),
        ("bytes=-100", length - 100, length - 1),
    ] {
        let part = humming
            .ask(Method::GET, "format=wav", &[("range", range)])
            .await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let expected = format!("bytes {first}-{last}/{length}");
        assert_eq!(part.headers()["content-range"], expected.as_str());
        assert_eq!(part.bytes().await.unwrap(), file[first..=last], "{range}");
    }
    let beyond = format!("bytes={length}-");
    let beyond = [("range", beyond.as_str())];
    let beyond = humming.ask(Method::GET, "format=wav", &beyond).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let known = [("if-none-match", headers["etag"].to_str().unwrap())];
    let known = humming.ask(Method::GET, "format=wav", &known).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn each_channel_and_the_mix_are_to_be_had_alone() {
    let humming = Humming::new().await;
    let both = humming.hear("").await;
    assert_eq!(both.1, humming.file);
    assert_eq!(
        humming.hear("format=ogg&channel=both").await.1,
        humming.file
    );
    let mut tags = vec![both.0["etag"].clone()];
    for (query, heard, unheard) in [
        ("channel=customer", Some(CUSTOMER_HZ), Some(AGENT_HZ)),
        ("channel=0", Some(CUSTOMER_HZ), Some(AGENT_HZ)),
        ("channel=agent", Some(AGENT_HZ), Some(CUSTOMER_HZ)),
        ("channel=1", Some(AGENT_HZ), Some(CUSTOMER_HZ)),
        ("channel=mix", None, None),
    ] {
        let (headers, file) = humming.hear(query).await;
        assert_eq!(headers["content-type"], "audio/ogg", "{query}");
        let packets: Result<Vec<_>, _> = ogg::Reader::new(&file).collect();
        let head = ogg::OpusHead::parse(&packets.unwrap()[0].data).unwrap();
        assert_eq!(head.channels, 1, "{query}");
        tags.push(headers["etag"].clone());
        // the length is known once it is made
        let length = file.len() - 1;
        let last = format!("bytes={length}-");
        let part = humming.ask(Method::GET, query, &[("range", &last)]).await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{query}");
        assert_eq!(part.bytes().await.unwrap(), file[length..], "{query}");

        let (_, file) = humming.hear(&format!("{query}&format=wav")).await;
        assert_eq!(file.len(), WAV_HEADER + MS as usize * 48 * 2, "{query}");
        let sound = &wav(&file, 1)[0];
        assert!(heard.is_none_or(|hz| hums(sound, hz)), "{query}");
        assert!(!unheard.is_some_and(|hz| hums(sound, hz)), "{query}");
    }
    // a channel is the same by its number and by its party; all others differ
    assert_eq!(tags[1], tags[2]);
    tags.dedup();
    assert_eq!(tags.len(), 4);
}

#[tokio::test]
async fn what_there_is_not_is_refused_clearly() {
    let humming = Humming::new().await;
    for (query, code) in [
        ("format=mp3", "unsupported_format"),
        ("channel=2", "no_such_channel"),
        ("channel=supervisor", "validation_failed"),
        ("channel=-1", "validation_failed"),
        ("format=flac", "validation_failed"),
        ("download=yes", "validation_failed"),
        ("speed=2", "validation_failed"),
    ] {
        let refused = (StatusCode::UNPROCESSABLE_ENTITY, code.to_owned());
        assert_eq!(humming.refused(query).await, refused, "{query}");
    }
}

#[tokio::test]
async fn recordings_of_before_encryption_stay_audible() {
    let humming = Humming::new().await;
    let object = "objects/default/2026/10/old.ogg";
    let file = humming.file.clone();
    humming.world.objects.put_bytes(object, file).await.unwrap();
    let id = humming.id;
    humming
        .execute(format!(
            "UPDATE recordings SET object = '{object}', wrapped_key = NULL, key_id = NULL, \
             key_tenant = NULL WHERE id = '{id}'"
        ))
        .await;
    assert_eq!(humming.hear("").await.1, humming.file);
    let channels = wav(&humming.hear("format=wav").await.1, 2);
    assert!(hums(&channels[0], CUSTOMER_HZ) && hums(&channels[1], AGENT_HZ));
}

#[tokio::test]
async fn damage_ends_in_an_error_and_never_in_other_sound() {
    let unreadable = (
        StatusCode::INTERNAL_SERVER_ERROR,
        "recording_unreadable".to_owned(),
    );
    // in the first chunk: nothing is sent
    let humming = Humming::new().await;
    humming.on_disk(|bytes| bytes[1000] ^= 1);
    for query in ["", "format=wav", "channel=mix"] {
        assert_eq!(humming.refused(query).await, unreadable, "{query}");
    }
    // cut off
    let humming = Humming::new().await;
    humming.on_disk(|bytes| bytes.truncate(bytes.len() / 2));
    assert_eq!(humming.refused("").await, unreadable);
    // another tenant's key
    let humming = Humming::new().await;
    let id = humming.id;
    let sql = format!("UPDATE recordings SET key_tenant = 'globex' WHERE id = '{id}'");
    humming.execute(sql).await;
    assert_eq!(humming.refused("").await, unreadable);
    // gone
    let humming = Humming::new().await;
    humming.world.objects.erase(&humming.object).await.unwrap();
    assert_eq!(humming.refused("").await, unreadable);
    assert!(humming.accesses().await.is_empty());
}

#[tokio::test]
async fn a_recording_that_is_damaged_further_on_breaks_off_there() {
    let world = World::new().await;
    let admin = world.admin().await;
    let call = world.gateway().hold("room-1", None);
    call.known_to(&admin).await;
    let id = world.stored(&call).await;
    let object = world.dir.path().join(manifest(&call, id).object);
    let mut bytes = std::fs::read(&object).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::remove_file(&object).unwrap();
    std::fs::write(&object, bytes).unwrap();
    let path = format!("{}/audio", path(id));
    let mut response = admin.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut heard = Vec::new();
    let broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => heard.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken, "{} bytes came as if they were all", heard.len());
    assert_eq!(heard, crate::takes::sound()[..65_536]);
    // what is before the damage is to be had
    let request = admin
        .request(Method::GET, &path)
        .header("range", "bytes=10-99");
    let part = request.send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
}

#[tokio::test]
async fn who_listens_and_who_downloads_is_in_the_audit_log() {
    let humming = Humming::new().await;
    let (headers, _) = humming.hear("").await;
    for range in ["bytes=0-10", "bytes=11-100", "bytes=-5"] {
        humming.ask(Method::GET, "", &[("range", range)]).await;
    }
    humming
        .ask(Method::HEAD, "format=wav&download=1", &[])
        .await;
    let known = headers["etag"].to_str().unwrap();
    humming
        .ask(Method::GET, "download=1", &[("if-none-match", known)])
        .await;
    humming.refused("download=1&channel=7").await;
    let rows = humming.accesses().await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["action"], "recording.played");
    assert_eq!(rows[0]["actor"], humming.admin.id.as_str());
    assert_eq!(rows[0]["address"], "127.0.0.1");

    let (headers, _) = humming.hear("format=wav&channel=agent&download=1").await;
    let name = format!(
        "attachment; filename=\"sidetone-2026-11-20-{}-agent.wav\"",
        humming.id
    );
    assert_eq!(headers["content-disposition"], name.as_str());
    humming.hear("format=wav&channel=agent&download=1").await;
    humming.hear("download=1").await;
    let admin = &humming.admin;
    let other = humming.world.user(admin, "otto", "supervisor").await;
    let path = format!("{}/audio", path(humming.id));
    other.request(Method::GET, &path).send().await.unwrap();
    let rows = humming.accesses().await;
    let actions: Vec<_> = rows
        .iter()
        .map(|row| row["action"].as_str().unwrap())
        .collect();
    let downloaded = "recording.downloaded";
    let expected = [
        "recording.played",
        downloaded,
        downloaded,
        "recording.played",
    ];
    assert_eq!(actions, expected, "{rows:?}");
    assert_eq!(rows[1]["detail"]["channel"], "agent");
    assert_eq!(rows[1]["detail"]["format"], "wav");
    assert_eq!(rows[3]["actor"], other.id.as_str());
}

#[tokio::test]
async fn an_erased_recording_is_heard_from_no_cache() {
    let humming = Humming::new().await;
    humming.hear("format=wav").await;
    let (status, _) = humming.admin.send(Method::DELETE, &path(humming.id)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    for query in ["", "format=wav", "channel=agent"] {
        let gone = (StatusCode::GONE, "recording_erased".to_owned());
        assert_eq!(humming.refused(query).await, gone, "{query}");
    }
}

#[tokio::test]
async fn ten_clicks_are_answered_alike() {
    let humming = Humming::new().await;
    let asked = (0..10).map(|_| humming.hear("format=wav&channel=mix"));
    let heard = futures_util::future::join_all(asked).await;
    let first = &heard[0].1;
    assert_eq!(first.len(), WAV_HEADER + MS as usize * 48 * 2);
    assert!(heard.iter().all(|(_, file)| file == first));
}
