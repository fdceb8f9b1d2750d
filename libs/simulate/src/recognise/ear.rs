//! What of a sound is an utterance, and which.

/// A frame of sound.
const FRAME_MS: u64 = 20;
/// Louder than this is speech: -40 dBFS.
const LOUD: f64 = 0.01;
/// So much of an utterance is heard before a version of it is told.
const FIRST_MS: u64 = 200;
/// So much silence ends one.
const SILENCE_MS: u64 = 200;
/// And so much speech.
const LONGEST_MS: u64 = 1_000;
/// Silence is told of this often.
const SILENT_MS: u64 = 1_000;

/// Something that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spoken {
    /// Empty for silence.
    pub(super) text: String,
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
    pub(super) is_final: bool,
    /// The first version of it.
    pub(super) begins: bool,
}

/// Listens to one sound.
pub(super) struct Ear {
    rate_hz: u64,
    words: Vec<(u32, String)>,
    waiting: Vec<i16>,
    heard_ms: u64,
    /// Everything before was told of.
    told_ms: u64,
    open: Option<Open>,
}

struct Open {
    from_ms: u64,
    to_ms: u64,
    /// Half waves from one crossing to the next, and how long they are together: a frame that is
    /// silent in part has as much pitch as a whole one.
    halves: u64,
    samples: u64,
    told: bool,
}

impl Ear {
    pub(super) fn new(rate_hz: u64, words: Vec<(u32, String)>) -> Self {
        Self {
            rate_hz,
            words,
            waiting: Vec::new(),
            heard_ms: 0,
            told_ms: 0,
            open: None,
        }
    }

    /// What is understood with so much more of it.
    pub(super) fn hear(&mut self, pcm: &[i16]) -> Vec<Spoken> {
        self.waiting.extend_from_slice(pcm);
        let frame = (self.rate_hz * FRAME_MS / 1_000) as usize;
        let whole = self.waiting.len() / frame * frame;
        let sound: Vec<i16> = self.waiting.drain(..whole).collect();
        let mut spoken = Vec::new();
        for frame in sound.chunks_exact(frame) {
            self.frame(frame, &mut spoken);
        }
        spoken
    }

    fn frame(&mut self, frame: &[i16], spoken: &mut Vec<Spoken>) {
        let energy: f64 = frame
            .iter()
            .map(|one| (f64::from(*one) / 32_768.0).powi(2))
            .sum();
        let loud = (energy / frame.len() as f64).sqrt() > LOUD;
        let from_ms = self.heard_ms;
        self.heard_ms += FRAME_MS;
        if loud {
            let pairs = frame.windows(2).enumerate();
            let crossings: Vec<usize> = pairs
                .filter(|(_, pair)| (pair[0] < 0) != (pair[1] < 0))
                .map(|(at, _)| at)
                .collect();
            let open = self.open.get_or_insert(Open {
                from_ms,
                to_ms: from_ms,
                halves: 0,
                samples: 0,
                told: false,
            });
            open.to_ms = self.heard_ms;
            if let [first, .., last] = crossings[..] {
                open.halves += crossings.len() as u64 - 1;
                open.samples += (last - first) as u64;
            }
        }
        let Some(open) = &mut self.open else {
            if self.heard_ms - self.told_ms >= SILENT_MS {
                spoken.push(self.silence());
            }
            return;
        };
        let long = open.to_ms - open.from_ms;
        if long >= LONGEST_MS || self.heard_ms - open.to_ms >= SILENCE_MS {
            spoken.extend(self.flush());
        } else if loud && long >= FIRST_MS && !open.told {
            open.told = true;
            let (from_ms, to_ms) = (open.from_ms, open.to_ms);
            spoken.extend(self.text().map(|text| Spoken {
                text,
                from_ms,
                to_ms,
                is_final: false,
                begins: true,
            }));
        }
    }

    /// What goes on is over.
    pub(super) fn flush(&mut self) -> Option<Spoken> {
        let text = self.text()?;
        let open = self.open.take()?;
        self.told_ms = open.to_ms;
        Some(Spoken {
            text,
            from_ms: open.from_ms,
            to_ms: open.to_ms,
            is_final: true,
            begins: !open.told,
        })
    }

    fn silence(&mut self) -> Spoken {
        let from_ms = std::mem::replace(&mut self.told_ms, self.heard_ms);
        Spoken {
            text: String::new(),
            from_ms,
            to_ms: self.heard_ms,
            is_final: true,
            begins: false,
        }
    }

    fn text(&self) -> Option<String> {
        let open = self.open.as_ref()?;
        let seconds = open.samples.max(1) as f64 / self.rate_hz as f64;
        let hz = open.halves as f64 / 2.0 / seconds;
        let off = |word: &&(u32, String)| (f64::from(word.0) - hz).abs();
        let nearest = self.words.iter().min_by(|a, b| off(a).total_cmp(&off(b)));
        Some(match nearest {
            Some((_, text)) => text.clone(),
            None => format!("{:.0} hertz", (hz / 10.0).round() * 10.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn tones_are_the_words_they_stand_for_with_their_times() {
        let words = vec![(440, "yes".to_owned()), (900, "no".to_owned())];
        let mut ear = Ear::new(16_000, words);
        let sample = |n: u32| {
            let seconds = f64::from(n) / 16_000.0;
            let hz = match seconds {
                0.5..0.9 => 440.0,
                2.0..4.0 => 900.0,
                _ => return 0,
            };
            (8_000.0 * (seconds * hz * TAU).sin()) as i16
        };
        let pcm: Vec<i16> = (0..16_000 * 6).map(sample).collect();
        let heard: Vec<Spoken> = pcm.chunks(777).flat_map(|part| ear.hear(part)).collect();
        let finals = heard
            .iter()
            .filter(|one| one.is_final && !one.text.is_empty());
        let finals: Vec<_> = finals
            .map(|one| (&*one.text, one.from_ms, one.to_ms))
            .collect();
        let expected = [
            ("yes", 500, 900),
            ("no", 2_000, 3_000),
            ("no", 3_000, 4_000),
        ];
        assert_eq!(finals, expected);
        assert!(heard.iter().any(|one| !one.is_final && one.text == "yes"));
    }
    #[test]
    fn the_rest_of_a_tone_is_the_word_that_the_whole_is() {
        let words = vec![(440, "yes".to_owned()), (1_000, "no".to_owned())];
        let mut ear = Ear::new(16_000, words);
        // 6 ms of it, in a frame of 20
        let sample = |n: u32| {
            let sound = 8_000.0 * (f64::from(n) / 16.0 * TAU).sin();
            if n < 96 { sound as i16 } else { 0 }
        };
        let pcm: Vec<i16> = (0..16_000).map(sample).collect();
        let finals = ear.hear(&pcm).into_iter().filter(|one| one.is_final);
        let texts: Vec<String> = finals.map(|one| one.text).collect();
        assert_eq!(texts, ["no"]);
    }
}
