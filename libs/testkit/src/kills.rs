//! A system that is killed in the middle of its calls, over and over, and what that cost.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helper: what fails here fails the test"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use sidetone_room::token::{Credentials, Kind, Token};
use sidetone_service::{clock, random};
use sidetone_wire::Recording;

use crate::user::{id, items};
use crate::{LivekitServer, Marks, System, ToneSpeaker, User};

/// Calls talk for so long at least before the kill, so that there is something to keep.
const TALK_AT_LEAST: Duration = Duration::from_secs(1);
/// ... and a random time up to this beyond it: the kill comes anywhere between two flushes.
const TALK_BEYOND: Duration = Duration::from_secs(2);
/// One call in so many is hung up just before the kill: its take is ended, sealed or stored by then.
const HANGS_UP_ONE_IN: usize = 4;
/// Within this time before the kill.
const HANG_UP_WITHIN: Duration = Duration::from_millis(800);
/// Takes that a kill cut off are stored and listed within this time of the start: promised.
const LISTED_WITHIN: Duration = Duration::from_secs(30);

/// Rounds of calls, each with a kill (SIGKILL) at a random moment and a start after it.
#[derive(Debug, Clone, Copy)]
pub struct Kills {
    /// How often it is killed.
    pub rounds: usize,
    /// Calls that go on at a kill; a quarter of them is hung up just before it.
    pub calls: usize,
}

/// What kills cost.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What is missing at the end of each take that was cut off, in milliseconds to 100 ms, as the
    /// worse of its voices; sorted.
    pub missing_ms: Vec<u64>,
    /// From each start to the moment in which every take was stored and listed.
    pub listed: Vec<Duration>,
    /// Recordings that there are in the end.
    pub recordings: usize,
}

impl Report {
    /// The worst loss in milliseconds.
    pub fn worst_ms(&self) -> u64 {
        self.missing_ms.last().copied().unwrap_or_default()
    }

    /// The median loss in milliseconds.
    pub fn median_ms(&self) -> u64 {
        let middle = self.missing_ms.get(self.missing_ms.len() / 2);
        middle.copied().unwrap_or_default()
    }
}

/// A call of two voices with marks.
struct Talk {
    call: String,
    parties: Vec<ToneSpeaker>,
    /// What the customer and the agent have said, in packets.
    sent: [Arc<AtomicU64>; 2],
    hangs_up: bool,
}

impl Kills {
    /// Does it to the program `binary`; `told` hears of each round that is over.
    ///
    /// # Panics
    /// When a take is lost, doubled, broken, not what its manifest says, or late.
    pub async fn run(self, binary: &Path, told: impl Fn(usize, &Report)) -> Report {
        let livekit = LivekitServer::start().await.unwrap();
        let marks = Marks::new().unwrap();
        let mut system = System::start(binary, &livekit).await;
        let user = system.login().await;
        let mut report = Report::default();
        let mut expected = Vec::new();
        for round in 0..self.rounds {
            let mut talks = self.talks(round, &livekit, &user, &marks).await;
            tokio::time::sleep(TALK_AT_LEAST + random::jittered(TALK_BEYOND)).await;
            let sent = kill(&mut system, &mut talks).await;
            let started = clock::now();
            system.start_again().await;
            for (talk, sent) in talks.iter().zip(sent) {
                let recording = user.stored(&talk.call, 1).await.remove(0);
                let missing = missing_ms(&user, &recording, sent).await;
                report.missing_ms.push(missing);
            }
            // what was fetched meanwhile counts too: the true time is shorter
            let listed = clock::now() - started;
            assert!(listed < LISTED_WITHIN, "listed after {listed:?}");
            report.listed.push(listed);
            for talk in talks {
                let count = if talk.hangs_up { 1 } else { 2 };
                if !talk.hangs_up {
                    user.answered_call(&talk.call).await;
                }
                for party in talk.parties {
                    // one that the server has lost meanwhile is out as well
                    drop(party.leave().await);
                }
                expected.push((talk.call, count));
            }
            for (call, count) in expected.iter().rev().take(self.calls) {
                user.stored(call, *count).await;
            }
            told(round + 1, &report);
        }
        for (call, count) in &expected {
            let page = user.read(&format!("/api/calls/{call}/recordings")).await;
            let states: Vec<_> = items(&page).iter().map(|r| r["state"].clone()).collect();
            let all_stored = states.iter().all(|state| state == "stored");
            assert!(states.len() == *count && all_stored, "{call}: {states:?}");
            report.recordings += count;
        }
        report.missing_ms.sort_unstable();
        report
    }

    /// Calls that are being recorded.
    async fn talks(
        self,
        round: usize,
        livekit: &LivekitServer,
        user: &User,
        marks: &Arc<Marks>,
    ) -> Vec<Talk> {
        let credentials = Credentials::new(livekit.api_key(), livekit.api_secret());
        let mut rooms = Vec::new();
        for n in 0..self.calls {
            let room = format!("round-{round}-{n}");
            let customer = Token::participant(&room, "customer");
            let agent = Token::participant(&room, "agent").kind(Kind::Agent);
            let mut parties = Vec::new();
            for token in [customer, agent] {
                let token = token.sign(&credentials).unwrap();
                let party = ToneSpeaker::join_marking(&livekit.url(), token, marks).await;
                parties.push(party.unwrap());
            }
            rooms.push((room, parties));
        }
        let mut talks = Vec::new();
        for (n, (room, parties)) in rooms.into_iter().enumerate() {
            let call = id(&user.answered_call_in(&room).await);
            talks.push(Talk {
                call,
                sent: [parties[0].sent(), parties[1].sent()],
                parties,
                hangs_up: n % HANGS_UP_ONE_IN == 0,
            });
        }
        talks
    }
}

/// Kills it while some hang up; gives what each voice had said.
async fn kill(system: &mut System, talks: &mut [Talk]) -> Vec<[u64; 2]> {
    let mut leaving = tokio::task::JoinSet::new();
    for talk in talks.iter_mut().filter(|talk| talk.hangs_up) {
        let parties = std::mem::take(&mut talk.parties);
        let after = HANG_UP_WITHIN.mul_f64((random::u64() % 1000) as f64 / 1000.0);
        leaving.spawn(async move {
            tokio::time::sleep(after).await;
            for party in parties {
                // one that the server has lost meanwhile is out as well
                drop(party.leave().await);
            }
        });
    }
    tokio::time::sleep(HANG_UP_WITHIN).await;
    let said = |talk: &Talk| {
        talk.sent
            .each_ref()
            .map(|sent| sent.load(Ordering::Relaxed))
    };
    let sent = talks.iter().map(said).collect();
    system.kill();
    while let Some(left) = leaving.join_next().await {
        left.unwrap();
    }
    sent
}

/// What is missing at the end of a recording that is otherwise as its manifest says.
async fn missing_ms(user: &User, recording: &Recording, sent: [u64; 2]) -> u64 {
    let file = user.audio(recording).await;
    assert_eq!(file.len() as u64, recording.bytes);
    let sha256 = hex::encode(digest::digest(&digest::SHA256, &file));
    assert_eq!(sha256, recording.sha256);
    let voices = Marks::decode(&file).unwrap();
    assert_eq!(voices.len(), 2, "customer and agent");
    let missing = voices.iter().zip(sent).map(|(voice, sent)| {
        let missing = Marks::missing_ms(voice, sent);
        missing.unwrap_or_else(|| panic!("recording {} is silent", recording.id))
    });
    missing.max().unwrap_or_default()
}
