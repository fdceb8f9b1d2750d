//! Supervisors: each joins its own monitor room and hears whatever appears there.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};
use sidetone_room::token::Token;
use sidetone_room::{Event, Options, Room};

use crate::carrier::{listener, monitor_room};
use crate::child::{questions, say};
use crate::publish::Access;

/// Who listens.
#[derive(Args)]
pub(crate) struct Supervise {
    #[command(flatten)]
    access: Access,
    #[arg(long)]
    supervisors: usize,
    /// Join, but hear nothing: the load without what it costs to receive it.
    #[arg(long)]
    deaf: bool,
}

/// What supervisors have heard.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// Tracks with at least one packet.
    pub(crate) tracks: usize,
    /// Packets.
    pub(crate) packets: usize,
}

impl Supervise {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let tracks = Arc::new(AtomicUsize::new(0));
            let packets = Arc::new(AtomicUsize::new(0));
            for n in 0..self.supervisors {
                let token = Token::listener(&monitor_room(n), &listener(n));
                let token = token.sign(&self.access.credentials())?;
                let room = Box::pin(Room::join(Options::new(&self.access.url, token))).await?;
                tokio::spawn(listen(room, self.deaf, tracks.clone(), packets.clone()));
            }
            say("ready");
            let mut questions = questions();
            while questions.recv().await.is_some() {
                let heard = Heard {
                    tracks: tracks.load(Ordering::Relaxed),
                    packets: packets.load(Ordering::Relaxed),
                };
                say(&serde_json::to_string(&heard)?);
            }
            Ok(())
        })
    }
}

async fn listen(mut room: Room, deaf: bool, tracks: Arc<AtomicUsize>, packets: Arc<AtomicUsize>) {
    let mut heard = HashSet::new();
    loop {
        #[expect(clippy::wildcard_enum_match_arm, reason = "a listener only listens")]
        match room.next().await {
            Event::TrackPublished { track, .. } if !deaf => room.subscribe(&track.sid),
            Event::Packet(packet) => {
                packets.fetch_add(1, Ordering::Relaxed);
                if heard.insert(packet.track) {
                    tracks.fetch_add(1, Ordering::Relaxed);
                }
            }
            Event::Closed(_) => return,
            _ => {}
        }
    }
}
