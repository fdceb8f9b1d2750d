//! Runs a command with a PostgreSQL of its own, which `SIDETONE_TEST_POSTGRES` names:
//! `with-postgres cargo test --package control-api`. Its exit code is the command's.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use sidetone_testkit::{PostgresServer, TEST_POSTGRES};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let program = words.next().context("no command is given")?;
    let server = PostgresServer::start().await?;
    let status = Command::new(&program)
        .args(words)
        .env(TEST_POSTGRES, server.url())
        .status()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
