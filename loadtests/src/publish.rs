//! The load: two-track calls whose packets say when they were sent.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use sidetone_room::token::Credentials;
use sidetone_simulate::Server;
use sidetone_simulate::clip::Sound;
use sidetone_simulate::load::{BurstPublisher, Payloads};

/// Bytes of a packet: 20 ms of Opus at 32 kbit/s.
const PACKET_BYTES: usize = 80;

/// TOC of a 20 ms CELT fullband mono packet of one frame.
const TOC: u8 = 0xf8;

/// Where and how much.
#[derive(Args)]
pub(crate) struct Publish {
    #[arg(long)]
    url: String,
    #[arg(long)]
    key: String,
    #[arg(long)]
    secret: String,
    /// Calls, each in a room `load-<n>`.
    #[arg(long)]
    calls: usize,
}

impl Publish {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let server = Server::new(&self.url, Credentials::new(&self.key, &self.secret));
            let rooms: Vec<String> = (0..self.calls).map(|n| format!("load-{n}")).collect();
            let _publisher = BurstPublisher::start(&server, &rooms, stamped()).await?;
            announce("ready");
            std::future::pending::<Result<()>>().await
        })
    }
}

/// Tells the parent process something, a line each.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) fn announce(line: &str) {
    println!("{line}");
}

fn stamped() -> Payloads {
    let mut bytes = [0u8; PACKET_BYTES];
    bytes[0] = TOC;
    let payload: Arc<[u8]> = bytes.into();
    Arc::new(move |_, n| Sound { payload: payload.clone(), level_dbov: 30, marker: n == 0 })
}
