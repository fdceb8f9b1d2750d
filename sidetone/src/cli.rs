//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use sidetone_wire::RecordingId;

/// A real-time media gateway and a companion to a LiveKit SFU.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every role in this process; settings come from the environment or sidetone.toml
    All,
    /// Run every role with simulated calls on a private livekit-server (or on LIVEKIT_URL)
    Demo(Demo),
    /// Bring the database up to date and end
    Migrate,
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print an access token for a LiveKit room
    Token(Token),
    /// Print the description of the REST API
    Openapi,
    /// Look after recordings: compare spool, store and database, take one out
    Recordings(Recordings),
}

/// What is to be done with recordings.
#[derive(Debug, Args)]
pub(crate) struct Recordings {
    #[command(subcommand)]
    pub(crate) command: RecordingsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordingsCommand {
    /// Compare spool, store and database; each disagreement is a line, and the exit code is 1
    Check(CheckOptions),
    /// Decrypt a stored recording into a file, its manifest beside it
    Export(ExportOptions),
}

/// How recordings are checked.
#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// Put right what can be without losing anything, and say what was done
    #[arg(long)]
    pub(crate) repair: bool,
    /// Read every byte of every recording and compare its hash, not only its ends
    #[arg(long)]
    pub(crate) whole: bool,
}

/// Which recording is exported.
#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// Its id
    pub(crate) recording: RecordingId,
    /// The file to write, instead of <id>.ogg here; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the effective settings without secrets, and what is wrong with them
    Check,
}

/// How the demo is to be.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Calls at any time
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(0..=200))]
    pub(crate) calls: u16,
    /// The public listener, instead of SIDETONE_HTTP
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Option<SocketAddr>,
}

/// Whose token it is to be.
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The room
    #[arg(long)]
    pub(crate) room: String,
    /// The identity
    #[arg(long)]
    pub(crate) identity: String,
    /// What its holder may do
    #[arg(long, value_enum, default_value_t = TokenKind::Participant)]
    pub(crate) kind: TokenKind,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum TokenKind {
    /// Publishes and subscribes
    Participant,
    /// Subscribes only
    Listener,
    /// Subscribes only, unseen: what the gateway joins calls with
    Tap,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_demo_has_six_calls_unless_told_otherwise() {
        let calls = |arguments: &[&str]| match Cli::try_parse_from(arguments).map(|c| c.command) {
            Ok(Command::Demo(demo)) => Some(demo.calls),
            _ => None,
        };
        assert_eq!(calls(&["sidetone", "demo"]), Some(6));
        assert_eq!(calls(&["sidetone", "demo", "--calls", "40"]), Some(40));
        assert_eq!(calls(&["sidetone", "demo", "--calls", "-1"]), None);
    }
}
