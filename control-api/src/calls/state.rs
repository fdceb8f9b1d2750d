//! What all reports of a call say together.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sidetone_wire::{BranchId, Call, CallStatus, Direction, Timestamp};

use super::reason::{self, Cause, End};
use super::transcript::{Rows, Script};
use super::update::CallUpdate;

/// The time of what is so unless somebody says otherwise.
const NO_TIME: Timestamp = Timestamp::from_unix_ms(0);
/// Tags that a call may have.
const TAGS_MAX: usize = 64;

/// What all reports of a call say together. Every field is joined in a way that does not ask for
/// the order: the latest by the vendor's clock, the earliest, or all of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    direction: Option<Latest<Direction>>,
    customer: Option<Latest<String>>,
    line: Option<Latest<String>>,
    customer_name: Option<Latest<String>>,
    agent_id: Option<Latest<String>>,
    agent_name: Option<Latest<String>>,
    phase: Option<Latest<CallStatus>>,
    outcome: Option<Latest<String>>,
    /// The earliest of what vendors call the start, the making, and any report.
    started_at: Option<Timestamp>,
    created_at: Option<Timestamp>,
    first_at: Option<Timestamp>,
    answered_at: Option<Timestamp>,
    /// The earliest end that a vendor told, and the earliest report of one.
    ended_at: Option<Timestamp>,
    end_told_at: Option<Timestamp>,
    /// The word that says most, as causes are ordered.
    ended: Option<(Cause, String)>,
    /// A supervisor has the call from the upstream's agent, or is about to.
    handed_over: bool,
    /// How the agent's part ended then.
    part_ended: Option<End>,
    script: Script,
    /// Nothing that was said or made of it is kept any more: it was erased.
    silenced: bool,
    tags: BTreeSet<String>,
    metadata: BTreeMap<String, Latest<Entry>>,
}

/// What was so last; of two that were so at once, the greater.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Latest<T> {
    at: Timestamp,
    is: T,
}

/// A JSON value with some order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Entry(Value);

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.0.to_string().partial_cmp(&other.0.to_string())
    }
}

fn join<T: PartialOrd>(known: &mut Option<Latest<T>>, at: Timestamp, new: Option<T>) {
    let Some(is) = new else { return };
    let newer = known
        .as_ref()
        .is_none_or(|known| at > known.at || (at == known.at && is > known.is));
    if newer {
        *known = Some(Latest { at, is });
    }
}

fn earliest(known: &mut Option<Timestamp>, new: Option<Timestamp>) {
    *known = match (*known, new) {
        (Some(known), Some(new)) => Some(known.min(new)),
        (known, new) => known.or(new),
    };
}

fn value<T: Clone>(latest: Option<&Latest<T>>) -> Option<T> {
    latest.map(|latest| latest.is.clone())
}

impl State {
    /// Adds what a report says; its transcript's changes go to `rows`.
    pub(crate) fn absorb(&mut self, update: &CallUpdate, rows: &mut Rows) {
        let at = update.at;
        join(&mut self.direction, at, update.direction);
        join(&mut self.customer, at, update.customer.clone());
        join(&mut self.line, at, update.line.clone());
        join(&mut self.customer_name, at, update.customer_name.clone());
        join(&mut self.agent_id, at, update.agent_id.clone());
        join(&mut self.agent_name, at, update.agent_name.clone());
        join(&mut self.phase, at, update.phase);
        join(&mut self.outcome, at, update.outcome.clone());
        earliest(&mut self.started_at, update.started_at);
        earliest(&mut self.created_at, update.created_at);
        earliest(&mut self.first_at, Some(at).filter(|at| *at != NO_TIME));
        earliest(&mut self.answered_at, update.answered_at);
        let part = |end: &End| self.handed_over && reason::is_of_a_part(&end.code);
        if let Some(end) = update.end.as_ref().filter(|end| part(end)) {
            self.part_ended = Some(end.clone());
        } else if let Some(end) = &update.end {
            earliest(&mut self.ended_at, end.at);
            earliest(&mut self.end_told_at, Some(at));
            let new = (end.cause, end.code.clone());
            // a word that is none (`ended`) gives way to every other
            let says = |(cause, code): &(Cause, String)| (code != "ended", *cause, code.clone());
            if self
                .ended
                .as_ref()
                .is_none_or(|known| says(&new) > says(known))
            {
                self.ended = Some(new);
            }
        }
        self.tags.extend(update.tags.iter().cloned());
        if self.silenced {
            return;
        }
        self.script.hear(at, &update.said, rows);
        for (key, new) in &update.metadata {
            let mut known = self.metadata.remove(key);
            join(&mut known, at, Some(Entry(new.clone())));
            if let Some(known) = known {
                self.metadata.insert(key.clone(), known);
            }
        }
    }

    /// A supervisor is about to take it from the upstream's agent for good.
    pub(crate) fn hand_over(&mut self) {
        self.handed_over = true;
    }

    /// The agent keeps it; gives the end that was taken for that of the agent's part.
    pub(crate) fn keep(&mut self) -> Option<End> {
        self.handed_over = false;
        self.part_ended.take()
    }

    /// Whether a supervisor has it from the upstream's agent, or is about to.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.handed_over
    }

    /// Forgets what was said and what was made of it, also what comes of that later.
    pub(crate) fn silence(&mut self) {
        self.silenced = true;
        self.metadata.clear();
    }

    pub(crate) fn direction(&self) -> Direction {
        value(self.direction.as_ref()).unwrap_or(Direction::Inbound)
    }

    /// The tenant's number.
    pub(crate) fn line(&self) -> Option<&str> {
        self.line.as_ref().map(|line| line.is.as_str())
    }

    /// When it began, as far as is known.
    pub(crate) fn started_at(&self) -> Timestamp {
        self.started_at
            .or(self.created_at)
            .or(self.first_at)
            .unwrap_or_default()
    }

    /// What else was reported, as one JSON object.
    pub(crate) fn metadata(&self) -> Value {
        let entries = self.metadata.iter();
        entries
            .map(|(key, latest)| (key.clone(), latest.is.0.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    fn status(&self) -> CallStatus {
        if self.ended.is_some() {
            return CallStatus::Ended;
        }
        let told = value(self.phase.as_ref());
        let heard = self.script.spoke() || self.answered_at.is_some();
        match told {
            Some(CallStatus::Connecting | CallStatus::Ringing) | None if heard => {
                CallStatus::Connected
            }
            Some(told) => told,
            None => CallStatus::Connecting,
        }
    }

    /// Whether somebody can be heard by now. A call of which nobody says where it stands was
    /// registered to be heard.
    pub(crate) fn is_hearable(&self) -> bool {
        match self.status() {
            CallStatus::Connecting => self.phase.is_none(),
            CallStatus::Connected | CallStatus::OnHold | CallStatus::Transferring => true,
            CallStatus::Ringing | CallStatus::Ended => false,
        }
    }

    /// Makes the call of it that people see. What others decide (control, consent, recording,
    /// what may be done) stays as `call` has it. Tags that `former` did not have are added, so that
    /// one that somebody took away does not come back.
    pub(crate) fn project(&self, former: &Self, branch: Option<BranchId>, call: &mut Call) {
        let direction = self.direction();
        let customer = value(self.customer.as_ref());
        let line = value(self.line.as_ref());
        let nobody = || {
            if direction == Direction::Web {
                "web"
            } else {
                "unknown"
            }
            .to_owned()
        };
        let (from, to) = match direction {
            Direction::Inbound => (customer, line),
            Direction::Outbound => (line, customer),
            Direction::Web => (customer, value(self.agent_name.as_ref()).or(line)),
        };
        call.direction = direction;
        call.from = from.unwrap_or_else(nobody);
        call.to = to.unwrap_or_else(nobody);
        call.customer_name = value(self.customer_name.as_ref());
        call.agent_id = value(self.agent_id.as_ref());
        call.agent_name = value(self.agent_name.as_ref());
        if let Some(branch) = branch {
            call.branch_id = Some(branch.to_string());
        }
        call.started_at = self.started_at();
        let answered = self.answered_at.or_else(|| {
            let spoke = self.script.spoke();
            self.started_at.or(self.first_at).filter(|_| spoke)
        });
        call.answered_at = answered.map(|at| at.max(call.started_at));
        // whoever carries a call that was handed over says when it ends, and nobody else
        let over = self.handed_over && self.ended.is_none() && call.ended_at.is_some();
        if !over {
            call.status = self.status();
            let end = self.ended.as_ref();
            call.end_reason = end.map(|(cause, code)| cause.reason(code, direction));
            call.ended_at = end.and_then(|_| self.ended_at.or(self.end_told_at));
            call.ended_at = call.ended_at.map(|at| at.max(call.started_at));
        }
        if let Some(ended_at) = call.ended_at {
            call.duration_seconds = ended_at.ms_since(call.started_at) / 1000;
            call.answered_at = call.answered_at.map(|at| at.min(ended_at));
        }
        if let Some(outcome) = value(self.outcome.as_ref()) {
            call.outcome = Some(outcome);
        }
        for tag in self.tags.difference(&former.tags) {
            if call.tags.len() < TAGS_MAX && !call.tags.contains(tag) {
                call.tags.push(tag.clone());
                call.tags.sort();
            }
        }
    }
}

#[cfg(test)]
mod tests;
