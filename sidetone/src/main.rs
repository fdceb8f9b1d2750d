//! Sidetone: the one binary.

mod all;
mod cli;
mod demo;
mod recordings;
mod simulate;
mod tools;

use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Command, ConfigCommand};
use sidetone_service::config::LogFormat;
use sidetone_service::{Settings, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::All => {
            let settings = Settings::load()?;
            let _telemetry = telemetry::init(&settings.log)?;
            Box::pin(all::run(&settings)).await?;
        }
        Command::Demo(options) => {
            let _telemetry = telemetry::init_with(LogFormat::Text, demo::LOG_FILTER, None)?;
            Box::pin(demo::run(options)).await?;
        }
        Command::Migrate => control_api::migrate(&Settings::load()?).await?,
        Command::Config(ConfigCommand::Check) => return tools::check_settings(),
        Command::Token(options) => tools::print_token(&Settings::load()?, &options)?,
        Command::Recordings(command) => {
            return Box::pin(recordings::run(&Settings::load()?, command)).await;
        }
        Command::Simulate(options) => Box::pin(simulate::run(*options)).await?,
        Command::Openapi => tools::print(&control_api::Api::openapi())?,
    }
    Ok(ExitCode::SUCCESS)
}
