//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use sidetone_simulate::recognise::Provider;
use sidetone_simulate::stream::Dialect;
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
    /// Bring a simulated call's sound, or recognise the tones in one, as a vendor does
    Simulate(Box<Simulate>),
}

/// A vendor that is simulated.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Vendor {
    /// One that brings streams.
    Stream(Dialect),
    /// One that recognises speech.
    Recogniser(Provider),
}

impl FromStr for Vendor {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let streams = Dialect::ALL.map(|(name, dialect)| (name, Self::Stream(dialect)));
        let recognisers = Provider::ALL.map(|(name, one)| (name, Self::Recogniser(one)));
        let all: Vec<(&str, Self)> = streams.into_iter().chain(recognisers).collect();
        let found = all.iter().find(|(name, _)| *name == word);
        let names = || {
            all.iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", ")
        };
        found
            .map(|(_, vendor)| *vendor)
            .ok_or_else(|| format!("there are {}", names()))
    }
}

/// What is brought, and what goes wrong.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// twilio, telnyx, plivo, exotel, vonage, jambonz, audiohook or audiosocket, whose stream is
    /// brought; deepgram, assemblyai or openai, which is dialled
    pub(crate) vendor: Vendor,
    /// The connection's `streamUrls`, or tcp://host:port for AudioSocket
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Where a recogniser of speech is reached: what its connection's `apiUrl` says
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// What the vendor signs with: Twilio's authToken, AudioHook's clientSecret (with the apiKey
    /// `key-of-the-audiohook`); the key of a recogniser
    #[arg(long)]
    pub(crate) secret: Option<String>,
    /// The call's id at the vendor, instead of a new one
    #[arg(long)]
    pub(crate) call_id: Option<String>,
    /// Who calls
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Who is called
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// What is said: the name of a script of the demo
    #[arg(long)]
    pub(crate) script: Option<String>,
    /// How long, instead of once the script
    #[arg(long)]
    pub(crate) seconds: Option<u32>,
    /// The sound is in G.722, where the vendor has that (Telnyx)
    #[arg(long)]
    pub(crate) wideband: bool,
    /// Chunks are early or late by up to so much
    #[arg(long, default_value_t = 0)]
    pub(crate) jitter_ms: u32,
    /// The vendor's clock is so much too fast, in millionths
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub(crate) drift_ppm: f64,
    /// So many chunks at a time are sent in any order
    #[arg(long, default_value_t = 0)]
    pub(crate) shuffled: usize,
    /// Of a thousand chunks, so many are never sent
    #[arg(long, default_value_t = 0)]
    pub(crate) dropped: u32,
    /// Of a thousand chunks, so many are sent twice
    #[arg(long, default_value_t = 0)]
    pub(crate) doubled: u32,
    /// Nothing is sent for so long
    #[arg(long)]
    pub(crate) stall_ms: Option<u32>,
    /// From then on
    #[arg(long, default_value_t = 2000)]
    pub(crate) stall_after_ms: u32,
    /// What was said meanwhile is never sent, instead of at once afterwards
    #[arg(long)]
    pub(crate) stall_lost: bool,
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
    /// Calls at any time at each simulated vendor (Vapi, Retell, Twilio)
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=20))]
    pub(crate) vendor_calls: u16,
    /// Start no livekit-server and use none: there are the vendors' calls, heard by WebSocket
    #[arg(long)]
    pub(crate) without_livekit: bool,
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
