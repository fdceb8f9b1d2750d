//! What `sidetone config check` prints.

use std::fmt;

use secrecy::ExposeSecret as _;

use super::read::{Input, Origin, Problem, Problems, read};
use super::table::{Kind, SETTINGS};
use super::{Env, LogFormat, Registration, Settings};

/// A setting as it takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its name.
    pub name: &'static str,
    /// Its value; a secret says only whether it is set.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// The effective settings, or what is wrong with them.
#[derive(Debug, Clone)]
pub struct Report {
    /// The effective settings; empty when something is wrong.
    pub effective: Vec<Effective>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Checks the process's settings without changing anything.
pub fn check() -> Report {
    match Input::from_process() {
        Ok(input) => check_with(&input),
        Err(Problems(problems)) => Report {
            effective: Vec::new(),
            problems,
        },
    }
}

/// Checks given settings without changing anything.
pub fn check_with(input: &Input) -> Report {
    match read(input) {
        Ok(read) => Report {
            effective: SETTINGS
                .iter()
                .map(|setting| Effective {
                    name: setting.name,
                    value: shown(setting.name, setting.kind, &read.settings),
                    origin: read.origins[setting.name],
                })
                .collect(),
            problems: Vec::new(),
        },
        Err(Problems(problems)) => Report {
            effective: Vec::new(),
            problems,
        },
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.effective {
            let origin = match one.origin {
                Origin::Default => "default",
                Origin::File => "file",
                Origin::Environment => "environment",
            };
            writeln!(f, "{}={}  # {origin}", one.name, one.value)?;
        }
        for problem in &self.problems {
            writeln!(f, "wrong: {problem}")?;
        }
        Ok(())
    }
}

fn shown(name: &str, kind: Kind, settings: &Settings) -> String {
    let secret = |value: &str, generated: &str| {
        if value.is_empty() {
            generated.to_owned()
        } else {
            "[set]".to_owned()
        }
    };
    let optional = |value: &Option<String>| value.clone().unwrap_or_default();
    match name {
        "SIDETONE_HTTP" => settings.server.http.to_string(),
        "SIDETONE_OPS" => settings.server.ops.to_string(),
        "SIDETONE_PUBLIC_URL" => settings.server.public_url.clone(),
        "CORS_ORIGINS" => settings.server.cors_origins.join(","),
        "SIDETONE_ENV" => match settings.server.env {
            Env::Dev => "dev".to_owned(),
            Env::Test => "test".to_owned(),
            Env::Prod => "prod".to_owned(),
        },
        "SIDETONE_DATA" => settings.data.dir.display().to_string(),
        "DATABASE_URL" => secret(
            settings.database.url.expose_secret(),
            "[SQLite in SIDETONE_DATA]",
        ),
        "REDIS_URL" => {
            let value = settings.redis.url.as_ref();
            secret(
                value.map_or("", |v| v.expose_secret()),
                "[none: one process]",
            )
        }
        "LIVEKIT_URL" => optional(&settings.livekit.url),
        "LIVEKIT_API_KEY" => optional(&settings.livekit.api_key),
        "LIVEKIT_API_SECRET" => {
            let value = settings.livekit.api_secret.as_ref();
            secret(value.map_or("", |v| v.expose_secret()), "")
        }
        "LIVEKIT_WS_URL" => settings
            .livekit
            .access()
            .map_or(String::new(), |a| a.ws_url),
        "SECRET_KEY" => secret(
            settings.keys.secret_key.expose_secret(),
            "[generated into SIDETONE_DATA]",
        ),
        "RECORDING_KEY" => secret(
            settings.keys.recording_key.expose_secret(),
            "[generated into SIDETONE_DATA]",
        ),
        "SIDETONE_ADMIN_PASSWORD" => {
            let value = settings.admin.password.as_ref();
            secret(value.map_or("", |v| v.expose_secret()), "[generated]")
        }
        "SIDETONE_SESSION_MINUTES" => settings.session.minutes.to_string(),
        "SIDETONE_REGISTRATION" => match settings.session.registration {
            Registration::Open => "open".to_owned(),
            Registration::Invite => "invite".to_owned(),
            Registration::Closed => "closed".to_owned(),
        },
        "SIDETONE_ALLOW_LOOPBACK_UPSTREAMS" => settings.upstreams.allow_loopback.to_string(),
        "SIDETONE_AUDIOSOCKET" => {
            let address = settings.ingress.audiosocket;
            address.map_or_else(String::new, |address| address.to_string())
        }
        "SIDETONE_LOG" => match settings.log.format {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        },
        _ if kind == Kind::Secret => "[set]".to_owned(),
        _ => String::new(),
    }
}
