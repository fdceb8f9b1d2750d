//! Calls that live at vendors: what they report by webhook, the socket behind which some of them are
//! heard, and the stream that others bring.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sidetone_service::{clock, random};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::client::Server;
use crate::clip::PACKET;
use crate::conversation::{Conversation, TranscriptLine};
use crate::listen::{Listening, Manner};
use crate::retell::RetellCall;
use crate::retell::live::RetellLive;
use crate::script::{self, Script, Side};
use crate::speech::Speech;
use crate::stream::{Dialect, Plan, Streaming};
use crate::vapi::VapiCall;
use crate::webhook::Signing;

/// Between two calls of a line.
const REST: Duration = Duration::from_secs(4);
/// After a call that could not be reported.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How the agent's part ends of a call at Retell that somebody takes over.
const TAKEN: &str = "call_take_over";
/// It rings for so long.
const RINGS_MS: i64 = 1_500;

/// A vendor that is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// Heard behind a listen socket.
    Vapi,
    /// Heard in a room of its own, if there is a server for it; else told of by webhook alone.
    Retell,
    /// Brings the call's sound itself.
    Twilio,
}

impl Vendor {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Vapi, Self::Retell, Self::Twilio];

    const fn word(self) -> &'static str {
        match self {
            Self::Vapi => "vapi",
            Self::Retell => "retell",
            Self::Twilio => "twilio",
        }
    }

    /// The name of its account.
    const fn account(self) -> &'static str {
        match self {
            Self::Vapi => "Simulated Vapi",
            Self::Retell => "Simulated Retell",
            Self::Twilio => "Simulated Twilio",
        }
    }

    /// How its account knows that something comes from it.
    fn signs(self, secret: &str) -> Value {
        match self {
            Self::Vapi => json!({"webhook": {"scheme": "hmac", "secret": secret}}),
            Self::Retell => json!({"webhook": {"scheme": "retell", "secret": secret}}),
            Self::Twilio => json!({"credentials": {"authToken": secret}}),
        }
    }
}

/// Keeps calls at vendors going, and reports them to a control plane.
pub struct Vendors {
    client: reqwest::Client,
    url: String,
    secret: String,
    /// Where Twilio brings its streams.
    streams: String,
    /// Where calls at Retell talk.
    retell: Option<RetellLive>,
}

impl Vendors {
    /// Makes the vendors known to the control plane at `url`, as an admin would. `livekit`: the
    /// server on which Retell has its rooms.
    ///
    /// # Errors
    /// When that admin may not, or nobody answers.
    pub async fn connect(
        url: &str,
        (username, password): (&str, &str),
        livekit: Option<Server>,
    ) -> Result<Self> {
        // the client asks for one; that another one was first is fine
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let client = reqwest::Client::new();
        let login = client
            .post(format!("{url}/api/auth/login"))
            .json(&json!({"username": username, "password": password}))
            .send()
            .await?
            .error_for_status()
            .context("the vendors' accounts cannot be made")?;
        let login: Value = login.json().await?;
        let token = login["access_token"].as_str().unwrap_or_default();
        let secret = random::token();
        let retell = match livekit {
            Some(server) => Some(RetellLive::start(server, &secret).await?),
            None => None,
        };
        let mut streams = None;
        for vendor in Vendor::ALL {
            let mut signs = vendor.signs(&secret);
            if let (Vendor::Retell, Some(retell)) = (vendor, &retell) {
                signs["credentials"] = json!({"apiKey": secret});
                signs["settings"] = json!({"apiUrl": retell.url()});
            }
            let account = account(&client, url, token, vendor, signs).await?;
            streams =
                streams.or_else(|| Some(account["streamUrls"]["inbound"].as_str()?.to_owned()));
        }
        let streams = streams.context("nobody says where streams are taken")?;
        client
            .post(format!("{url}/api/auth/logout"))
            .bearer_auth(token)
            .send()
            .await?;
        Ok(Self {
            client,
            url: url.to_owned(),
            secret,
            streams,
            retell,
        })
    }

    /// Keeps `calls` of each vendor going until `stop` is cancelled.
    pub async fn run(self, calls: usize, stop: CancellationToken) {
        let vendors = std::sync::Arc::new(self);
        let mut lines = JoinSet::new();
        for number in 0..calls {
            for (n, vendor) in Vendor::ALL.into_iter().enumerate() {
                let (vendors, stop) = (vendors.clone(), stop.clone());
                let first = number * Vendor::ALL.len() + n;
                lines.spawn(async move { vendors.line(vendor, first, &stop).await });
            }
        }
        while lines.join_next().await.is_some() {}
    }

    async fn line(&self, vendor: Vendor, first: usize, stop: &CancellationToken) {
        let scripts = script::all();
        for turn in first.. {
            let script = &scripts[turn % scripts.len()];
            info!(
                vendor = vendor.word(),
                script = script.name,
                "a simulated call begins"
            );
            let call = async {
                match vendor {
                    Vendor::Vapi => self.vapi(script, stop).await,
                    Vendor::Retell => self.retell(script, stop).await,
                    Vendor::Twilio => self.twilio(script, stop).await,
                }
            };
            let rest = match call.await {
                Ok(()) => REST,
                Err(error) => {
                    warn!(vendor = vendor.word(), "a simulated call failed: {error:#}");
                    AGAIN_AFTER
                }
            };
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// A call with speech behind a listen socket, and its transcript as it goes on.
    async fn vapi(&self, script: &'static Script, stop: &CancellationToken) -> Result<()> {
        let conversation = Conversation::new(script, 100);
        let speech = Speech::of(script)?;
        let mut call = VapiCall::new(&format!("sim-{:016x}", random::u64()), clock::wall());
        if let Some(number) = &script.customer.number {
            call.customer.clone_from(number);
        }
        call.customer_name.clone_from(&script.customer.name);
        call.assistant.clone_from(&script.agent);
        self.vapi_tells(&call.status("ringing", 0)).await?;
        if sleeps(Duration::from_millis(RINGS_MS.cast_unsigned()), stop).await {
            return self.hang_up(&call).await;
        }
        let listening = Listening::start(speech, Manner::default()).await?;
        let began = clock::now();
        call.listen_url = Some(listening.url());
        self.vapi_tells(&call.status("in-progress", RINGS_MS))
            .await?;
        for line in conversation.transcript() {
            if sleeps_until(began + PACKET * line.at, stop).await {
                break;
            }
            self.vapi_tells(&said(&call, &line)).await?;
        }
        sleeps_until(began + conversation.duration(), stop).await;
        listening.end();
        self.hang_up(&call).await
    }

    async fn hang_up(&self, call: &VapiCall) -> Result<()> {
        let mut ended = call.status("ended", clock::wall() - call.created_ms);
        ended["message"]["endedReason"] = json!("customer-ended-call");
        self.vapi_tells(&ended).await
    }

    /// A call at Retell.
    async fn retell(&self, script: &'static Script, stop: &CancellationToken) -> Result<()> {
        let mut call = RetellCall::new(&format!("sim-{:016x}", random::u64()), clock::wall());
        if let Some(number) = &script.customer.number {
            call.customer.clone_from(number);
        }
        call.customer_name.clone_from(&script.customer.name);
        call.agent.clone_from(&script.agent);
        call.lines = script.turns.iter().map(|turn| turn.text.clone()).collect();
        match &self.retell {
            Some(retell) => self.retell_talks(retell, &call, script, stop).await,
            None => self.retell_reports(&call, stop).await,
        }
    }

    /// A call whose parties talk; what they say is told by its monitor socket as it is said.
    async fn retell_talks(
        &self,
        retell: &RetellLive,
        call: &RetellCall,
        script: &'static Script,
        stop: &CancellationToken,
    ) -> Result<()> {
        let conversation = Conversation::new(script, 100);
        let talk = retell.call(&call.id, Speech::of(script)?).await?;
        let began = clock::now();
        let tells = async |name: &str, more: &Value| {
            let signing = Signing::Retell(self.secret.clone());
            let webhook = call.event(name, more);
            self.tell(Vendor::Retell, &signing, &webhook).await
        };
        tells("call_started", &json!({})).await?;
        let said = async {
            for line in conversation.transcript() {
                if sleeps_until(began + PACKET * line.at, stop).await {
                    return;
                }
                let role = match line.side {
                    Side::Customer => "user",
                    Side::Agent => "agent",
                };
                let seconds = (PACKET * conversation.turns()[line.turn].start).as_secs_f64();
                talk.says(&line.turn.to_string(), role, seconds, &line.text);
            }
            sleeps_until(began + conversation.duration(), stop).await;
        };
        let reports = async |reason: &str| {
            let ended_ms = clock::wall();
            let mut end = json!({"end_timestamp": ended_ms,
                "duration_ms": ended_ms - call.started_ms, "disconnection_reason": reason});
            tells("call_ended", &end).await?;
            if let Some((_, analysed)) = call.webhooks().pop() {
                end["call_analysis"] = analysed["call"]["call_analysis"].clone();
            }
            tells("call_analyzed", &end).await
        };
        tokio::pin!(said);
        let reason = tokio::select! {
            () = &mut said => "user_hangup",
            () = talk.ended() => "manual_stopped",
            () = talk.taken() => TAKEN,
        };
        if reason == TAKEN {
            // nothing more is told of it once the agent is gone
            reports(reason).await?;
            tokio::select! {
                () = said => {}
                () = talk.ended() => {}
            }
            talk.ends(reason);
            return Ok(());
        }
        talk.ends(reason);
        reports(reason).await
    }

    /// A call of which webhooks tell, and nothing else.
    async fn retell_reports(&self, call: &RetellCall, stop: &CancellationToken) -> Result<()> {
        for (at_ms, mut webhook) in call.webhooks() {
            let wait = Duration::from_millis(u64::try_from(at_ms - clock::wall()).unwrap_or(0));
            let stopped = sleeps(wait, stop).await;
            if let Some(call) = webhook["call"].as_object_mut() {
                call.remove("recording_url"); // there is none to be fetched
            }
            let ends =
                webhook["event"] != "call_started" && webhook["event"] != "transcript_updated";
            if !stopped || ends {
                let signing = Signing::Retell(self.secret.clone());
                self.tell(Vendor::Retell, &signing, &webhook).await?;
            }
        }
        Ok(())
    }

    /// A call whose sound is brought, and nothing else.
    async fn twilio(&self, script: &'static Script, stop: &CancellationToken) -> Result<()> {
        let speech = Speech::of(script)?;
        let lasts = Duration::from_secs_f64(speech.seconds());
        let plan = Plan::new(Dialect::Twilio, &format!("CA{:016x}", random::u64()));
        let plan = Plan {
            from: script.customer.number.clone().unwrap_or(plan.from.clone()),
            customer_name: Some(script.customer.name.clone()),
            agent_name: Some(script.agent.clone()),
            secret: Some(self.secret.clone()),
            ..plan
        };
        let streaming = Streaming::dial(&self.streams, plan, speech).await;
        let streaming = streaming.context("the stream is not taken")?;
        sleeps(lasts, stop).await;
        streaming.stop().await.context("the stream broke")
    }

    async fn vapi_tells(&self, message: &Value) -> Result<()> {
        let signing = Signing::Hmac(self.secret.clone());
        self.tell(Vendor::Vapi, &signing, message).await
    }

    async fn tell(&self, vendor: Vendor, signing: &Signing, message: &Value) -> Result<()> {
        let webhook = signing.sign(message.to_string(), clock::wall());
        let url = format!("{}/api/webhooks/{}/default", self.url, vendor.word());
        let (status, answer) = webhook.send(&self.client, &url).await?;
        ensure!(status.is_success(), "{}: {status} {answer}", vendor.word());
        Ok(())
    }
}

/// Makes a vendor's account, or gives the one of a former run the new secret.
async fn account(
    client: &reqwest::Client,
    url: &str,
    token: &str,
    vendor: Vendor,
    mut fields: Value,
) -> Result<Value> {
    let accounts = format!("{url}/api/connections");
    let of_kind = format!("{accounts}?kind={}", vendor.word());
    let known = client.get(of_kind).bearer_auth(token).send().await?;
    let known: Value = known.error_for_status()?.json().await?;
    let mut known = known["items"].as_array().into_iter().flatten();
    let known = known.find(|account| account["name"] == vendor.account());
    let request = if let Some(id) = known.and_then(|account| account["id"].as_str()) {
        client.patch(format!("{accounts}/{id}"))
    } else {
        fields["kind"] = json!(vendor.word());
        fields["name"] = json!(vendor.account());
        client.post(accounts)
    };
    let answer = request.json(&fields).bearer_auth(token).send().await?;
    let status = answer.status();
    ensure!(status.is_success(), "{}: {status}", vendor.word());
    Ok(answer.json().await?)
}

fn said(call: &VapiCall, line: &TranscriptLine) -> Value {
    let role = match line.side {
        Side::Customer => "user",
        Side::Agent => "assistant",
    };
    let kind = if line.last { "final" } else { "partial" };
    let more = json!({"role": role, "transcriptType": kind, "transcript": line.text});
    call.message("transcript", clock::wall() - call.created_ms, &more)
}

/// Whether it was stopped meanwhile.
async fn sleeps(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => false,
        () = stop.cancelled() => true,
    }
}

async fn sleeps_until(moment: Instant, stop: &CancellationToken) -> bool {
    sleeps(moment.saturating_duration_since(clock::now()), stop).await
}
