//! Who has a call, without a clock, a database or a gateway.
//!
//! **Invariants**, each in the property test below:
//! 1. There is one holder, and whoever acts second while another supervisor, or whom the call was
//!    transferred to, has the call is refused and changes nothing.
//! 2. The version grows by one with every change and with nothing else.
//! 3. Once a supervisor had the call, it is owed to the agent to be made heard, until whoever
//!    carries the call says of the newest version that this is done, or the call is over.

use sidetone_wire::UserId;
use uuid::Uuid;

#[cfg(test)]
mod tests;

/// What the word for whom a call was transferred to begins with.
const TARGET: &str = "target:";

/// A supervisor's session: two browsers of one person have two microphones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Supervisor {
    pub(crate) user: UserId,
    pub(crate) session: Uuid,
}

/// Who has a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Holder {
    /// Whoever serves the customer anyway.
    #[default]
    Agent,
    Supervisor(Supervisor),
    /// Whom it was transferred to, by the transfer's id.
    Target(Uuid),
}

/// A call's control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct State {
    pub(crate) holder: Holder,
    pub(crate) version: u64,
    /// The agent may be silent because of us.
    pub(crate) silenced: bool,
}

/// What somebody does, or what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// A supervisor takes the call.
    TakeOver(Supervisor),
    /// Somebody gives it back: the holder in whatever browser, or, if `any`, on behalf of whoever
    /// it is.
    HandBack { by: UserId, any: bool },
    /// A supervisor gives the call, which is theirs or the agent's, to whom they transferred it.
    PassOn { by: UserId, to: Uuid },
    /// The holder can no longer be heard, or their session is over.
    Lost(Holder),
    /// Whoever carries the call says that everybody is heard as this version wants it.
    Heard { version: u64 },
    /// The call is over.
    End,
}

/// What an act came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Somebody else has the call now, or the holder speaks from another browser.
    Changed,
    /// It is as was asked for already.
    Same,
    /// Another supervisor has it.
    Refused,
}

impl State {
    /// Does an act.
    pub(crate) fn handle(&mut self, act: Act) -> Step {
        match (act, self.holder) {
            (Act::TakeOver(by), Holder::Supervisor(holder)) if by.user != holder.user => {
                Step::Refused
            }
            (Act::TakeOver(_), Holder::Target(_)) => Step::Refused,
            (Act::TakeOver(by), _) => {
                self.silenced = true;
                self.give(Holder::Supervisor(by))
            }
            (Act::PassOn { by, .. }, Holder::Supervisor(holder)) if by != holder.user => {
                Step::Refused
            }
            (Act::PassOn { to, .. }, Holder::Target(target)) if to != target => Step::Refused,
            (Act::PassOn { to, .. }, _) => {
                self.silenced = true;
                self.give(Holder::Target(to))
            }
            (Act::HandBack { by, any }, Holder::Supervisor(holder))
                if !any && by != holder.user =>
            {
                Step::Refused
            }
            (Act::HandBack { .. }, _) => self.give(Holder::Agent),
            (Act::Lost(lost), holder) if lost == holder => self.give(Holder::Agent),
            (Act::Heard { version }, Holder::Agent) if version == self.version => {
                self.silenced = false;
                Step::Same
            }
            (Act::Lost(_) | Act::Heard { .. }, _) => Step::Same,
            (Act::End, _) => {
                self.silenced = false;
                self.give(Holder::Agent)
            }
        }
    }

    fn give(&mut self, holder: Holder) -> Step {
        if self.holder == holder {
            return Step::Same;
        }
        self.holder = holder;
        self.version += 1;
        Step::Changed
    }
}

impl Holder {
    /// As the API and the database have it: `agent`, `supervisor:<user id>` or
    /// `target:<transfer id>`.
    pub(crate) fn word(self) -> String {
        match self {
            Self::Agent => "agent".to_owned(),
            Self::Supervisor(Supervisor { user, .. }) => format!("supervisor:{user}"),
            Self::Target(transfer) => format!("{TARGET}{transfer}"),
        }
    }

    /// The holder of that word and session; a word of a supervisor without a session that could
    /// speak is the agent.
    pub(crate) fn read(word: &str, session: Option<Uuid>) -> Self {
        let target = word.strip_prefix(TARGET);
        if let Some(transfer) = target.and_then(|id| id.parse().ok()) {
            return Self::Target(transfer);
        }
        let user = word
            .strip_prefix("supervisor:")
            .and_then(|user| user.parse().ok());
        match (user, session) {
            (Some(user), Some(session)) => Self::Supervisor(Supervisor { user, session }),
            _ => Self::Agent,
        }
    }

    /// The session that has it.
    pub(crate) fn session(self) -> Option<Uuid> {
        match self {
            Self::Agent | Self::Target(_) => None,
            Self::Supervisor(supervisor) => Some(supervisor.session),
        }
    }
}
