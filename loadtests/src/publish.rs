//! The load: two-track calls from a process of their own.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use sidetone_room::token::Credentials;
use sidetone_simulate::Server;
use sidetone_simulate::clip::Sound;
use sidetone_simulate::load::{BurstPublisher, Payloads};

use crate::child::{questions, say};

/// Bytes of a packet: 20 ms of Opus at 32 kbit/s.
const PACKET_BYTES: usize = 80;

/// TOC of a 20 ms CELT fullband mono packet of one frame.
const TOC: u8 = 0xf8;

/// How to reach the server.
#[derive(Args, Clone)]
pub(crate) struct Access {
    #[arg(long)]
    pub(crate) url: String,
    #[arg(long)]
    pub(crate) key: String,
    #[arg(long)]
    pub(crate) secret: String,
}

impl Access {
    /// The same as arguments of a child.
    pub(crate) fn arguments(&self) -> Vec<String> {
        [
            "--url",
            &self.url,
            "--key",
            &self.key,
            "--secret",
            &self.secret,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::new(&self.key, &self.secret)
    }
}

/// Where and how much.
#[derive(Args)]
pub(crate) struct Publish {
    #[command(flatten)]
    access: Access,
    /// Calls, each in a room `load-<n>`.
    #[arg(long)]
    calls: usize,
}

impl Publish {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let server = Server::new(&self.access.url, self.access.credentials());
            let rooms: Vec<String> = (0..self.calls).map(|n| format!("load-{n}")).collect();
            let publisher = BurstPublisher::start(&server, &rooms, payloads()).await?;
            say("ready");
            let mut questions = questions();
            while questions.recv().await.is_some() {
                say(&publisher.sent().to_string());
            }
            Ok(())
        })
    }
}

fn payloads() -> Payloads {
    let mut bytes = [0u8; PACKET_BYTES];
    bytes[0] = TOC;
    let payload: Arc<[u8]> = bytes.into();
    Arc::new(move |_, n| Sound {
        payload: payload.clone(),
        level_dbov: 30,
        marker: n == 0,
    })
}
