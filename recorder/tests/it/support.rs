//! Tones in, files out, and ears.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use recorder::{LoadError, Recorder, Settings};
use sidetone_codec::{
    Application, Bandwidth, EncoderConfig, MultistreamDecoder, OpusDecoder, OpusEncoder,
};
use sidetone_fleet::ledger::MemoryLedger;
use sidetone_fleet::take::{Recorder as _, Take, TakeError, TakeStart};
use sidetone_media::{Codec, MediaTime, Packet, TrackId, ogg};
use sidetone_vault::{Keyring, Store};
use sidetone_wire::{Booking, CallId, Manifest, Party, RecordingId, TakeState, Timestamp};
use tokio::runtime::Runtime;

/// What a player leaves out at the start.
pub(crate) const PRE_SKIP: usize = 312;
/// Samples in a millisecond.
pub(crate) const MS: u64 = 48;
/// How long anything here may take before the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The master key.
pub(crate) fn keyring() -> Keyring {
    let text = "c2lkZXRvbmUgcmVjb3JkZXIgdGVzdHMgbWFzdGVyIGs=".to_owned();
    Keyring::from_base64(&text.into()).unwrap()
}

/// Settings of a recorder in `folder`.
pub(crate) fn settings(folder: &Path) -> Settings {
    Settings {
        spool_dir: folder.join("spool"),
        max_takes: 8,
        spool_bytes: 1 << 30,
        keyring: keyring(),
        node: "studio".into(),
    }
}

/// A runtime for a recorder's tasks.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// A recorder with folders, a store and a ledger of its own.
pub(crate) struct Studio {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) recorder: Recorder,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) store: Store,
    pub(crate) runtime: Runtime,
}

impl Studio {
    pub(crate) fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap(), Arc::default()).unwrap()
    }

    /// In a folder that was used before, with the ledger that knows it.
    pub(crate) fn open(
        folder: tempfile::TempDir,
        ledger: Arc<MemoryLedger>,
    ) -> Result<Self, LoadError> {
        let settings = settings(folder.path());
        Self::with(folder, ledger, settings)
    }

    pub(crate) fn with(
        folder: tempfile::TempDir,
        ledger: Arc<MemoryLedger>,
        settings: Settings,
    ) -> Result<Self, LoadError> {
        let runtime = runtime();
        let store = Store::local(&folder.path().join("store")).unwrap();
        let loading = recorder::load(settings, store.clone(), ledger.clone());
        let recorder = runtime.block_on(loading)?;
        Ok(Self {
            folder,
            recorder,
            ledger,
            store,
            runtime,
        })
    }

    /// The spool folder.
    pub(crate) fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    pub(crate) fn begin(&self) -> (Box<dyn Take>, RecordingId) {
        let recording = RecordingId(sidetone_service::clock::new_id());
        (self.begin_as(recording).unwrap(), recording)
    }

    pub(crate) fn begin_as(&self, recording: RecordingId) -> Result<Box<dyn Take>, TakeError> {
        self.recorder.begin(TakeStart {
            recording,
            call: CallId(sidetone_service::clock::new_id()),
            tenant: "acme".into(),
            started_at: Timestamp::from_unix_ms(1_793_000_000_000),
        })
    }

    /// Records packets and gives the stored take.
    pub(crate) fn record(&self, packets: &[(Party, Packet)], end_ms: u64) -> Sealed {
        let (mut take, recording) = self.begin();
        for (party, packet) in packets {
            take.write(*party, packet);
        }
        take.end(MediaTime::from_samples(end_ms * MS));
        self.sealed(recording)
    }

    /// Waits until a take is stored, and gives it decrypted.
    pub(crate) fn sealed(&self, recording: RecordingId) -> Sealed {
        wait_for("a stored take", || {
            let booked = self.ledger.booked(recording);
            booked.is_some_and(|booking| booking.state == TakeState::Stored)
        });
        let Booking { manifest, key, .. } = self.ledger.booked(recording).unwrap();
        let key = keyring().unwrap(&key, &manifest.tenant, recording).unwrap();
        let folder = self.folder.path().join("played");
        std::fs::create_dir_all(&folder).unwrap();
        let objects = std::iter::once(&manifest.object);
        let objects = objects.chain(manifest.extra.iter().map(|file| &file.object));
        let mut files = Vec::new();
        for (n, object) in objects.enumerate() {
            let plain = self.runtime.block_on(async {
                let object = self.store.open(object, &key).await.unwrap();
                object.read_whole().await.unwrap()
            });
            let path = folder.join(format!("{recording}.{n}.ogg"));
            std::fs::write(&path, plain).unwrap();
            files.push(path);
        }
        Sealed { files, manifest }
    }

    /// Ends the recorder; gives what a later one is started with.
    pub(crate) fn close(self) -> (tempfile::TempDir, Arc<MemoryLedger>) {
        assert!(self.runtime.block_on(self.recorder.shutdown(DEADLINE)));
        (self.folder, self.ledger)
    }
}

/// A take in the store.
pub(crate) struct Sealed {
    /// Its media, decrypted: the manifest's object, then the extra ones.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) manifest: Manifest,
}

impl Sealed {
    pub(crate) fn path(&self) -> &Path {
        &self.files[0]
    }
}

/// A party that sends a tone.
pub(crate) struct Voice {
    encoder: OpusEncoder,
    hz: f64,
    frame_samples: usize,
    samples: u64,
    pub(crate) track: u32,
    pub(crate) ssrc: u32,
    seq: u64,
}

/// Which of Opus' coders a voice uses, by what makes libopus choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coder {
    Silk,
    Hybrid,
    Celt,
}

impl Voice {
    pub(crate) fn new(hz: f64, coder: Coder) -> Self {
        Self::with(hz, coder, 20, false)
    }

    pub(crate) fn with(hz: f64, coder: Coder, frame_ms: usize, dtx: bool) -> Self {
        let (application, bandwidth, bitrate_bps) = match coder {
            Coder::Silk => (Application::Voip, Bandwidth::Wide, 16_000),
            Coder::Hybrid => (Application::Voip, Bandwidth::Full, 24_000),
            Coder::Celt => (Application::Audio, Bandwidth::Full, 64_000),
        };
        let config = EncoderConfig {
            application,
            bitrate_bps,
            dtx,
            bandwidth,
            ..EncoderConfig::default()
        };
        Self {
            encoder: OpusEncoder::new(config).unwrap(),
            hz,
            frame_samples: frame_ms * 48,
            samples: 0,
            track: hz as u32,
            ssrc: hz as u32 * 7,
            seq: 65_000,
        }
    }

    /// The next packet, spoken at `at_ms`.
    pub(crate) fn say(&mut self, at_ms: u64) -> Packet {
        self.packet(at_ms, 10_000.0)
    }

    /// The next packet, silent.
    pub(crate) fn pause(&mut self, at_ms: u64) -> Packet {
        self.packet(at_ms, 0.0)
    }

    /// Lets `packets` sequence numbers go by, as a sender does that others heard meanwhile.
    pub(crate) fn skip(&mut self, packets: u64) {
        self.seq += packets;
    }

    /// Packets without a break from `from_ms` to `to_ms`.
    pub(crate) fn talk(&mut self, from_ms: u64, to_ms: u64) -> Vec<Packet> {
        let step = self.frame_samples as u64 / MS;
        (from_ms..to_ms)
            .step_by(step as usize)
            .map(|at_ms| self.say(at_ms))
            .collect()
    }

    fn packet(&mut self, at_ms: u64, amplitude: f64) -> Packet {
        let from = self.samples;
        self.samples += self.frame_samples as u64;
        let pcm: Vec<i16> = (from..self.samples)
            .map(|n| (n as f64 * self.hz * std::f64::consts::TAU / 48_000.0).sin() * amplitude)
            .map(|s| s as i16)
            .collect();
        self.seq += 1;
        Packet {
            track: TrackId(self.track),
            ssrc: self.ssrc,
            seq: self.seq,
            at: MediaTime::from_samples(at_ms * MS),
            codec: Codec::Opus,
            marker: false,
            level_dbov: None,
            payload: self.encoder.encode(&pcm).unwrap().into(),
            arrived: sidetone_service::clock::now(),
        }
    }
}

/// Both parties' packets as they would arrive.
pub(crate) fn merge(customer: Vec<Packet>, agent: Vec<Packet>) -> Vec<(Party, Packet)> {
    let customer = customer.into_iter().map(|p| (Party::Customer, p));
    let mut all: Vec<_> = customer
        .chain(agent.into_iter().map(|p| (Party::Agent, p)))
        .collect();
    all.sort_by_key(|(_, packet)| packet.at);
    all
}

/// What a channel should hold: these packets in their slots, silence between, up to `end_ms`.
pub(crate) struct Expected {
    slots: Vec<Vec<u8>>,
    samples: usize,
}

impl Expected {
    pub(crate) fn new<'a>(packets: impl IntoIterator<Item = &'a Packet>, end_ms: u64) -> Self {
        let samples = (end_ms * MS) as usize;
        let mut slots = vec![vec![0xf8, 0xff, 0xfe]; (samples + PRE_SKIP).div_ceil(960)];
        for packet in packets {
            let slot = ((packet.at.samples() + 480) / 960) as usize;
            if packet.payload.len() > 2 && slot < slots.len() {
                slots[slot] = packet.payload.to_vec();
            }
        }
        Self { slots, samples }
    }

    /// The sound of it, by libopus.
    pub(crate) fn decode(&self) -> Vec<i16> {
        let mut decoder = OpusDecoder::new().unwrap();
        let mut pcm = Vec::new();
        for slot in &self.slots {
            pcm.extend_from_slice(decoder.decode(slot).unwrap());
        }
        pcm[PRE_SKIP..PRE_SKIP + self.samples].to_vec()
    }

    /// The sound of it in a player, from a plain mono file.
    fn play(&self, player: Player, file: &Path) -> Vec<i16> {
        let head = ogg::opus_head(1, 48_000);
        let mut out = Vec::new();
        let mut writer = ogg::Writer::new(1, &head, &ogg::opus_tags("reference", &[]), &mut out);
        let (last, before) = self.slots.split_last().unwrap();
        for (n, slot) in before.iter().enumerate() {
            writer.packet(slot, (n as u64 + 1) * 960, &mut out);
        }
        writer.end(last, (self.samples + PRE_SKIP) as u64, &mut out);
        std::fs::write(file, out).unwrap();
        player.play(file, 1).remove(0)
    }
}

/// A player's ear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Player {
    FfmpegNative,
    FfmpegLibopus,
    Opusdec,
}

impl Player {
    pub(crate) const ALL: [Self; 3] = [Self::FfmpegNative, Self::FfmpegLibopus, Self::Opusdec];

    /// Plays a file of `channels`; fails on any warning. Gives each channel's sound.
    pub(crate) fn play(self, file: &Path, channels: usize) -> Vec<Vec<i16>> {
        let raw = file.with_extension(format!("{self:?}.raw"));
        let mut command = match self {
            Self::Opusdec => Command::new("opusdec"),
            Self::FfmpegNative | Self::FfmpegLibopus => Command::new("ffmpeg"),
        };
        match self {
            Self::Opusdec => {
                command
                    .args(["--quiet", "--no-dither", "--rate", "48000"])
                    .args([file, &raw]);
            }
            Self::FfmpegNative | Self::FfmpegLibopus => {
                command.args(["-nostdin", "-y", "-v", "warning"]);
                let decoder = if self == Self::FfmpegNative {
                    "opus"
                } else {
                    "libopus"
                };
                command
                    .args(["-c:a", decoder, "-i"])
                    .arg(file)
                    .args(["-f", "s16le"])
                    .arg(&raw);
            }
        }
        let output = command
            .output()
            .unwrap_or_else(|e| panic!("{command:?}: {e} (Debian: ffmpeg, opus-tools)"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.trim().is_empty(),
            "{command:?} said: {said}"
        );
        let bytes = std::fs::read(&raw).unwrap();
        std::fs::remove_file(&raw).unwrap();
        let samples: Vec<i16> = bytes
            .chunks_exact(2)
            .map(|b| i16::from_le_bytes([b[0], b[1]]))
            .collect();
        (0..channels)
            .map(|channel| {
                samples
                    .iter()
                    .skip(channel)
                    .step_by(channels)
                    .copied()
                    .collect()
            })
            .collect()
    }
}

/// Power of the tone `hz` in `pcm` in dB of a full-scale sine.
pub(crate) fn tone_db(pcm: &[i16], hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    let samples = pcm.len() as f64;
    for (n, &s) in pcm.iter().enumerate() {
        let phase = n as f64 * hz * std::f64::consts::TAU / 48_000.0;
        // a Hann window, or a tone's own edges would be heard at the other's frequency
        let window = 1.0 - (n as f64 * std::f64::consts::TAU / samples).cos();
        re += f64::from(s) * window * phase.cos();
        im += f64::from(s) * window * phase.sin();
    }
    20.0 * ((re.hypot(im) * 2.0 / samples).max(1e-3) / 32_768.0).log10()
}

/// The part of `pcm` from `from_ms` to `to_ms`.
pub(crate) fn cut(pcm: &[i16], from_ms: u64, to_ms: u64) -> &[i16] {
    &pcm[(from_ms * MS) as usize..(to_ms * MS) as usize]
}

/// The difference of two sounds of one length, in dB of full scale.
fn difference_db(a: &[i16], b: &[i16], what: &str) -> f64 {
    assert_eq!(a.len(), b.len(), "{what}: lengths");
    let energy: f64 = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
        .sum();
    10.0 * (energy / a.len().max(1) as f64 / 32_768f64.powi(2))
        .max(1e-15)
        .log10()
}

/// Fails unless two sounds are as near as two versions of libopus are: they round differently,
/// and differ for some milliseconds where the coder changes.
pub(crate) fn assert_near(a: &[i16], b: &[i16], what: &str) {
    let db = difference_db(a, b, what);
    assert!(db < -55.0, "{what}: {db:.1} dB of difference");
}

/// The two channels of a file, interleaved, by the libopus that is linked here.
fn decode_ours(file: &Path) -> Vec<i16> {
    let file = std::fs::read(file).unwrap();
    let mut decoder = MultistreamDecoder::new(2).unwrap();
    let mut pcm = Vec::new();
    for packet in ogg::Reader::new(&file).skip(2) {
        pcm.extend_from_slice(decoder.decode(&packet.unwrap().data).unwrap());
    }
    pcm
}

/// Plays the take in every player and compares each channel, bit by bit, with what the same player
/// makes of it in a mono file of its own, and with what we decode: bit by bit where we decode the
/// file, nearly so where another libopus does. Gives what each player played.
pub(crate) fn assert_plays(sealed: &Sealed, expected: [&Expected; 2]) -> [Vec<Vec<i16>>; 3] {
    let ours = decode_ours(sealed.path());
    for (n, expected) in expected.iter().enumerate() {
        let own: Vec<i16> = ours.iter().skip(n).step_by(2).copied().collect();
        let alone = expected.decode();
        assert!(
            own[PRE_SKIP..PRE_SKIP + alone.len()] == alone,
            "channel {n} by our libopus"
        );
    }
    Player::ALL.map(|player| {
        let channels = player.play(sealed.path(), 2);
        for (n, expected) in expected.into_iter().enumerate() {
            let what = format!("{player:?} channel {n}");
            let alone = expected.play(player, &sealed.path().with_extension(format!("{n}.ogg")));
            let db = difference_db(&channels[n], &alone, &what);
            assert!(
                channels[n] == alone,
                "{what}: {db:.1} dB of difference from a mono file"
            );
            if player != Player::FfmpegNative {
                assert_near(&channels[n], &expected.decode(), &what);
            }
        }
        channels
    })
}

/// Waits until `condition` holds.
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = sidetone_service::clock::now() + DEADLINE;
    while !condition() {
        assert!(
            sidetone_service::clock::now() < deadline,
            "{what} did not come about"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
