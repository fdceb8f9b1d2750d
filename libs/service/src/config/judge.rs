//! What is wrong with settings although each is of its type.

use secrecy::ExposeSecret as _;

use super::read::Problem;
use super::{Env, Settings, secrets};

/// What types cannot say.
pub(super) fn judge(settings: &Settings, problems: &mut Vec<Problem>) {
    let mut wrong = |name: &str, text: String| {
        problems.push(Problem {
            name: name.to_owned(),
            text,
        });
    };
    let prod = settings.server.env == Env::Prod;
    let url = &settings.server.public_url;
    if !url.is_empty() && !is_origin(url, &["http", "https"]) {
        wrong(
            "SIDETONE_PUBLIC_URL",
            format!("{url:?} is not http(s)://host[:port] without a path"),
        );
    }
    for origin in &settings.server.cors_origins {
        if !is_origin(origin, &["http", "https"]) {
            wrong(
                "CORS_ORIGINS",
                format!("{origin:?} is not http(s)://host[:port]"),
            );
        }
    }
    if settings.server.http == settings.server.ops && settings.server.http.port() != 0 {
        wrong(
            "SIDETONE_OPS",
            "is the same address as SIDETONE_HTTP".to_owned(),
        );
    }
    judge_livekit(settings, &mut wrong);
    judge_recording(settings, &mut wrong);
    judge_secrets(settings, prod, &mut wrong);
    judge_schemes(settings, &mut wrong);
    if !(5..=43_200).contains(&settings.session.minutes) {
        let minutes = settings.session.minutes;
        wrong(
            "SIDETONE_SESSION_MINUTES",
            format!("{minutes} is not between 5 and 43200"),
        );
    }
    if prod && settings.upstreams.allow_loopback {
        wrong(
            "SIDETONE_ALLOW_LOOPBACK_UPSTREAMS",
            "is refused with SIDETONE_ENV=prod".to_owned(),
        );
    }
}

/// What other servers are spoken to with.
fn judge_schemes(settings: &Settings, wrong: &mut impl FnMut(&str, String)) {
    let mut one_of = |name: &str, url: &str, schemes: &[&str]| {
        if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            wrong(name, format!("begins with none of {}", schemes.join(", ")));
        }
    };
    let database = settings.database.url.expose_secret();
    if !database.is_empty() {
        let schemes = ["sqlite:", "postgres://", "postgresql://"];
        one_of("DATABASE_URL", database, &schemes);
    }
    if let Some(redis) = &settings.redis.url {
        let schemes = ["redis://", "rediss://"];
        one_of("REDIS_URL", redis.expose_secret(), &schemes);
    }
    if let Some(collector) = &settings.log.otlp_endpoint {
        let schemes = ["http://", "https://"];
        one_of("OTEL_EXPORTER_OTLP_ENDPOINT", collector, &schemes);
    }
}

fn judge_livekit(settings: &Settings, wrong: &mut impl FnMut(&str, String)) {
    let livekit = &settings.livekit;
    let set = [
        ("LIVEKIT_URL", livekit.url.is_some()),
        ("LIVEKIT_API_KEY", livekit.api_key.is_some()),
        ("LIVEKIT_API_SECRET", livekit.api_secret.is_some()),
    ];
    let others = [&livekit.ws_url, &livekit.sip_trunk_id, &livekit.sip_url];
    let any = set.iter().any(|(_, there)| *there) || others.iter().any(|other| other.is_some());
    for (name, there) in set {
        if any && !there {
            wrong(
                name,
                "is missing: LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET go together"
                    .to_owned(),
            );
        }
    }
    let urls = [
        ("LIVEKIT_URL", &livekit.url),
        ("LIVEKIT_WS_URL", &livekit.ws_url),
        ("LIVEKIT_SIP_URL", &livekit.sip_url),
    ];
    for (name, url) in urls {
        let Some(url) = url else { continue };
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("ws" | "wss" | "http" | "https")) {
            wrong(
                name,
                format!("{url:?} begins with none of ws://, wss://, http://, https://"),
            );
        }
    }
}

fn judge_recording(settings: &Settings, wrong: &mut impl FnMut(&str, String)) {
    let s3 = &settings.s3;
    if s3.bucket.is_none() {
        let others = [
            ("S3_ENDPOINT", s3.endpoint.is_some()),
            ("S3_PREFIX", !s3.prefix.is_empty()),
            ("S3_SSE", s3.sse.is_some()),
        ];
        for (name, there) in others {
            if there {
                wrong(name, "is of no use without S3_BUCKET".to_owned());
            }
        }
    }
    if let Some(endpoint) = &s3.endpoint
        && !is_origin(endpoint.trim_end_matches('/'), &["http", "https"])
    {
        wrong(
            "S3_ENDPOINT",
            format!("{endpoint:?} is not http(s)://host[:port] without a path"),
        );
    }
    if s3.prefix.starts_with('/') || s3.prefix.split('/').any(|part| part == "..") {
        wrong(
            "S3_PREFIX",
            format!("{:?} begins with / or holds ..", s3.prefix),
        );
    }
    if let Some(sse) = &s3.sse
        && !(sse == "AES256" || sse == "aws:kms" || sse.starts_with("aws:kms:"))
    {
        wrong(
            "S3_SSE",
            format!("{sse:?} is none of AES256, aws:kms, aws:kms:<key id>"),
        );
    }
    let mib = settings.recording.spool_mib;
    if mib < 64 {
        wrong("SIDETONE_SPOOL_MIB", format!("{mib} is less than 64"));
    }
}

fn judge_secrets(settings: &Settings, prod: bool, wrong: &mut impl FnMut(&str, String)) {
    let secret = settings.keys.secret_key.expose_secret();
    let recording = settings.keys.recording_key.expose_secret();
    for (name, value) in [("SECRET_KEY", secret), ("RECORDING_KEY", recording)] {
        if prod && value.is_empty() {
            wrong(name, "is required with SIDETONE_ENV=prod".to_owned());
        }
    }
    if !secret.is_empty() && secret.len() < secrets::SECRET_KEY_MIN {
        let least = secrets::SECRET_KEY_MIN;
        wrong("SECRET_KEY", format!("is shorter than {least} characters"));
    }
    if !recording.is_empty() && !secrets::is_recording_key(recording) {
        wrong("RECORDING_KEY", "is not 32 bytes as base64".to_owned());
    }
    if let Some(password) = &settings.admin.password {
        let length = password.expose_secret().chars().count();
        if !(8..=128).contains(&length) {
            wrong(
                "SIDETONE_ADMIN_PASSWORD",
                format!("has {length} characters, not 8 to 128"),
            );
        }
    }
}

fn is_origin(url: &str, schemes: &[&str]) -> bool {
    url.split_once("://").is_some_and(|(scheme, rest)| {
        schemes.contains(&scheme)
            && !rest.is_empty()
            && !rest.contains(['/', '?', '#', '@', ' ', '"', '*'])
    })
}
