//! From the click to the first sound, over HTTP, against a system that runs (`sidetone demo`).

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use sidetone_room::{Event, Options, Room};
use sidetone_service::clock;
use sidetone_wire::{Call, ListenGrant, LivekitListen};

use crate::child::say;

/// From `POST listen` to the first packet of either party, the supervisor being connected. A party
/// that is silent sends nothing for up to 0.4 s (DTX), so both are told apart.
const WARM_TARGET: Duration = Duration::from_millis(500);

/// The same with connecting to the monitor room.
const COLD_TARGET: Duration = Duration::from_millis(1200);

/// When a sound is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where and how often.
#[derive(Args)]
pub(crate) struct Listen {
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    #[arg(long, default_value = "admin")]
    user: String,
    #[arg(long, env = "SIDETONE_ADMIN_PASSWORD", hide_env_values = true)]
    password: String,
    /// Listens with the connection up.
    #[arg(long, default_value_t = 50)]
    rounds: usize,
}

#[derive(Deserialize)]
struct Login {
    access_token: String,
}

#[derive(Deserialize)]
struct Calls {
    items: Vec<Call>,
}

struct Supervisor {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Listen {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(Box::pin(self.listen()))
    }

    async fn listen(self) -> Result<()> {
        // already installed: as good
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let supervisor = Supervisor::login(&self).await?;
        let call = supervisor.a_call().await?;
        let begun = clock::now();
        let grant = supervisor.listen(&call).await?;
        let mut room = Box::pin(Room::join(Options::new(&grant.url, grant.token.clone()))).await?;
        let (cold, _) = heard(&mut room, &grant, begun).await?;
        supervisor.stop(&call, &mut room).await?;
        let (mut warm, mut both) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let call = supervisor.a_call().await?;
            let begun = clock::now();
            let grant = supervisor.listen(&call).await?;
            let (either, second) = heard(&mut room, &grant, begun).await?;
            warm.push(either);
            both.push(second);
            supervisor.stop(&call, &mut room).await?;
        }
        room.leave().await;
        let (p50, p95) = (quantile(&mut warm, 0.5), quantile(&mut warm, 0.95));
        let both_p95 = quantile(&mut both, 0.95);
        say(&format!(
            "first sound: cold {cold:.0?}, then p50 {p50:.0?}, p95 {p95:.0?}; of both parties p95 \
             {both_p95:.0?}"
        ));
        let verdict = json!({
            "scenario": "listen", "rounds": warm.len(),
            "cold_ms": cold.as_millis() as u64, "cold_target_ms": COLD_TARGET.as_millis() as u64,
            "p50_ms": p50.as_millis() as u64, "p95_ms": p95.as_millis() as u64,
            "both_p95_ms": both_p95.as_millis() as u64,
            "p95_target_ms": WARM_TARGET.as_millis() as u64,
            "passed": p95 <= WARM_TARGET && cold <= COLD_TARGET,
        });
        say(&verdict.to_string());
        Ok(())
    }
}

impl Supervisor {
    async fn login(listen: &Listen) -> Result<Self> {
        let client = reqwest::Client::new();
        let login = client
            .post(format!("{}/api/auth/login", listen.url))
            .json(&json!({"username": listen.user, "password": listen.password}))
            .send()
            .await?;
        let login: Login = login
            .error_for_status()
            .context("login refused")?
            .json()
            .await?;
        Ok(Self {
            client,
            url: listen.url.clone(),
            token: login.access_token,
        })
    }

    /// The newest call with both parties: it goes on for a while.
    async fn a_call(&self) -> Result<Call> {
        let url = format!("{}/api/calls/active", self.url);
        let calls: Calls = self
            .client
            .get(url)
            .bearer_auth(&self.token)
            .send()
            .await?
            .json()
            .await?;
        let answered = calls
            .items
            .into_iter()
            .filter(|call| call.answered_at.is_some());
        answered
            .max_by_key(|call| call.started_at)
            .context("no call goes on")
    }

    async fn listen(&self, call: &Call) -> Result<LivekitListen> {
        let url = format!("{}/api/calls/{}/listen", self.url, call.id);
        let grant = self
            .client
            .post(url)
            .bearer_auth(&self.token)
            .send()
            .await?;
        let grant: ListenGrant = grant.error_for_status()?.json().await?;
        grant.livekit.context("no LiveKit is configured")
    }

    /// Gives the grant back and waits until its tracks are gone.
    async fn stop(&self, call: &Call, room: &mut Room) -> Result<()> {
        let url = format!("{}/api/calls/{}/listen", self.url, call.id);
        self.client
            .delete(url)
            .bearer_auth(&self.token)
            .send()
            .await?
            .error_for_status()?;
        let gone = async {
            while room.participants().any(|p| !p.tracks.is_empty()) {
                room.next().await;
            }
        };
        tokio::time::timeout(PATIENCE, gone)
            .await
            .context("tracks were not withdrawn")
    }
}

fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * part).round() as usize]
}

/// Subscribes the granted tracks as they appear; the time until one has given a packet, and until
/// all have.
async fn heard(
    room: &mut Room,
    grant: &LivekitListen,
    begun: Instant,
) -> Result<(Duration, Duration)> {
    ensure!(grant.tracks.len() >= 2, "both parties are granted");
    let mut wanted: Vec<String> = grant
        .tracks
        .iter()
        .map(|track| track.name.clone())
        .collect();
    let mut first = None;
    let mut names: Vec<(String, String)> = Vec::new();
    let mut numbers: Vec<(u32, String)> = Vec::new();
    while !wanted.is_empty() {
        let event = tokio::time::timeout(PATIENCE, room.next()).await;
        #[expect(clippy::wildcard_enum_match_arm, reason = "a listener only listens")]
        match event.with_context(|| format!("never heard: {wanted:?}"))? {
            Event::TrackPublished { track, .. } if wanted.contains(&track.name) => {
                room.subscribe(&track.sid);
                names.push((track.sid, track.name));
            }
            Event::Subscribed { track, sid } => {
                let name = names.iter().find(|(known, _)| *known == sid);
                numbers.extend(name.map(|(_, name)| (track, name.clone())));
            }
            Event::Packet(packet) => {
                if let Some((_, name)) = numbers.iter().find(|(track, _)| *track == packet.track) {
                    wanted.retain(|waiting| waiting != name);
                    first.get_or_insert_with(|| clock::now() - begun);
                }
            }
            Event::Closed(why) => bail!("{why}"),
            _ => {}
        }
    }
    let all = clock::now() - begun;
    Ok((first.unwrap_or(all), all))
}
