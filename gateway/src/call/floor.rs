//! Who is heard by whom in a call, without a clock, a socket or a task.
//!
//! A party is silenced towards the others: they are unsubscribed from its tracks, and the tracks of
//! programs are muted too. People are not muted: whether their microphone is on stays their own
//! doing. Programs are also told, so that they do not go on talking to nobody.
//!
//! **Invariant**: what was done is undone when it is no longer wanted, whoever came or went
//! meanwhile: `whatever_happens_nobody_is_left_silent_when_the_agent_has_the_call`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use sidetone_room::{Event, Kind, Participant};
use sidetone_wire::Party;

use super::parties::{self, Person};

/// Participants and tracks that are looked after: larger than any call.
const KNOWN: usize = 256;
/// A client that joins subscribes by itself when it is ready: what it may not hear is taken from
/// it once more after this.
const ONCE_MORE_AFTER: Duration = Duration::from_millis(1500);

/// Something to be asked of the server, or told to a participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// A participant hears tracks from now on, or no longer.
    Subscribe {
        listener: String,
        sids: Vec<String>,
        subscribe: bool,
    },
    /// A track is muted, or no longer.
    Mute {
        identity: String,
        sid: String,
        muted: bool,
    },
    /// A program is told that somebody else has the call, or that it has it again.
    Tell { identity: String, paused: bool },
}

/// Who is to be silent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// A supervisor has the call.
    pub(crate) held: bool,
    pub(crate) muted: Vec<Party>,
}

impl Wish {
    fn silences(&self, party: Party) -> bool {
        (self.held && party == Party::Agent) || self.muted.contains(&party)
    }
}

#[derive(Debug)]
struct Somebody {
    party: Party,
    /// An AI agent, which has no reason to mute itself.
    program: bool,
    /// What it was told.
    paused: bool,
}

#[derive(Debug)]
struct Track {
    identity: String,
    /// By us.
    muted: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Floor {
    wish: Wish,
    present: BTreeMap<String, Somebody>,
    tracks: BTreeMap<String, Track>,
    /// Who may not hear which track, and when that is said once more.
    deaf: BTreeMap<(String, String), Option<Instant>>,
    outputs: VecDeque<Output>,
    /// It was set before: whatever was done since is known.
    known: bool,
}

impl Floor {
    /// The next thing to ask for.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What is wished.
    pub(crate) fn wish(&self) -> &Wish {
        &self.wish
    }

    /// Silences whom the wish silences and makes everybody else heard. `restore`: somebody else
    /// may have silenced whom we do not know of.
    pub(crate) fn set(&mut self, wish: Wish, restore: bool, now: Instant) {
        self.wish = wish;
        if restore && !self.known {
            self.restore();
        }
        self.known = true;
        self.settle(now);
    }

    /// Whether there is an agent.
    pub(crate) fn is_served(&self) -> bool {
        let mut present = self.present.values();
        present.any(|one| one.party == Party::Agent)
    }

    /// AI agents, who take what is written to them.
    pub(crate) fn programs(&self) -> Vec<String> {
        let programs = self.present.iter().filter(|(_, one)| one.program);
        programs.map(|(identity, _)| identity.clone()).collect()
    }

    /// Has whoever was told that they have the call told once more.
    pub(crate) fn tell_again(&mut self) {
        for somebody in self.present.values_mut() {
            somebody.paused |= somebody.program && !self.wish.held;
        }
    }

    /// What happened in the room.
    pub(crate) fn handle_event(&mut self, event: &Event, now: Instant) {
        if let Event::ParticipantJoined(who) | Event::ParticipantChanged(who) = event {
            self.put(who);
        } else if let Event::ParticipantLeft(who) = event {
            self.leave(&who.identity);
        } else if let Event::TrackPublished { identity, track } = event {
            if !track.audio || self.tracks.len() >= KNOWN {
                return;
            }
            let identity = identity.clone();
            let muted = false;
            self.tracks
                .insert(track.sid.clone(), Track { identity, muted });
        } else if let Event::TrackUnpublished { track, .. } = event {
            self.forget_track(&track.sid);
        } else if let Event::Rejoined { .. } = event {
            // everybody is reported afresh; a server that lost the room has forgotten it all
            *self = Self {
                wish: std::mem::take(&mut self.wish),
                known: self.known,
                ..Self::default()
            };
        } else {
            return;
        }
        self.settle(now);
    }

    /// When [`Floor::handle_timeout`] has something to do is not worth a timer: it is called with
    /// every tick.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let due = self.deaf.iter_mut().filter_map(|(pair, again)| {
            let at = (*again)?;
            (at <= now).then(|| {
                *again = None;
                pair.clone()
            })
        });
        let due: Vec<_> = due.collect();
        for (listener, sid) in due {
            self.outputs.push_back(Output::Subscribe {
                listener,
                sids: vec![sid],
                subscribe: false,
            });
        }
    }

    fn put(&mut self, who: &Participant) {
        if parties::is_invisible(who) || self.present.len() >= KNOWN {
            return;
        }
        let person = Person::new(who);
        // a supervisor's voice is of that kind too
        let program = who.kind == Kind::Agent && person.party == Party::Agent;
        let known = self.present.get(&who.identity);
        let paused = known.is_some_and(|known| known.paused);
        let somebody = Somebody {
            party: person.party,
            program,
            paused,
        };
        self.present.insert(who.identity.clone(), somebody);
    }

    fn leave(&mut self, identity: &str) {
        self.present.remove(identity);
        self.deaf.retain(|(listener, _), _| listener != identity);
        let gone = self.tracks.iter();
        let gone = gone.filter(|(_, track)| track.identity == identity);
        let gone: Vec<String> = gone.map(|(sid, _)| sid.clone()).collect();
        for sid in gone {
            self.forget_track(&sid);
        }
    }

    fn forget_track(&mut self, sid: &str) {
        self.tracks.remove(sid);
        self.deaf.retain(|(_, track), _| track != sid);
    }

    /// Who may not hear which track now.
    fn wanted(&self) -> BTreeSet<(String, String)> {
        let mut wanted = BTreeSet::new();
        for (sid, track) in &self.tracks {
            let Some(speaker) = self.present.get(&track.identity) else {
                continue;
            };
            if !self.wish.silences(speaker.party) {
                continue;
            }
            for (identity, listener) in &self.present {
                let other = match listener.party {
                    Party::Customer | Party::Agent => listener.party != speaker.party,
                    Party::Supervisor => false,
                };
                if other {
                    wanted.insert((identity.clone(), sid.clone()));
                }
            }
        }
        wanted
    }

    /// Asks for what is not as it is wanted.
    fn settle(&mut self, now: Instant) {
        let wanted = self.wanted();
        let had: BTreeSet<_> = self.deaf.keys().cloned().collect();
        self.subscribe(wanted.difference(&had), false);
        self.subscribe(had.difference(&wanted), true);
        self.deaf.retain(|pair, _| wanted.contains(pair));
        for pair in wanted {
            self.deaf.entry(pair).or_insert(Some(now + ONCE_MORE_AFTER));
        }
        for (sid, track) in &mut self.tracks {
            let Some(speaker) = self.present.get(&track.identity) else {
                continue;
            };
            let muted = speaker.program && self.wish.silences(speaker.party);
            if muted != track.muted {
                track.muted = muted;
                self.outputs.push_back(Output::Mute {
                    identity: track.identity.clone(),
                    sid: sid.clone(),
                    muted,
                });
            }
        }
        for (identity, somebody) in &mut self.present {
            let paused = somebody.program && self.wish.held;
            if paused != somebody.paused {
                somebody.paused = paused;
                let identity = identity.clone();
                self.outputs.push_back(Output::Tell { identity, paused });
            }
        }
    }

    fn subscribe<'a>(
        &mut self,
        pairs: impl Iterator<Item = &'a (String, String)>,
        subscribe: bool,
    ) {
        let mut by_listener: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (listener, sid) in pairs {
            by_listener.entry(listener).or_default().push(sid.clone());
        }
        for (listener, sids) in by_listener {
            self.outputs.push_back(Output::Subscribe {
                listener: listener.to_owned(),
                sids,
                subscribe,
            });
        }
    }

    /// Takes what may have been done for done where it is not wanted, so that it is undone, and
    /// for not done where it is.
    fn restore(&mut self) {
        let wanted = self.wanted();
        self.deaf.clear();
        for (sid, track) in &mut self.tracks {
            let Some(speaker) = self.present.get(&track.identity) else {
                continue;
            };
            if speaker.party == Party::Supervisor {
                continue; // nobody silences a supervisor
            }
            track.muted = speaker.program && !self.wish.silences(speaker.party);
            for (identity, listener) in &self.present {
                let pair = (identity.clone(), sid.clone());
                let other = listener.party != speaker.party && listener.party != Party::Supervisor;
                if other && !wanted.contains(&pair) {
                    self.deaf.insert(pair, None);
                }
            }
        }
        for somebody in self.present.values_mut() {
            somebody.paused = somebody.program && !self.wish.held;
        }
    }
}

#[cfg(test)]
mod tests;
