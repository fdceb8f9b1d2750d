//! Takes fed from memory: a recorder and nothing else in a process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sidetone_fleet::take::{Recorder as _, Take};
use sidetone_media::{Codec, MediaTime, Packet, TrackId};
use sidetone_service::{clock, telemetry};
use sidetone_wire::Party;

use crate::child::{questions, say};
use crate::ours;

/// Bytes of an Opus packet of speech at 32 kbit/s.
pub(super) const PAYLOAD_BYTES: usize = 80;
/// A packet's time.
const FRAME: Duration = Duration::from_millis(20);
/// With `--seconds`: media that is written at once; the recorder holds back 256 KiB a take.
const GULP_SECONDS: u64 = 2;

/// Part of the scenario: takes of two tracks.
#[derive(clap::Args)]
pub(crate) struct RecordRaw {
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    takes: usize,
    /// Write so many seconds of each as fast as the disk takes them, instead of one a second.
    #[arg(long)]
    seconds: Option<u64>,
}

/// What was written so far.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Written {
    pub(super) at_ms: u64,
    pub(super) packets: u64,
    pub(super) payload_bytes: u64,
    pub(super) dropped: u64,
}

impl RecordRaw {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(Box::pin(self.record()))
    }

    async fn record(self) -> Result<()> {
        let metrics = telemetry::metrics();
        let ours = ours::recorder(&self.folder, self.takes).await?;
        let mut takes = Vec::new();
        for _ in 0..self.takes {
            takes.push(ours.recorder.begin(ours::take_start())?);
        }
        say("ready");
        let mut questions = questions();
        if questions.recv().await.is_none() {
            return Ok(());
        }
        let begun = clock::now();
        let payload: Arc<[u8]> = noise().into();
        let mut slots = 0u64;
        let told = |slots: u64| Written {
            at_ms: (clock::now() - begun).as_millis() as u64,
            packets: slots * 2 * self.takes as u64,
            payload_bytes: slots * 2 * (self.takes * PAYLOAD_BYTES) as u64,
            dropped: dropped(&metrics.render()),
        };
        if let Some(seconds) = self.seconds {
            for _ in (0..seconds).step_by(GULP_SECONDS as usize) {
                for _ in 0..GULP_SECONDS * 50 {
                    say_slot(&mut takes, slots, &payload);
                    slots += 1;
                }
                tokio::time::sleep(recorder::FLUSH_EVERY * 2).await;
            }
        }
        say(&serde_json::to_string(&told(slots))?);
        let mut frames = tokio::time::interval(FRAME);
        loop {
            tokio::select! {
                _ = frames.tick(), if self.seconds.is_none() => {
                    say_slot(&mut takes, slots, &payload);
                    slots += 1;
                }
                question = questions.recv() => {
                    if question.is_none() {
                        return Ok(());
                    }
                    say(&serde_json::to_string(&told(slots))?);
                }
            }
        }
    }
}

/// Both parties of every take say a packet.
fn say_slot(takes: &mut [Box<dyn Take>], slot: u64, payload: &Arc<[u8]>) {
    let arrived = clock::now();
    for take in takes {
        for (track, party) in [(1, Party::Customer), (2, Party::Agent)] {
            let packet = Packet {
                track: TrackId(track),
                ssrc: track,
                seq: slot,
                at: MediaTime::from_samples(slot * 960),
                codec: Codec::Opus,
                marker: false,
                level_dbov: None,
                payload: payload.clone(),
                arrived,
            };
            take.write(party, &packet);
        }
    }
}

/// A packet that nothing can be squeezed out of.
pub(super) fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(PAYLOAD_BYTES)
    .collect();
    bytes[0] = 0xf8; // CELT, fullband, one frame of 20 ms
    bytes
}

fn dropped(text: &str) -> u64 {
    let lines = text
        .lines()
        .filter(|line| line.starts_with("sidetone_recorder_dropped_packets_total"));
    let counts = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    counts.sum()
}
