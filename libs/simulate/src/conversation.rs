//! A script laid out on a call's time, in packets of 20 ms.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clip::{Clip, PACKET, SILENT_DBOV, SILENT_PACKET, Sound};
use crate::script::{Script, Side};

/// A client with DTX goes on sending for so many packets of silence (libopus: 200 ms) ...
const HANGOVER_PACKETS: u32 = 10;
/// ... and then sends one in so many (400 ms).
const COMFORT_EVERY_PACKETS: u32 = 20;
/// The line stays open for so long after the last word.
const TAIL_PACKETS: u32 = 50;
/// An interim transcript comes about so often while somebody speaks.
const INTERIM_EVERY_PACKETS: u32 = 30;
/// The final one comes so long after the last word.
const FINAL_AFTER_PACKETS: u32 = 15;

/// What a client sends while its party is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Silence {
    /// Next to nothing: browsers, SDKs.
    Dtx,
    /// A silent packet every 20 ms: SIP bridges.
    Continuous,
}

/// A turn with its place in time.
#[derive(Debug)]
pub struct TimedTurn {
    /// By whom.
    pub side: Side,
    /// The words.
    pub text: &'static str,
    /// The first packet, counted from the call's start.
    pub start: u32,
    /// The packet after its last one.
    pub end: u32,
    clip: &'static Clip,
}

/// A script laid out in time.
#[derive(Debug)]
pub struct Conversation {
    script: &'static Script,
    turns: Vec<TimedTurn>,
    packets: u32,
}

/// A version of what somebody says, as a speech recogniser gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscriptLine {
    /// When it is known, in packets since the call's start.
    pub at: u32,
    /// Who speaks.
    pub side: Side,
    /// Which turn of the conversation: every version of one turn has the same.
    pub turn: usize,
    /// The words so far.
    pub text: String,
    /// It will not change any more.
    pub last: bool,
}

impl Conversation {
    /// Lays `script` out, with every pause at `pause_percent` of what is written.
    pub fn new(script: &'static Script, pause_percent: u32) -> Self {
        let mut turns: Vec<TimedTurn> = Vec::with_capacity(script.turns.len());
        for turn in &script.turns {
            let last_end = turns.last().map_or(0, |t| t.end);
            let own_end = turns
                .iter()
                .rev()
                .find(|t| t.side == turn.side)
                .map_or(0, |t| t.end);
            let start = if turn.overlap_ms > 0 {
                last_end.saturating_sub(turn.overlap_ms / 20)
            } else {
                last_end + turn.pause_ms * pause_percent / 100 / 20
            };
            // nobody speaks over themselves
            let start = start.max(own_end);
            turns.push(TimedTurn {
                side: turn.side,
                text: &turn.text,
                start,
                end: start + turn.clip.packets().len() as u32,
                clip: &turn.clip,
            });
        }
        let last = turns.iter().map(|t| t.end).max().unwrap_or(0);
        Self {
            script,
            turns,
            packets: last + TAIL_PACKETS,
        }
    }

    /// What is said.
    pub fn script(&self) -> &'static Script {
        self.script
    }

    /// The turns in order of their start.
    pub fn turns(&self) -> &[TimedTurn] {
        &self.turns
    }

    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        PACKET * self.packets
    }

    /// What the client of `side` sends, packet by packet.
    pub fn voice(&self, side: Side, silence: Silence) -> Voice {
        let own = self.turns.iter().filter(|turn| turn.side == side);
        Voice {
            turns: own.map(|turn| (turn.start, turn.clip)).collect(),
            at: 0,
            end: self.packets,
            silence,
            silent_for: HANGOVER_PACKETS,
            silent_packet: Sound {
                payload: SILENT_PACKET.as_slice().into(),
                level_dbov: SILENT_DBOV,
                marker: false,
            },
        }
    }

    /// Transcripts of both sides, in order of time.
    pub fn transcript(&self) -> Vec<TranscriptLine> {
        let mut lines: Vec<TranscriptLine> = self
            .turns
            .iter()
            .enumerate()
            .flat_map(|(index, turn)| turn.transcript(index))
            .collect();
        lines.sort_by_key(|line| line.at);
        lines
    }
}

impl TimedTurn {
    fn transcript(&self, index: usize) -> Vec<TranscriptLine> {
        let line = |at, text: String, last| TranscriptLine {
            at,
            side: self.side,
            turn: index,
            text,
            last,
        };
        let words: Vec<&str> = self.text.split_whitespace().collect();
        let spoken = (self.end - self.start).max(1);
        let mut lines: Vec<TranscriptLine> = (INTERIM_EVERY_PACKETS..spoken)
            .step_by(INTERIM_EVERY_PACKETS as usize)
            .map(|after| (after, words.len() * after as usize / spoken as usize))
            .filter(|(_, heard)| *heard > 0)
            .map(|(after, heard)| line(self.start + after, words[..heard].join(" "), false))
            .collect();
        lines.push(line(
            self.end + FINAL_AFTER_PACKETS,
            self.text.to_owned(),
            true,
        ));
        lines
    }
}

/// What one client sends: an item per 20 ms, `None` where it sends nothing.
#[derive(Debug)]
pub struct Voice {
    turns: VecDeque<(u32, &'static Clip)>,
    at: u32,
    end: u32,
    silence: Silence,
    silent_for: u32,
    silent_packet: Sound,
}

impl Iterator for Voice {
    type Item = Option<Sound>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let at = self.at;
        self.at += 1;
        while let Some((start, clip)) = self.turns.front() {
            if at < *start {
                break;
            }
            if let Some(sound) = clip.packets().get((at - start) as usize) {
                self.silent_for = 0;
                return Some(Some(sound.clone()));
            }
            self.turns.pop_front();
        }
        let silent_for = self.silent_for;
        self.silent_for += 1;
        let sends = self.silence == Silence::Continuous
            || silent_for < HANGOVER_PACKETS
            || silent_for.is_multiple_of(COMFORT_EVERY_PACKETS);
        Some(sends.then(|| self.silent_packet.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script;

    fn conversation(name: &str) -> Conversation {
        Conversation::new(script::find(name).unwrap(), 100)
    }

    #[test]
    fn calls_last_between_forty_seconds_and_five_minutes() {
        for script in script::all() {
            let shortest = Conversation::new(script, 80).duration().as_secs();
            let longest = Conversation::new(script, 130).duration().as_secs();
            assert!(shortest >= 38, "{} lasts {shortest} s", script.name);
            assert!(longest <= 300, "{} lasts {longest} s", script.name);
        }
    }

    #[test]
    fn turns_come_in_order_with_pauses_and_overlaps_and_nobody_speaks_over_themselves() {
        let mut overlaps = 0;
        for script in script::all() {
            let conversation = Conversation::new(script, 100);
            let turns = conversation.turns();
            overlaps += turns
                .windows(2)
                .filter(|pair| pair[1].start < pair[0].end)
                .count();
            for side in [Side::Customer, Side::Agent] {
                let own: Vec<_> = turns.iter().filter(|t| t.side == side).collect();
                assert!(
                    own.windows(2).all(|pair| pair[0].end <= pair[1].start),
                    "{}",
                    script.name
                );
            }
        }
        assert!(overlaps >= 8, "{overlaps}");
    }

    #[test]
    fn every_packet_of_every_turn_is_sent_at_its_time() {
        let conversation = conversation("refund");
        for side in [Side::Customer, Side::Agent] {
            let sent: Vec<_> = conversation.voice(side, Silence::Dtx).collect();
            assert_eq!(PACKET * sent.len() as u32, conversation.duration());
            for turn in conversation.turns().iter().filter(|t| t.side == side) {
                for (sound, at) in turn.clip.packets().iter().zip(turn.start..) {
                    assert_eq!(sent[at as usize].as_ref(), Some(sound));
                }
                assert!(sent[turn.start as usize].as_ref().unwrap().marker);
            }
        }
    }

    #[test]
    fn silence_is_nearly_empty_with_dtx_and_full_without() {
        let conversation = conversation("support");
        let spoken: u32 = conversation
            .turns()
            .iter()
            .filter(|t| t.side == Side::Agent)
            .map(|t| t.end - t.start)
            .sum();
        let sent = |silence| conversation.voice(Side::Agent, silence).flatten().count() as u32;
        let slots = conversation.voice(Side::Agent, Silence::Dtx).count() as u32;
        assert_eq!(sent(Silence::Continuous), slots);
        let comfort = sent(Silence::Dtx) - spoken;
        assert!(
            comfort < (slots - spoken) / 10,
            "{comfort} of {} silent",
            slots - spoken
        );
    }

    #[test]
    fn transcripts_grow_word_by_word_and_end_with_what_was_said() {
        let conversation = conversation("delivery");
        let lines = conversation.transcript();
        assert!(lines.windows(2).all(|pair| pair[0].at <= pair[1].at));
        for (index, turn) in conversation.turns().iter().enumerate() {
            let versions: Vec<_> = lines.iter().filter(|l| l.turn == index).collect();
            let (last, interim) = versions.split_last().unwrap();
            assert!(last.last && last.text == turn.text && last.at > turn.end);
            assert!(
                interim
                    .iter()
                    .all(|l| !l.last && turn.text.starts_with(&l.text))
            );
            assert!(
                interim
                    .windows(2)
                    .all(|p| p[0].text.len() <= p[1].text.len())
            );
            if turn.end - turn.start > 100 {
                assert!(interim.len() >= 2, "{}", turn.text);
            }
        }
    }
}
