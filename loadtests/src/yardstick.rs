//! The yardstick for recording: a GStreamer pipeline that puts the same RTP into Ogg files without
//! transcoding, against our recorder given the same packets the same way.
//!
//! Both read plain RTP from loopback UDP sockets, two streams a call, and write to the same disk.

use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use sidetone_fleet::take::Recorder as _;
use sidetone_media::{ClockRate, Codec, MediaTime, Packet, Timeline, TrackId, rtp};
use sidetone_service::clock;
use sidetone_wire::Party;
use tempfile::TempDir;

use crate::child::{Child, say};
use crate::process::Usage;

/// How long each is measured.
const SECONDS: u64 = 10;

/// Before measuring.
const WARM_UP: Duration = Duration::from_secs(3);

/// Pairs of measurements, one after the other; the medians count.
const PAIRS: usize = 3;

/// How long an idle process lets packets gather, as a gateway's shard does while nobody listens.
const GATHER: Duration = Duration::from_millis(4);

/// The goal: our CPU over GStreamer's.
const TARGET: f64 = 0.20;

/// CPU seconds per call-minute of both.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    calls: usize,
    recorder_cpu_s_per_call_minute: f64,
    gstreamer_cpu_s_per_call_minute: f64,
    ratio: f64,
    target: f64,
    pub(crate) passed: bool,
}

/// Records the same `calls` calls with both, one after the other.
pub(crate) fn compare(calls: usize) -> Result<Compared> {
    let (mut theirs, mut our_own) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        theirs.push(gstreamer(calls)?);
        our_own.push(ours(calls)?);
    }
    let (gstreamer, ours) = (median(theirs), median(our_own));
    let ratio = ours / gstreamer;
    say(&format!(
        "recording {calls} calls from plain RTP: {ours:.4} CPU-s per call-minute, GStreamer \
         {gstreamer:.4}: {ratio:.3} of it (target {TARGET})"
    ));
    Ok(Compared {
        calls,
        recorder_cpu_s_per_call_minute: ours,
        gstreamer_cpu_s_per_call_minute: gstreamer,
        ratio,
        target: TARGET,
        passed: ratio <= TARGET,
    })
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn per_call_minute(calls: usize, before: Usage, after: Usage) -> f64 {
    after.since(&before).cpu().as_secs_f64() / SECONDS as f64 / calls as f64 * 60.0
}

fn gstreamer(calls: usize) -> Result<f64> {
    let folder = TempDir::new()?;
    let ports = free_ports(calls * 2)?;
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q");
    for port in &ports {
        let file = folder.path().join(format!("{port}.ogg"));
        let caps = "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=111";
        command.args(["udpsrc", &format!("port={port}"), "address=127.0.0.1"]);
        command.arg(format!("caps={caps}"));
        command.args(["!", "rtpopusdepay", "!", "oggmux", "!", "filesink"]);
        command.arg(format!("location={}", file.display()));
    }
    let child = Child::spawn("gst-launch-1.0", command)?;
    std::thread::sleep(Duration::from_secs(2));
    let _load = Load::start(ports);
    std::thread::sleep(WARM_UP);
    let before = Usage::of(child.pid())?;
    std::thread::sleep(Duration::from_secs(SECONDS));
    Ok(per_call_minute(calls, before, Usage::of(child.pid())?))
}

fn ours(calls: usize) -> Result<f64> {
    let folder = TempDir::new()?;
    let ports = free_ports(calls * 2)?;
    let mut arguments = vec!["--folder".to_owned()];
    arguments.push(
        folder
            .path()
            .to_str()
            .context("temporary folders are UTF-8")?
            .to_owned(),
    );
    arguments.push("--ports".to_owned());
    arguments.push(
        ports
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(","),
    );
    let child = Child::start("record-rtp", &arguments)?;
    child.wait_for("ready", Duration::from_secs(20))?;
    let _load = Load::start(ports);
    std::thread::sleep(WARM_UP);
    let before = Usage::of(child.pid())?;
    std::thread::sleep(Duration::from_secs(SECONDS));
    Ok(per_call_minute(calls, before, Usage::of(child.pid())?))
}

fn free_ports(count: usize) -> Result<Vec<u16>> {
    let sockets: Vec<UdpSocket> = (0..count)
        .map(|_| UdpSocket::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()?;
    sockets
        .iter()
        .map(|socket| Ok(socket.local_addr()?.port()))
        .collect()
}

/// Sends a packet to each port every 20 ms from a thread of this process, until it is dropped.
struct Load {
    stop: Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Load {
    fn start(ports: Vec<u16>) -> Self {
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let Ok(socket) = UdpSocket::bind("127.0.0.1:0") else {
                return;
            };
            let begun = clock::now();
            for n in 0u32.. {
                if stopped.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                for (ssrc, port) in ports.iter().enumerate() {
                    let packet = rtp_packet(n, ssrc as u32 + 1);
                    drop(socket.send_to(&packet, ("127.0.0.1", *port)));
                }
                let next = begun + Duration::from_millis(20) * (n + 1);
                std::thread::sleep(next.saturating_duration_since(clock::now()));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// An RTP packet (RFC 3550 section 5.1) with 80 bytes of Opus.
fn rtp_packet(n: u32, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 111];
    packet.extend((n as u16).to_be_bytes());
    packet.extend(n.wrapping_mul(960).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.push(0xf8);
    packet.resize(12 + 80, 0);
    packet
}

/// Part of the scenario: our recorder behind plain RTP sockets.
#[derive(clap::Args)]
pub(crate) struct RecordRtp {
    #[arg(long)]
    folder: std::path::PathBuf,
    /// Two for each call: customer, agent.
    #[arg(long, value_delimiter = ',')]
    ports: Vec<u16>,
}

impl RecordRtp {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(|| std::thread::sleep(GATHER))
            .build()?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let takes = self.ports.len() / 2;
            let ours = crate::ours::recorder(&self.folder, takes).await?;
            for ports in self.ports.chunks_exact(2) {
                let take = ours.recorder.begin(crate::ours::take_start())?;
                let take = std::rc::Rc::new(std::cell::RefCell::new(take));
                for (port, party) in ports.iter().zip([Party::Customer, Party::Agent]) {
                    let socket = tokio::net::UdpSocket::bind(("127.0.0.1", *port)).await?;
                    tokio::task::spawn_local(record(socket, party, take.clone()));
                }
            }
            say("ready");
            let mut questions = crate::child::questions();
            while questions.recv().await.is_some() {}
            Ok(())
        })
    }
}

type SharedTake = std::rc::Rc<std::cell::RefCell<Box<dyn sidetone_fleet::take::Take>>>;

async fn record(socket: tokio::net::UdpSocket, party: Party, take: SharedTake) {
    let begun = clock::now();
    let mut timeline = Timeline::new(ClockRate::OPUS);
    let mut buffer = [0u8; 2048];
    while let Ok(size) = socket.recv(&mut buffer).await {
        let Ok(packet) = rtp::RtpPacket::parse(&buffer[..size]) else {
            continue;
        };
        let arrived = clock::now();
        let seq = u64::from(packet.sequence_number);
        let arrival = MediaTime::from_duration(arrived - begun);
        let at = timeline.place(packet.ssrc, packet.timestamp, seq, arrival);
        let packet = Packet {
            track: TrackId(0),
            ssrc: packet.ssrc,
            seq,
            at,
            codec: Codec::Opus,
            marker: packet.marker,
            level_dbov: None,
            payload: packet.payload.into(),
            arrived,
        };
        take.borrow_mut().write(party, &packet);
    }
}
