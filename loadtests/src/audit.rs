//! How long a long audit log takes to be verified, over HTTP, by a control plane of its own.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use sidetone_fleet::Fleet;
use sidetone_service::config::Input;
use sidetone_service::ops::Readiness;
use sidetone_service::{Lifecycle, Settings, clock};
use sidetone_vault::Keyring;
use sidetone_wire::AuditVerdict;

use crate::child::say;

/// The goal for a million rows.
const TARGET_PER_MILLION: Duration = Duration::from_secs(30);

const PASSWORD: &str = "admin-password";

/// How many, and where.
#[derive(Args)]
pub(crate) struct Audit {
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// An empty database, for example `postgres://…`; SQLite in a temporary folder if it is not
    /// named.
    #[arg(long, default_value = "")]
    database: String,
}

#[derive(Deserialize)]
struct Login {
    access_token: String,
}

impl Audit {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(Box::pin(self.verify()))
    }

    async fn verify(self) -> Result<()> {
        // already installed: as good
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let dir = tempfile::tempdir()?;
        let data = dir.path().to_str().context("a folder's name")?;
        let settings = Settings::load_from(&Input::from_vars([
            ("DATABASE_URL", self.database.as_str()),
            ("SIDETONE_HTTP", "127.0.0.1:0"),
            ("SIDETONE_ENV", "test"),
            ("SIDETONE_DATA", data),
            ("SIDETONE_ADMIN_PASSWORD", PASSWORD),
        ]))?;
        let keyring = Keyring::from_base64(&settings.keys.recording_key)?;
        let objects = sidetone_vault::Store::local(&settings.store_dir())?;
        let (fleet, readiness) = (Fleet::in_process(), Readiness::new());
        let api = control_api::load(&settings, fleet, &readiness, objects, keyring).await?;
        let begun = clock::now();
        control_api::fill_audit_log(&settings, self.rows).await?;
        let written = clock::now() - begun;
        let url = format!("http://{}", api.address()?);
        let lifecycle = Lifecycle::new(Duration::from_secs(5));
        lifecycle.spawn_vital("control-api", api.run(lifecycle.clone()));
        let begun = clock::now();
        let verdict = verified(&url).await?;
        let took = clock::now() - begun;
        lifecycle.shut_down();
        lifecycle.run().await?;
        let target = TARGET_PER_MILLION.mul_f64(self.rows as f64 / 1e6);
        let passed = verdict.ok && verdict.rows > self.rows && took <= target;
        let report = json!({
            "scenario": "audit", "rows": verdict.rows, "ok": verdict.ok,
            "written_s": written.as_secs_f64(),
            "verified_s": took.as_secs_f64(), "verified_target_s": target.as_secs_f64(),
            "passed": passed,
        });
        say(&report.to_string());
        Ok(())
    }
}

async fn verified(url: &str) -> Result<AuditVerdict> {
    let client = reqwest::Client::new();
    let login = client
        .post(format!("{url}/api/auth/login"))
        .json(&json!({"username": "admin", "password": PASSWORD}))
        .send()
        .await?
        .error_for_status()?;
    let token = login.json::<Login>().await?.access_token;
    let verdict = client
        .get(format!("{url}/api/audit/verify"))
        .bearer_auth(token)
        .send()
        .await?
        .error_for_status()?;
    Ok(verdict.json().await?)
}
