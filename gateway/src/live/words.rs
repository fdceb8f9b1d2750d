//! What is said, on its way to the control plane.

use std::collections::HashMap;

use sidetone_fleet::EventLog;
use sidetone_media::MediaTime;
use sidetone_wire::{CallEvent, Timestamp, Utterance};

use crate::permit::{Permit, Verdict};
use crate::recognise::Recognised;
use crate::sink;

/// See the module.
pub(super) struct Words {
    pub(super) log: EventLog,
    pub(super) transcript: sink::Transcript,
    /// Who spoke last in a lane, where that is known: whoever leaves is still who spoke.
    pub(super) speakers: HashMap<usize, String>,
    /// Wall clock at the call's zero.
    pub(super) started_at: Timestamp,
}

impl Words {
    /// Takes a version that came at `at`: sends it if it is final, gives it if it is not.
    pub(super) fn handle(
        &mut self,
        version: &sink::Version<'_>,
        at: MediaTime,
        permit: &Permit,
    ) -> Option<Utterance> {
        if permit.verdict() == Verdict::Denied {
            return None;
        }
        let (from, to) = version.span.unwrap_or((at, at));
        let open = permit.is_open(from) && permit.is_open(to);
        let saying = self.transcript.handle(version, at, open)?;
        let (is_final, utterance) = (saying.is_final, self.utterance(saying));
        if is_final {
            self.log.send(CallEvent::Said(utterance));
            return None;
        }
        Some(utterance)
    }

    /// The same of what a recogniser understood.
    pub(super) fn recognised(
        &mut self,
        said: &Recognised,
        speaker: Option<&str>,
        leads: bool,
        at: MediaTime,
        permit: &Permit,
    ) -> Option<Utterance> {
        if let Some(speaker) = speaker {
            self.speakers.insert(said.lane, speaker.to_owned());
        }
        let known = self.speakers.entry(said.lane);
        let speaker = known.or_insert_with(|| format!("{}:{}", said.party, said.lane));
        let speaker = speaker.clone();
        let version = sink::Version {
            carrier: if leads {
                sink::Carrier::Leader
            } else {
                sink::Carrier::Recogniser
            },
            speaker: &speaker,
            party: said.party,
            id: &said.id,
            text: &said.text,
            is_final: said.is_final,
            span: Some((said.from, said.to)),
            confidence: said.confidence,
        };
        self.handle(&version, at, permit)
    }

    /// No more comes: what is open is final as it is.
    pub(super) fn end(&mut self, permit: &Permit) {
        if permit.verdict() != Verdict::Denied {
            for saying in self.transcript.end() {
                let utterance = self.utterance(saying);
                self.log.send(CallEvent::Said(utterance));
            }
        }
    }

    fn utterance(&self, saying: sink::Saying) -> Utterance {
        let started_unix_ms = self.started_at.unix_ms();
        let wall = |at: MediaTime| Timestamp::from_unix_ms(started_unix_ms + at.ms().cast_signed());
        Utterance {
            id: saying.id,
            party: saying.party,
            from: wall(saying.from),
            to: wall(saying.to),
            text: saying.text,
            confidence: saying.confidence,
        }
    }

    /// Everything of it; what is left is as new.
    pub(super) fn take(&mut self) -> Self {
        Self {
            log: self.log.clone(),
            transcript: std::mem::take(&mut self.transcript),
            speakers: std::mem::take(&mut self.speakers),
            started_at: self.started_at,
        }
    }
}
