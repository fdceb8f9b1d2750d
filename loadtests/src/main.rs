//! Simulated calls with verdicts, and benches against yardsticks.
//!
//! Every scenario measures from outside: the gateway is a process of its own, its CPU comes from
//! `/proc`, and the load comes from other processes. Each prints a table for people and ends with
//! one line of JSON.

mod acts;
mod audit;
mod bench;
mod burst;
mod carrier;
mod child;
mod control;
mod kills;
mod listen;
mod ours;
mod process;
mod publish;
mod recording;
mod soak;
mod supervise;
mod upstreams;
mod yardstick;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Simulated calls with verdicts; benches against yardsticks")]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// From a supervisor's click to what is heard of it.
    Acts(acts::Acts),
    /// How long a million rows of the audit log take to be verified.
    Audit(audit::Audit),
    /// What tapped, recorded and forwarded calls cost, and how that grows.
    Bench(bench::Bench),
    /// Ten supervisors ask for every call at once: when are all tracks heard?
    Burst(burst::Burst),
    /// What the control plane carries: webhooks, dashboards, figures over very many calls.
    Control(control::Control),
    /// Kills a system in the middle of its calls: what is lost of their recordings?
    Kills(kills::Kills),
    /// From the click to the first sound, against a system that runs.
    Listen(listen::Listen),
    /// Calls that begin and end for a long time: does anything grow?
    Soak(soak::Soak),
    /// What calls behind vendors' sockets cost, and many listeners of one of them.
    Upstreams(upstreams::Upstreams),
    /// Part of a scenario: two-track calls until it is killed.
    #[command(hide = true)]
    Publish(publish::Publish),
    /// Part of a scenario: a gateway and its recorder until it is killed.
    #[command(hide = true)]
    Carry(carrier::Carry),
    /// Part of a scenario: supervisors who listen until they are killed.
    #[command(hide = true)]
    Supervise(supervise::Supervise),
    /// Part of a scenario: a control plane until it is killed.
    #[command(hide = true)]
    Plane(control::Plane),
    /// Part of a scenario: clients of real time until they are killed.
    #[command(hide = true)]
    Dashboards(control::Dashboards),
    /// What recording costs: alone, against a yardstick, after a crash, heard again.
    Recording(recording::Recording),
    /// Part of a scenario: takes fed from memory.
    #[command(hide = true)]
    RecordRaw(recording::RecordRaw),
    /// Part of a scenario: frames to plain WebSockets.
    #[command(hide = true)]
    Fan(upstreams::Fan),
    /// Part of a scenario: a recorder after a crash.
    #[command(hide = true)]
    Recover(recording::Recover),
    /// Part of a scenario: our recorder behind plain RTP sockets.
    #[command(hide = true)]
    RecordRtp(yardstick::RecordRtp),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().scenario {
        Scenario::Acts(acts) => acts.run(),
        Scenario::Audit(audit) => audit.run(),
        Scenario::Bench(bench) => bench.run(),
        Scenario::Burst(burst) => burst.run(),
        Scenario::Control(control) => control.run(),
        Scenario::Plane(plane) => plane.run(),
        Scenario::Dashboards(dashboards) => dashboards.run(),
        Scenario::Kills(kills) => kills.run(),
        Scenario::Listen(listen) => listen.run(),
        Scenario::Soak(soak) => soak.run(),
        Scenario::Upstreams(upstreams) => upstreams.run(),
        Scenario::Fan(fan) => fan.run(),
        Scenario::Publish(publish) => publish.run(),
        Scenario::Carry(carry) => carry.run(),
        Scenario::Supervise(supervise) => supervise.run(),
        Scenario::Recording(recording) => recording.run(),
        Scenario::RecordRaw(record) => record.run(),
        Scenario::Recover(recover) => recover.run(),
        Scenario::RecordRtp(record) => record.run(),
    }
}
