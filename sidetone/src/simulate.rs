//! A vendor that brings a call: to see what becomes of it before a real one does.

use std::time::Duration;

use anyhow::{Context as _, bail};
use sidetone_service::clock;
use sidetone_simulate::listen::Stall;
use sidetone_simulate::script;
use sidetone_simulate::speech::Speech;
use sidetone_simulate::stream::{Manner, Plan, Streaming};

use crate::cli::Simulate;
use crate::tools;

/// Brings a call until it is over, or until the process is interrupted.
pub(crate) async fn run(options: Simulate) -> anyhow::Result<()> {
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
    let url = options.url.clone();
    let plan = plan(options);
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

fn plan(options: Simulate) -> Plan {
    let ms = |ms: u32| Duration::from_millis(u64::from(ms));
    let call_id = options.call_id;
    let call_id = call_id.unwrap_or_else(|| clock::new_id().to_string());
    let stall = options.stall_ms.map(|lasts| Stall {
        after: ms(options.stall_after_ms),
        lasts: ms(lasts),
        lost: options.stall_lost,
    });
    let plan = Plan::new(options.vendor.0, &call_id);
    Plan {
        from: options.from.unwrap_or_else(|| plan.from.clone()),
        to: options.to.unwrap_or_else(|| plan.to.clone()),
        secret: options.secret,
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
