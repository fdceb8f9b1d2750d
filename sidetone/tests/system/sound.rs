//! Recordings as ffmpeg hears them.

use std::path::Path;
use std::process::Stdio;

use sidetone_testkit::level_dbfs;
use tokio::process::Command;

/// Samples of a channel in a millisecond.
const SAMPLES_PER_MS: usize = 48;
/// Tones are looked for in windows of this length.
const WINDOW_MS: usize = 400;
/// What a tone of -12 dBFS leaves in another one's place where it breaks off: 10 ms of the other
/// would be louder.
const BROKEN_OFF_DBFS: f64 = -50.0;
/// Below this nobody speaks.
const SILENCE_DBFS: f64 = -70.0;

/// Both channels, decoded.
pub(crate) struct Stereo {
    pub(crate) left: Vec<i16>,
    pub(crate) right: Vec<i16>,
}

impl Stereo {
    /// Decodes a file, and fails if ffmpeg has anything to say about it.
    pub(crate) async fn decode(file: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("take.ogg");
        std::fs::write(&path, file).unwrap();
        Self::of(&ffmpeg(&path).await)
    }

    /// The same of a WAV file of two channels, as it is.
    pub(crate) fn of_wav(file: &[u8]) -> Self {
        let u16_at = |at: usize| u16::from_le_bytes([file[at], file[at + 1]]);
        assert_eq!((&file[..4], &file[8..16]), (&b"RIFF"[..], &b"WAVEfmt "[..]));
        assert_eq!((u16_at(22), u16_at(24), u16_at(34)), (2, 48_000, 16));
        let data = file.windows(4).position(|word| word == b"data").unwrap() + 8;
        Self::of(&file[data..])
    }

    fn of(decoded: &[u8]) -> Self {
        assert_eq!(decoded.len() % 4, 0, "whole samples of two channels");
        let channel = |at: usize| {
            let samples = decoded.as_chunks::<4>().0.iter();
            samples
                .map(|both| i16::from_le_bytes([both[at], both[at + 1]]))
                .collect()
        };
        Self {
            left: channel(0),
            right: channel(2),
        }
    }

    /// Its length in milliseconds.
    pub(crate) fn ms(&self) -> f64 {
        self.left.len() as f64 / SAMPLES_PER_MS as f64
    }

    /// Fails unless a tone, and nothing of another, is on a channel throughout a stretch.
    pub(crate) fn says(channel: &[i16], hz: f64, other_hz: f64, stretch_ms: (i64, i64)) {
        Self::says_apart(channel, hz, other_hz, stretch_ms, 60.0);
    }

    /// The same where the tones are less far apart: in what came as G.711.
    pub(crate) fn says_apart(
        channel: &[i16],
        hz: f64,
        other_hz: f64,
        stretch_ms: (i64, i64),
        apart_db: f64,
    ) {
        let windows = windows(channel, stretch_ms);
        for (at, window) in windows {
            let (own, other) = (level_dbfs(window, hz), level_dbfs(window, other_hz));
            assert!(own > -15.0, "{hz} Hz at {own} dBFS, {at} ms into the call");
            assert!(
                other < own - apart_db,
                "{other_hz} Hz at {other} dBFS beside {own}, {at} ms into the call"
            );
        }
    }

    /// Fails if a tone is anywhere on a channel, louder than `limit_dbfs`. Where sound begins or
    /// breaks off, which has some of every tone in it, half a slot of the tone would be found.
    pub(crate) fn lacks(channel: &[i16], hz: f64, limit_dbfs: f64) {
        const WINDOW: usize = WINDOW_MS * SAMPLES_PER_MS;
        for (n, window) in channel.windows(WINDOW).step_by(WINDOW / 4).enumerate() {
            let quarters = window.chunks(WINDOW / 4).map(rms_dbfs);
            let (quietest, loudest) = quarters.fold((f64::MAX, f64::MIN), |(low, high), level| {
                (low.min(level), high.max(level))
            });
            let limit = if loudest - quietest > 3.0 {
                BROKEN_OFF_DBFS
            } else {
                limit_dbfs
            };
            let (level, at) = (level_dbfs(window, hz), n * WINDOW_MS / 4);
            assert!(
                level < limit,
                "{hz} Hz at {level} dBFS, {at} ms into the file"
            );
        }
    }

    /// Fails unless both channels are silent from here on, if anything is.
    pub(crate) fn is_silent_from(&self, from_ms: i64) {
        let to_ms = self.ms() as i64;
        if to_ms >= from_ms + WINDOW_MS as i64 {
            Self::is_silent(&self.left, (from_ms, to_ms));
            Self::is_silent(&self.right, (from_ms, to_ms));
        }
    }

    /// Fails unless a channel is silent throughout a stretch.
    pub(crate) fn is_silent(channel: &[i16], stretch_ms: (i64, i64)) {
        for (at, window) in windows(channel, stretch_ms) {
            let level = rms_dbfs(window);
            assert!(level < SILENCE_DBFS, "{level} dBFS, {at} ms into the call");
        }
    }
}

/// The windows of a stretch with the millisecond at which each begins; at least one.
fn windows(channel: &[i16], (from_ms, to_ms): (i64, i64)) -> Vec<(usize, &[i16])> {
    let from = usize::try_from(from_ms).unwrap();
    let to = usize::try_from(to_ms).unwrap();
    let stretch = &channel[from * SAMPLES_PER_MS..to * SAMPLES_PER_MS];
    let windows: Vec<_> = stretch
        .chunks_exact(WINDOW_MS * SAMPLES_PER_MS)
        .enumerate()
        .map(|(n, window)| (from + n * WINDOW_MS, window))
        .collect();
    assert!(!windows.is_empty(), "{from_ms} to {to_ms} ms is too short");
    windows
}

fn rms_dbfs(pcm: &[i16]) -> f64 {
    let squares: f64 = pcm.iter().map(|s| (f64::from(*s) / 32_768.0).powi(2)).sum();
    10.0 * (squares / pcm.len() as f64).max(1e-20).log10()
}

async fn ffmpeg(path: &Path) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostats", "-loglevel", "warning", "-i"])
        .arg(path)
        .args(["-f", "s16le", "-ar", "48000", "-"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("ffmpeg is installed: `make tools-test`");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said, "", "ffmpeg warns of nothing");
    output.stdout
}
