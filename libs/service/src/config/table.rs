//! Every setting, once: its names, what it does, what it may do to you.

/// How a setting's text is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text as it is.
    Text,
    /// Text that is never shown.
    Secret,
    /// `true` or `false`, also `1` and `0`.
    Switch,
    /// A whole number.
    Number,
    /// Words separated by commas.
    List,
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Name in the environment and in `sidetone.toml`.
    pub name: &'static str,
    /// Its other name in `sidetone.toml`: table and key.
    pub path: &'static str,
    /// How its text is understood.
    pub kind: Kind,
    /// The default as text, empty when there is none.
    pub default: &'static str,
    /// The default as the documentation tells it.
    pub default_told: &'static str,
    /// What it does, with its unit and range.
    pub effect: &'static str,
    /// What can go wrong with it, or empty.
    pub danger: &'static str,
}

const fn setting(
    name: &'static str,
    path: &'static str,
    kind: Kind,
    default: &'static str,
    effect: &'static str,
) -> Setting {
    Setting {
        name,
        path,
        kind,
        default,
        default_told: default,
        effect,
        danger: "",
    }
}

impl Setting {
    const fn told(mut self, default: &'static str) -> Self {
        self.default_told = default;
        self
    }

    const fn danger(mut self, danger: &'static str) -> Self {
        self.danger = danger;
        self
    }
}

/// Names of the environment that belong to us without being settings: the file's place.
pub const CONFIG_FILE: &str = "SIDETONE_CONFIG";

/// All settings, in the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    setting(
        "SIDETONE_HTTP",
        "server.http",
        Kind::Text,
        "127.0.0.1:8080",
        "Public listener, address and port: dashboard, REST, Socket.IO, webhooks. Port 0 takes a free one.",
    ),
    setting(
        "SIDETONE_OPS",
        "server.ops",
        Kind::Text,
        "127.0.0.1:9090",
        "Operators' listener, address and port: `/livez`, `/readyz`, `/metrics`.",
    )
    .danger("Shows metrics to whoever reaches it: never make it public."),
    setting(
        "SIDETONE_PUBLIC_URL",
        "server.public_url",
        Kind::Text,
        "",
        "How browsers and vendors reach us: `http://` or `https://`, without a path. With `https://` the dashboard's cookie is marked Secure.",
    )
    .told("`http://<SIDETONE_HTTP>`"),
    setting(
        "CORS_ORIGINS",
        "server.cors_origins",
        Kind::List,
        "",
        "Origins beside our own that may call the API and open WebSockets, separated by commas, for example `https://desk.example`.",
    )
    .told("none: same origin only")
    .danger("Each origin acts with the rights of whoever is logged in there."),
    setting(
        "SIDETONE_ENV",
        "server.env",
        Kind::Text,
        "dev",
        "`dev`, `test` or `prod`. `prod` refuses generated secrets, http vendor URLs and loopback targets.",
    ),
    setting(
        "SIDETONE_DATA",
        "data.dir",
        Kind::Text,
        "./data",
        "Folder of SQLite, recordings being made, stored recordings and generated keys. Made when missing, readable by its owner only.",
    )
    .danger("Holds every recording and key: back it up and keep it private."),
    setting(
        "DATABASE_URL",
        "database.url",
        Kind::Secret,
        "",
        "`sqlite://<file>` or `postgres://…`.",
    )
    .told("SQLite in `SIDETONE_DATA`")
    .danger("SQLite serves one process only."),
    setting(
        "REDIS_URL",
        "redis.url",
        Kind::Secret,
        "",
        "`redis://…` or `rediss://…`: what one control-api process tells its clients reaches those of all.",
    )
    .told("none: one process"),
    setting(
        "LIVEKIT_URL",
        "livekit.url",
        Kind::Text,
        "",
        "The SFU as the gateway reaches it: `ws://`, `wss://`, `http://` or `https://`. Needs key and secret.",
    )
    .told("none: LiveKit is off"),
    setting(
        "LIVEKIT_API_KEY",
        "livekit.api_key",
        Kind::Text,
        "",
        "Names the secret.",
    )
    .told("none"),
    setting(
        "LIVEKIT_API_SECRET",
        "livekit.api_secret",
        Kind::Secret,
        "",
        "Signs LiveKit tokens and checks LiveKit's webhooks.",
    )
    .told("none")
    .danger("Whoever has it can join, hear and end every room."),
    setting(
        "LIVEKIT_WS_URL",
        "livekit.ws_url",
        Kind::Text,
        "",
        "The SFU as browsers reach it, when that differs.",
    )
    .told("`LIVEKIT_URL`"),
    setting(
        "LIVEKIT_SIP_TRUNK_ID",
        "livekit.sip_trunk_id",
        Kind::Text,
        "",
        "The outbound trunk of livekit-sip (`ST_…`) through which telephones are rung: whoever a call is transferred to after a word with them.",
    )
    .told("none: no telephone is rung")
    .danger("Whoever may transfer calls can have any number rung through it."),
    setting(
        "LIVEKIT_SIP_URL",
        "livekit.sip_url",
        Kind::Text,
        "",
        "Where LiveKit's SIP API answers, when that is not the SFU itself.",
    )
    .told("`LIVEKIT_URL`"),
    setting(
        "SECRET_KEY",
        "keys.secret_key",
        Kind::Secret,
        "",
        "Signs sessions and listen tokens; at least 32 characters. Required in `prod`.",
    )
    .told("generated into `SIDETONE_DATA/secret.key`")
    .danger("Whoever has it is every user. A new one ends all sessions and changes the addresses that vendors bring streams to."),
    setting(
        "RECORDING_KEY",
        "keys.recording_key",
        Kind::Secret,
        "",
        "32 bytes as base64: wraps the recordings' data keys. Required in `prod`.",
    )
    .told("generated into `SIDETONE_DATA/recording.key`")
    .danger("Without it no recording made under it can be read, by anybody."),
    setting(
        "S3_BUCKET",
        "s3.bucket",
        Kind::Text,
        "",
        "Bucket of the stored recordings. Credentials and region come from the usual `AWS_*` variables, profile, web identity or instance.",
    )
    .told("none: recordings stay in `SIDETONE_DATA/objects`")
    .danger("Must exist. What another one holds is not moved: recordings stored before are not found in it."),
    setting(
        "S3_ENDPOINT",
        "s3.endpoint",
        Kind::Text,
        "",
        "Address of an S3 server that is not Amazon's: `http://` or `https://`. Buckets are then named in the path.",
    )
    .told("Amazon's, of the region"),
    setting(
        "S3_PREFIX",
        "s3.prefix",
        Kind::Text,
        "",
        "Begins every object's key in the bucket, for example `sidetone/`.",
    )
    .told("none"),
    setting(
        "S3_SSE",
        "s3.sse",
        Kind::Text,
        "",
        "Encryption by the server on top of ours: `AES256`, `aws:kms`, or `aws:kms:<key id>`.",
    )
    .told("as the bucket says"),
    setting(
        "SIDETONE_SPOOL_MIB",
        "recording.spool_mib",
        Kind::Number,
        "51200",
        "MiB that recordings being made or waiting for the store may take on this disk, at least 64. Beyond it no further recording begins.",
    )
    .danger("A disk that is full before that costs what is said meanwhile."),
    setting(
        "SIDETONE_ADMIN_PASSWORD",
        "admin.password",
        Kind::Secret,
        "",
        "Password of the first user `admin` (role admin, tenant `default`), 8 to 128 characters, taken when the database is made; without effect later.",
    )
    .told("generated, printed once"),
    setting(
        "SIDETONE_SESSION_MINUTES",
        "session.minutes",
        Kind::Number,
        "480",
        "How long a login lasts, in minutes, 5 to 43200.",
    ),
    setting(
        "SIDETONE_REGISTRATION",
        "session.registration",
        Kind::Text,
        "closed",
        "Who may add themselves as a user (`POST /api/register`): `open` (everybody, as an agent of the default tenant), `invite` (who has an invite of an admin) or `closed`.",
    )
    .danger("`open` lets everybody in who reaches the listener."),
    setting(
        "SIDETONE_ALLOW_LOOPBACK_UPSTREAMS",
        "upstreams.allow_loopback",
        Kind::Switch,
        "false",
        "Vendor URLs may point at this machine, for tests and the demo.",
    )
    .danger("A vendor's URL can then reach services of this machine. Refused in `prod`."),
    setting(
        "SIDETONE_LOG",
        "log.format",
        Kind::Text,
        "text",
        "`text` or `json`; goes to standard error. `RUST_LOG` chooses what is logged.",
    ),
    setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "log.otlp_endpoint",
        Kind::Text,
        "",
        "`http://` or `https://` address of an OpenTelemetry collector, for example `http://127.0.0.1:4318`: spans of requests and calls are sent there (OTLP over HTTP, protobuf). The exporter also reads `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` and `OTEL_BSP_*` from the environment.",
    )
    .told("none"),
    setting(
        "SIDETONE_AUDIOSOCKET",
        "ingress.audiosocket",
        Kind::Text,
        "",
        "TCP listener for Asterisk's AudioSocket, address and port, for example `10.0.0.5:9092`: what comes there is a call of the tenant `default`.",
    )
    .told("none: off")
    .danger("The protocol proves nothing: whoever reaches it brings calls. Never make it public."),
];

/// The setting of that name, if there is one.
pub fn by_name(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// The setting with that table and key, if there is one.
pub fn by_path(path: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_settings_share_a_name() {
        for (n, setting) in SETTINGS.iter().enumerate() {
            for other in &SETTINGS[..n] {
                assert_ne!(setting.name, other.name);
                assert_ne!(setting.path, other.path);
            }
        }
    }
}
