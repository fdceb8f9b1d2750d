//! Calls at simulated vendors, each in the speech of one of the demo's scripts.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::json;
use sidetone_service::clock;
use sidetone_simulate::listen::{Listening, Manner};
use sidetone_simulate::script;
use sidetone_simulate::speech::Speech;
use sidetone_simulate::stream::{Dialect, Plan, Streaming};
use sidetone_simulate::vapi::VapiCall;
use sidetone_simulate::webhook::Signing;
use sidetone_testkit::{System, User};

use super::recorded;

const SECRET: &str = "a-secret-of-the-bench";

/// Calls that go on until they are dropped.
pub(super) struct Calls {
    pub(super) ids: Vec<String>,
    listenings: Vec<Listening>,
    streamings: Vec<Streaming>,
}

/// The sound of the `n`th call.
pub(super) fn speech(n: usize) -> Result<Speech> {
    let scripts = script::all();
    Ok(Speech::of(&scripts[n % scripts.len()])?)
}

impl Calls {
    /// Heard behind listen sockets: 16 kHz, both sides apart, 20 ms a frame.
    pub(super) async fn at_vapi(system: &System, user: &User, calls: usize) -> Result<Self> {
        let account = json!({"kind": "vapi", "name": "Bench",
            "webhook": {"scheme": "hmac", "secret": SECRET}});
        user.ask(Method::POST, "/api/connections", &account).await;
        let url = format!("{}/api/webhooks/vapi/default", system.url());
        let client = reqwest::Client::new();
        let mut listenings = Vec::new();
        for n in 0..calls {
            let listening = Listening::start(speech(n)?, Manner::default()).await?;
            let mut call = VapiCall::new(&format!("bench-{n}"), clock::wall() - 5_000);
            call.listen_url = Some(listening.url());
            let message = call.status("in-progress", 4_000).to_string();
            let webhook = Signing::Hmac(SECRET.to_owned()).sign(message, clock::wall());
            let (status, answer) = webhook.send(&client, &url).await?;
            ensure!(status.is_success(), "{status} {answer}");
            listenings.push(listening);
        }
        Ok(Self {
            ids: recorded(user, calls).await,
            listenings,
            streamings: Vec::new(),
        })
    }

    /// Brought as Twilio does: both tracks in µ-law, 20 ms a frame.
    pub(super) async fn at_twilio(user: &User, calls: usize) -> Result<Self> {
        let account = json!({"kind": "twilio", "name": "Bench",
            "credentials": {"authToken": SECRET}});
        let account = user.ask(Method::POST, "/api/connections", &account).await;
        let url = account["streamUrls"]["inbound"].as_str();
        let url = url.context("nobody says where streams are taken")?;
        let mut streamings = Vec::new();
        for n in 0..calls {
            let mut plan = Plan::new(Dialect::Twilio, &format!("CA{n:032}"));
            plan.secret = Some(SECRET.to_owned());
            streamings.push(Streaming::dial(url, plan, speech(n)?).await?);
        }
        Ok(Self {
            ids: recorded(user, calls).await,
            listenings: Vec::new(),
            streamings,
        })
    }

    pub(super) fn end(self) {
        drop(self.listenings);
        drop(self.streamings);
    }
}
