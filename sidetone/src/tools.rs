//! What operators ask for on the command line.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use sidetone_room::token::{Credentials, Token};
use sidetone_service::Settings;
use sidetone_service::config::{self, LivekitAccess};
use sidetone_vault::{Store, s3};

use crate::cli;

/// Writes a line where the user reads.
pub(crate) fn print(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("standard output")
}

/// Prints the effective settings, or what is wrong with them.
pub(crate) fn check_settings() -> anyhow::Result<ExitCode> {
    let report = config::check();
    print(report.to_string().trim_end())?;
    Ok(if report.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints a token that may be used to connect for ten minutes.
pub(crate) fn print_token(settings: &Settings, options: &cli::Token) -> anyhow::Result<()> {
    let access = settings
        .livekit
        .access()
        .context("LIVEKIT_URL: is not set")?;
    let cli::Token {
        room,
        identity,
        kind,
    } = options;
    let token = match kind {
        cli::TokenKind::Participant => Token::participant(room, identity),
        cli::TokenKind::Listener => Token::listener(room, identity),
        cli::TokenKind::Tap => Token::tap(room, identity),
    };
    print(&token.sign(&credentials(&access))?)
}

/// Where recordings are stored: the bucket, or the local disk.
pub(crate) async fn recordings_store(settings: &Settings) -> anyhow::Result<Store> {
    let config = &settings.s3;
    let Some(bucket) = &config.bucket else {
        return Store::local(&settings.store_dir()).context("SIDETONE_DATA");
    };
    let sse = config.sse.as_deref().map(str::parse).transpose();
    let settings = s3::Settings {
        endpoint: config.endpoint.clone(),
        prefix: config.prefix.clone(),
        path_style: config.endpoint.is_some(),
        sse: sse.map_err(anyhow::Error::msg).context("S3_SSE")?,
        ..s3::Settings::new(bucket)
    };
    Ok(Store::s3(settings).await?)
}

/// Asks whether the store can be used, and says so if not. Beside everything else: recordings wait
/// in the spool for a store that is away, and nothing waits for the answer.
pub(crate) fn check_in_background(store: Store) {
    tokio::spawn(async move {
        if let Err(error) = store.check().await {
            tracing::error!(%error, "recordings wait in the spool until the store can be used");
        }
    });
}

pub(crate) fn credentials(access: &LivekitAccess) -> Credentials {
    Credentials::new(&access.api_key, access.api_secret.expose_secret())
}
