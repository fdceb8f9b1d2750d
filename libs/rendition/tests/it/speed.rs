//! What a rendition costs beyond the decoding, in optimised builds.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sidetone_codec::OpusDecoder;
use sidetone_rendition::{Channel, Format};

use crate::support::{Coder, file, render, tone};

/// CPU time of this thread.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

#[test]
fn a_wav_costs_at_most_a_third_more_than_its_decoding() {
    let ms = 60_000;
    for coder in [Coder::Silk, Coder::Celt] {
        let channels = [440.0, 1_000.0].map(|hz| tone(hz, 8_000.0, ms, coder, 20));
        let file = file(&[&channels[0], &channels[1]], ms);
        let best = |mut run: Box<dyn FnMut() + '_>| {
            (0..5)
                .map(|_| {
                    let started = cpu();
                    run();
                    cpu().checked_sub(started).unwrap()
                })
                .min()
                .unwrap()
        };
        let bare = best(Box::new(|| {
            for packets in &channels {
                let mut decoder = OpusDecoder::new().unwrap();
                for packet in packets {
                    decoder.decode(packet).unwrap();
                }
            }
        }));
        let whole = best(Box::new(|| {
            render(Format::Wav, Channel::Both, &[(0, &file)], ms).unwrap();
        }));
        let ratio = whole.as_secs_f64() / bare.as_secs_f64();
        println!("{coder:?}: {bare:?} bare, {whole:?} as WAV, {ratio:.2} times");
        assert!(ratio <= 1.3, "{coder:?}: {ratio:.2} times");
    }
}
