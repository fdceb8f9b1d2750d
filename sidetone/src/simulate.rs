//! A vendor that brings a call, or recognises what is said in one: to see what becomes of it before a
//! real one does.

use std::time::Duration;

use anyhow::{Context as _, bail};
use sidetone_service::clock;
use sidetone_simulate::listen::Stall;
use sidetone_simulate::recognise::{self, Provider, Recognising};
use sidetone_simulate::script;
use sidetone_simulate::speech::Speech;
use sidetone_simulate::stream::{Dialect, Manner, Plan, Streaming};

use crate::cli::{Simulate, Vendor};
use crate::tools;

/// The key of a recogniser, unless another one is given.
const KEY: &str = "key-of-the-recogniser";

/// Brings a call until it is over, or recognises speech, or until the process is interrupted.
pub(crate) async fn run(options: Simulate) -> anyhow::Result<()> {
    match options.vendor {
        Vendor::Stream(dialect) => bring(dialect, options).await,
        Vendor::Recogniser(provider) => recognise(provider, options).await,
    }
}

/// Recognises tones, and says what was understood.
async fn recognise(provider: Provider, options: Simulate) -> anyhow::Result<()> {
    let manner = recognise::Manner::new(options.secret.as_deref().unwrap_or(KEY));
    let key = manner.key.clone();
    let recognising = Recognising::start(provider, manner, options.port).await;
    let recognising = recognising.context("--port: it is taken")?;
    let origin = recognising.origin().replacen("ws", "http", 1);
    tools::print(&format!("apiUrl {origin}, apiKey {key}"))?;
    let mut told = 0;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        }
        for (text, from_ms, to_ms) in recognising.seen().understood.iter().skip(told) {
            told += 1;
            tools::print(&format!("{from_ms} to {to_ms} ms: {text}"))?;
        }
    }
}

async fn bring(dialect: Dialect, options: Simulate) -> anyhow::Result<()> {
    let script = match &options.script {
        Some(name) => script::find(name),
        None => script::all().first(),
    };
    let Some(script) = script else {
        let names: Vec<&str> = script::all().iter().map(|one| one.name.as_str()).collect();
        bail!("--script: there are {}", names.join(", "));
    };
    let speech = Speech::of(script)?;
    let seconds = options.seconds.map_or(speech.seconds(), f64::from);
    let url = options
        .url
        .clone()
        .context("--url: where is the stream to be brought?")?;
    let plan = plan(dialect, options);
    let call = plan.upstream_call_id();
    let streaming = Streaming::dial(&url, plan, speech).await;
    let streaming = streaming.context("--url: the stream is not taken")?;
    tools::print(&format!(
        "call {call}: {seconds:.0} s of {:?}",
        script.topic
    ))?;
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs_f64(seconds)) => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    streaming.stop().await.context("the stream broke")?;
    tools::print("the call is over")
}

fn plan(dialect: Dialect, options: Simulate) -> Plan {
    let ms = |ms: u32| Duration::from_millis(u64::from(ms));
    let call_id = options.call_id;
    let call_id = call_id.unwrap_or_else(|| clock::new_id().to_string());
    let stall = options.stall_ms.map(|lasts| Stall {
        after: ms(options.stall_after_ms),
        lasts: ms(lasts),
        lost: options.stall_lost,
    });
    let plan = Plan::new(dialect, &call_id);
    Plan {
        from: options.from.unwrap_or_else(|| plan.from.clone()),
        to: options.to.unwrap_or_else(|| plan.to.clone()),
        secret: options.secret,
        wideband: options.wideband,
        manner: Manner {
            jitter: ms(options.jitter_ms),
            drift_ppm: options.drift_ppm,
            stall,
            shuffled: options.shuffled,
            dropped: options.dropped,
            doubled: options.doubled,
            ..Manner::default()
        },
        ..plan
    }
}
