//! The yardstick for recording: a GStreamer pipeline that puts the same RTP into Ogg files without
//! transcoding, against our recorder given the same packets the same way.
//!
//! Both read plain RTP from loopback UDP sockets, two streams a call, and write to the same disk.

use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use serde::Serialize;
use sidetone_fleet::take::{Recorder as _, Take};
use sidetone_media::{ClockRate, Codec, MediaTime, Packet, Timeline, TrackId, rtp};
use sidetone_service::clock;
use sidetone_wire::Party;
use tempfile::TempDir;
use tokio::sync::mpsc::error::TryRecvError;

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

/// How long our recorder waits for a packet before it looks whether it is to end.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

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
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let _entered = runtime.enter();
        let takes = self.ports.len() / 2;
        let ours = runtime.block_on(crate::ours::recorder(&self.folder, takes))?;
        let mut lines = Lines::open(&self.ports, &ours.recorder)?;
        say("ready");
        let mut questions = crate::child::questions();
        while questions.try_recv() != Err(TryRecvError::Disconnected) {
            lines.read()?;
            std::thread::sleep(GATHER);
        }
        Ok(())
    }
}

/// The sockets of all takes. What has come is read packet by packet without asking each socket
/// whether there is more: that question would cost as much as a packet.
struct Lines {
    /// Level-triggered: names each socket that has something, as long as it has.
    ready: OwnedFd,
    sockets: Vec<Line>,
    takes: Vec<Box<dyn Take>>,
    begun: Instant,
}

struct Line {
    socket: UdpSocket,
    party: Party,
    timeline: Timeline,
}

impl Lines {
    fn open(ports: &[u16], recorder: &recorder::Recorder) -> Result<Self> {
        let ready = epoll::create(CreateFlags::CLOEXEC)?;
        let (mut sockets, mut takes) = (Vec::new(), Vec::new());
        for ports in ports.chunks_exact(2) {
            takes.push(recorder.begin(crate::ours::take_start())?);
            for (port, party) in ports.iter().zip([Party::Customer, Party::Agent]) {
                let socket = UdpSocket::bind(("127.0.0.1", *port))?;
                socket.set_nonblocking(true)?;
                let line = EventData::new_u64(sockets.len() as u64);
                epoll::add(&ready, &socket, line, EventFlags::IN)?;
                sockets.push(Line {
                    socket,
                    party,
                    timeline: Timeline::new(ClockRate::OPUS),
                });
            }
        }
        Ok(Self {
            ready,
            sockets,
            takes,
            begun: clock::now(),
        })
    }

    /// Waits a moment for packets and records those that there are.
    fn read(&mut self) -> Result<()> {
        let mut named = Vec::with_capacity(self.sockets.len());
        epoll::wait(&self.ready, spare_capacity(&mut named), Some(&PATIENCE))?;
        let arrived = clock::now();
        for event in named {
            let data = event.data;
            self.record(data.u64() as usize, arrived);
        }
        Ok(())
    }

    /// Records one packet of a line.
    fn record(&mut self, n: usize, arrived: Instant) {
        let line = &mut self.sockets[n];
        let mut buffer = [0u8; 2048];
        let Ok(size) = line.socket.recv(&mut buffer) else {
            return;
        };
        let Ok(packet) = rtp::RtpPacket::parse(&buffer[..size]) else {
            return;
        };
        let seq = u64::from(packet.sequence_number);
        let arrival = MediaTime::from_duration(arrived - self.begun);
        let at = line
            .timeline
            .place(packet.ssrc, packet.timestamp, seq, arrival);
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
        self.takes[n / 2].write(line.party, &packet);
    }
}
