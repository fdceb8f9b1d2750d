//! One simulated call: two clients in a room of a real server.

use std::time::Duration;

use anyhow::{Context as _, Result};
use sidetone_room::Kind;
use sidetone_room::service::RoomService;
use sidetone_room::token::Token;
use tokio::time::MissedTickBehavior;
use tracing::{Instrument as _, debug, info_span};

use crate::client::{Client, Server};
use crate::clip::PACKET;
use crate::conversation::{Conversation, Silence, TranscriptLine, Voice};
use crate::script::{Caller, Script, Side};

/// Between one hanging up and the other noticing.
const HANG_UP_DELAY: Duration = Duration::from_millis(700);

/// What a call is to be like.
#[derive(Debug, Clone)]
pub struct CallPlan {
    /// The room's name.
    pub room: String,
    /// The tenant's slug, put into the room's metadata; `None` for none.
    pub tenant: Option<String>,
    /// What is said.
    pub script: &'static Script,
    /// Pauses in per cent of what is written: 100 as written.
    pub pause_percent: u32,
    /// Who leaves first.
    pub hangs_up: Side,
}

/// Plays one call from joining to the last one's leaving.
#[derive(Debug)]
pub struct SimulatedCall {
    server: Server,
    plan: CallPlan,
    conversation: Conversation,
}

impl SimulatedCall {
    /// A call of `plan` on `server`.
    pub fn new(server: Server, plan: CallPlan) -> Self {
        let conversation = Conversation::new(plan.script, plan.pause_percent);
        Self {
            server,
            plan,
            conversation,
        }
    }

    /// How long the parties will talk.
    pub fn duration(&self) -> Duration {
        self.conversation.duration()
    }

    /// Plays it in real time. When `stop` resolves, both hang up at once.
    ///
    /// # Errors
    /// When the server cannot be joined, or one of the two loses the room.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<()> {
        let span = info_span!("simulated_call", room = %self.plan.room);
        self.run_inner(stop).instrument(span).await
    }

    async fn run_inner(self, stop: impl Future<Output = ()>) -> Result<()> {
        tokio::pin!(stop);
        let joining = Box::pin(self.join());
        let (customer, agent) = tokio::select! {
            parties = joining => parties?,
            () = &mut stop => return Ok(()),
        };
        debug!(topic = %self.plan.script.topic, "both are there");
        let mut scene = Scene::new(customer, agent, &self.conversation, self.customer_silence());
        let played = tokio::select! {
            played = scene.play() => played,
            () = stop => Ok(()),
        };
        let (first, second) = match self.plan.hangs_up {
            Side::Customer => (scene.customer.client, scene.agent.client),
            Side::Agent => (scene.agent.client, scene.customer.client),
        };
        Box::pin(first.leave()).await;
        tokio::time::sleep(HANG_UP_DELAY).await;
        Box::pin(second.leave()).await;
        played
    }

    /// Opens the room, brings the customer in, then the agent, as a dispatched agent comes.
    async fn join(&self) -> Result<(Client, Client)> {
        let room = &self.plan.room;
        let service = RoomService::new(self.server.url(), self.server.credentials());
        let metadata = self
            .plan
            .tenant
            .as_ref()
            .map_or_else(String::new, |tenant| {
                serde_json::json!({ "tenant": tenant }).to_string()
            });
        service
            .create_room(room, &metadata)
            .await
            .with_context(|| format!("cannot open the room {room}"))?;
        let customer = Box::pin(Client::join(
            &self.server,
            customer_token(room, &self.plan.script.customer),
            self.customer_silence(),
        ))
        .await
        .context("the customer cannot join")?;
        let agent = Box::pin(Client::join(
            &self.server,
            agent_token(room, self.plan.script),
            Silence::Dtx,
        ))
        .await
        .context("the agent cannot join")?;
        Ok((customer, agent))
    }

    /// SIP bridges send silence, browsers do not.
    fn customer_silence(&self) -> Silence {
        if self.plan.script.customer.number.is_some() {
            Silence::Continuous
        } else {
            Silence::Dtx
        }
    }
}

/// The customer as livekit-sip shows a caller, or as a browser shows its user.
fn customer_token(room: &str, caller: &Caller) -> Token {
    let Some(number) = &caller.number else {
        let identity = format!("web-{}", caller.name.to_lowercase().replace(' ', "-"));
        return Token::participant(room, &identity).name(&caller.name);
    };
    Token::participant(room, &format!("sip_{number}"))
        .name(&caller.name)
        .kind(Kind::Sip)
        .attribute("sip.phoneNumber", number)
        .attribute("sip.trunkPhoneNumber", trunk_number(number))
        .attribute("sip.callID", &format!("SCL_{room}"))
        .attribute("sip.callStatus", "active")
}

/// A number of ours in the caller's country, from the ranges kept for fiction.
fn trunk_number(caller: &str) -> &'static str {
    if caller.starts_with("+1") {
        "+12025550100"
    } else {
        "+442079460100"
    }
}

fn agent_token(room: &str, script: &Script) -> Token {
    Token::participant(room, &format!("agent-{}", script.agent.to_lowercase()))
        .name(&script.agent)
        .kind(Kind::Agent)
        .attribute("lk.agent.state", "listening")
}

/// One party with what it has still to say.
struct Actor {
    client: Client,
    voice: Voice,
}

/// Both parties on one clock.
struct Scene {
    customer: Actor,
    agent: Actor,
    transcript: std::iter::Peekable<std::vec::IntoIter<TranscriptLine>>,
    slot: u32,
}

impl Scene {
    fn new(customer: Client, agent: Client, talk: &Conversation, customers: Silence) -> Self {
        let actor = |client, side, silence| Actor {
            client,
            voice: talk.voice(side, silence),
        };
        Self {
            customer: actor(customer, Side::Customer, customers),
            agent: actor(agent, Side::Agent, Silence::Dtx),
            transcript: talk.transcript().into_iter().peekable(),
            slot: 0,
        }
    }

    /// Sends everything at its time. A late tick is caught up with at once: a client's clock does
    /// not stop either.
    async fn play(&mut self) -> Result<()> {
        let mut tick = tokio::time::interval(PACKET);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    if !self.play_slot() {
                        return Ok(());
                    }
                }
                lost = self.customer.client.drive() => return Err(lost),
                lost = self.agent.client.drive() => return Err(lost),
            }
        }
    }

    /// Sends what belongs to the next 20 ms; `false` when there is nothing left.
    fn play_slot(&mut self) -> bool {
        let slot = self.slot;
        self.slot += 1;
        let mut more = false;
        for actor in [&mut self.customer, &mut self.agent] {
            if let Some(sound) = actor.voice.next() {
                more = true;
                if let Some(sound) = sound {
                    actor.client.write(slot, &sound);
                }
            }
        }
        while let Some(line) = self.transcript.next_if(|line| line.at <= slot) {
            self.publish(&line);
        }
        more
    }

    /// A transcript line in both carriers: as a text stream in the speaker's name, and as the
    /// older packet, which the server takes from agents alone.
    fn publish(&mut self, line: &TranscriptLine) {
        let speaker = match line.side {
            Side::Customer => &mut self.customer.client,
            Side::Agent => &mut self.agent.client,
        };
        speaker.say(line);
        let transcription = speaker.transcription(line);
        self.agent.client.send_transcription(transcription);
    }
}
