//! Who acts: passwords, tries, session tokens, cookies.

mod attempts;
mod caller;
pub(crate) mod cookies;
mod origin;
mod passwords;
pub(crate) mod secret;
mod stream;
mod ticket;
mod token;

pub(crate) use attempts::Attempts;
pub(crate) use caller::{Admin, Agent, Caller, Proof, Reviewer, Supervisor};
pub(crate) use origin::Origins;
pub(crate) use passwords::{PasswordError, Passwords, check_strength};
pub(crate) use stream::StreamTokens;
pub(crate) use ticket::{TICKET_TTL, Ticket, Tickets};
pub(crate) use token::Tokens;
