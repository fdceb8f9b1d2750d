//! Settings: from the environment or the same names in `sidetone.toml`; the environment wins.
//!
//! [`table::SETTINGS`] is the list of all of them, `docs/config.md` is generated from it. Unknown
//! names and settings that this version cannot serve are errors: nothing is silently ignored.

mod check;
mod docs;
mod judge;
mod read;
pub mod secrets;
pub mod table;

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

pub use check::{Effective, Report, check, check_with};
pub use docs::markdown;
pub use read::{Input, Problem, Problems};

/// Every setting, read and checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Listeners and how others reach them.
    pub server: Server,
    /// Where files lie.
    pub data: Data,
    /// The database.
    pub database: Database,
    /// Where processes meet.
    pub redis: Redis,
    /// The SFU.
    pub livekit: Livekit,
    /// Keys.
    pub keys: Keys,
    /// The bucket of stored recordings.
    pub s3: S3,
    /// Recordings on their way to the store.
    pub recording: Recording,
    /// The first user.
    pub admin: Admin,
    /// Sessions of people.
    pub session: Session,
    /// What upstreams may point at.
    pub upstreams: Upstreams,
    /// Streams that come elsewhere than to the public listener.
    pub ingress: Ingress,
    /// Logs.
    pub log: Log,
}

/// Listeners and how others reach them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// `SIDETONE_HTTP`: the public listener. Default 127.0.0.1:8080; port 0 takes a free one.
    pub http: SocketAddr,
    /// `SIDETONE_OPS`: the operators' listener. Default 127.0.0.1:9090. Danger: shows metrics to
    /// whoever reaches it.
    pub ops: SocketAddr,
    /// `SIDETONE_PUBLIC_URL`: default `http://<SIDETONE_HTTP>`, without a slash at its end.
    #[serde(default)]
    pub public_url: String,
    /// `CORS_ORIGINS`: origins beside our own that may call the API. Default none.
    #[serde(default)]
    pub cors_origins: Vec<String>,
    /// `SIDETONE_ENV`: default `dev`.
    pub env: Env,
}

/// Where files lie.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// `SIDETONE_DATA`: the folder of SQLite, spool, objects and generated keys. Default `./data`.
    pub dir: PathBuf,
}

/// The database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `DATABASE_URL`: default SQLite in `SIDETONE_DATA`. May hold a password.
    #[serde(default)]
    pub url: SecretString,
}

/// Where processes meet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `REDIS_URL`: carries real-time events between processes. Default none: one process. May
    /// hold a password.
    pub url: Option<SecretString>,
}

/// The SFU.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Livekit {
    /// `LIVEKIT_URL`: where the gateway reaches the server. Default none: LiveKit is off.
    pub url: Option<String>,
    /// `LIVEKIT_API_KEY`: names the secret.
    pub api_key: Option<String>,
    /// `LIVEKIT_API_SECRET`: signs tokens. Danger: whoever has it is every participant.
    pub api_secret: Option<SecretString>,
    /// `LIVEKIT_WS_URL`: where browsers reach the server. Default: `LIVEKIT_URL`.
    pub ws_url: Option<String>,
    /// `LIVEKIT_SIP_TRUNK_ID`: the outbound trunk through which telephones are rung. Default none.
    /// Danger: whoever may transfer calls can have any number rung through it.
    pub sip_trunk_id: Option<String>,
    /// `LIVEKIT_SIP_URL`: where LiveKit's SIP API answers. Default: `LIVEKIT_URL`.
    pub sip_url: Option<String>,
}

/// How to reach the SFU, when it is configured.
#[derive(Debug, Clone)]
pub struct LivekitAccess {
    /// For the gateway: `ws://`, `wss://`, `http://` or `https://`.
    pub url: String,
    /// For browsers: `ws://` or `wss://`.
    pub ws_url: String,
    /// The API key.
    pub api_key: String,
    /// The API secret.
    pub api_secret: SecretString,
    /// The outbound trunk of telephones.
    pub sip_trunk_id: Option<String>,
    /// Where the SIP API answers.
    pub sip_url: String,
}

impl Livekit {
    /// How to reach the SFU; `None` when LiveKit is off. All three settings are there or none:
    /// reading saw to it.
    pub fn access(&self) -> Option<LivekitAccess> {
        let url = self.url.clone()?;
        let ws_url = self.ws_url.as_ref().unwrap_or(&url);
        let ws_url = match ws_url.split_once("://") {
            Some(("http", rest)) => format!("ws://{rest}"),
            Some(("https", rest)) => format!("wss://{rest}"),
            _ => ws_url.clone(),
        };
        Some(LivekitAccess {
            ws_url,
            api_key: self.api_key.clone()?,
            api_secret: self.api_secret.clone()?,
            sip_trunk_id: self.sip_trunk_id.clone(),
            sip_url: self.sip_url.clone().unwrap_or_else(|| url.clone()),
            url,
        })
    }
}

/// Keys.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// `SECRET_KEY`: signs sessions and listen tokens, at least 32 characters. Danger: whoever
    /// has it is every user; a new one ends all sessions.
    #[serde(default)]
    pub secret_key: SecretString,
    /// `RECORDING_KEY`: 32 bytes as base64, wraps the takes' data keys. Danger: without it no
    /// recording made under it can be read.
    #[serde(default)]
    pub recording_key: SecretString,
}

/// The bucket of stored recordings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// `S3_BUCKET`: default none: recordings lie in `SIDETONE_DATA/objects`.
    pub bucket: Option<String>,
    /// `S3_ENDPOINT`: default Amazon's. With one, buckets are named in the path.
    pub endpoint: Option<String>,
    /// `S3_PREFIX`: default none.
    #[serde(default)]
    pub prefix: String,
    /// `S3_SSE`: `AES256`, `aws:kms` or `aws:kms:<key id>`; default as the bucket says.
    pub sse: Option<String>,
}

/// Recordings on their way to the store.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// `SIDETONE_SPOOL_MIB`: MiB of the spool, default 51,200, at least 64. Danger: beyond it no
    /// recording begins.
    pub spool_mib: u32,
}

/// The first user.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// `SIDETONE_ADMIN_PASSWORD`: password of `admin` when the database is made. Default:
    /// generated and printed once. Without effect later.
    pub password: Option<SecretString>,
}

/// Sessions of people.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// `SIDETONE_SESSION_MINUTES`: 5 to 43,200, default 480.
    pub minutes: u32,
    /// `SIDETONE_REGISTRATION`: default `closed`. Danger: `open` lets everybody in who reaches us.
    pub registration: Registration,
}

/// What upstreams may point at.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstreams {
    /// `SIDETONE_ALLOW_LOOPBACK_UPSTREAMS`: default false. Danger: vendor URLs may then reach
    /// services of this machine; refused in prod.
    pub allow_loopback: bool,
}

/// Streams that come elsewhere than to the public listener.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingress {
    /// `SIDETONE_AUDIOSOCKET`: TCP listener for AudioSocket. Default none. Danger: whoever reaches
    /// it brings calls.
    pub audiosocket: Option<SocketAddr>,
}

/// Logs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// `SIDETONE_LOG`: default `text`.
    pub format: LogFormat,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the collector of traces. Default none: no traces.
    pub otlp_endpoint: Option<String>,
}

/// How much is forgiven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Env {
    /// On somebody's own machine.
    Dev,
    /// Under test.
    Test,
    /// For customers: no generated secrets, no loopback targets.
    Prod,
}

/// Who may add themselves as a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody, as an agent of the default tenant.
    Open,
    /// Who has an invite of an admin.
    Invite,
    /// Nobody.
    Closed,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// Reads the process's environment and settings file, generates the secrets that are missing.
    ///
    /// # Errors
    /// Everything that is wrong, each with the name of its setting.
    pub fn load() -> Result<Self, Problems> {
        Self::load_from(&Input::from_process()?)
    }

    /// The same from a given environment and file: for tests and tools.
    pub fn load_from(input: &Input) -> Result<Self, Problems> {
        let mut settings = read::read(input)?.settings;
        secrets::fill(&mut settings)?;
        Ok(settings)
    }

    /// Where the session database is, as sqlx reads it.
    pub fn database_url(&self) -> SecretString {
        let url = self.database.url.expose_secret();
        if url.is_empty() {
            let file = self.data.dir.join("sidetone.db");
            SecretString::from(format!("sqlite://{}", file.display()))
        } else {
            self.database.url.clone()
        }
    }

    /// The folder of recordings being made.
    pub fn spool_dir(&self) -> PathBuf {
        self.data.dir.join("spool")
    }

    /// The root of objects stored on this disk, whose names are relative to it: `objects/…` lies below it.
    pub fn store_dir(&self) -> PathBuf {
        self.data.dir.clone()
    }
}
