//! What agents are told: who has the call, and what a supervisor writes to them.
//!
//! It comes by RPC, which says whether it arrived, and to an agent that does not answer in time
//! once more as a data packet. Either comes from the server and from no participant, so that an
//! agent can tell it from what a participant makes up.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use sidetone_fleet::CommandRequest;
use sidetone_room::service::{Error, RoomService};
use sidetone_wire::{CommandError, Reply, WrittenWhisper};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::errands::AGAIN_AFTER;

/// Messages waiting at a call: more than several supervisors write while one is on its way. A
/// further one is dropped, and whoever waits for it is told so.
pub(super) const WAITING: usize = 64;
/// How long an agent may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// The topic of data packets to agents.
const TOPIC: &str = "sidetone";

/// Something to be told to agents, to each of them at once, after what they were told before.
pub(crate) struct Message {
    to: Vec<String>,
    method: &'static str,
    data: String,
    /// Answered once one of them has it.
    request: Option<CommandRequest>,
}

impl Message {
    /// Who has the call, and what was said while the agent had it not.
    pub(crate) fn control(to: &str, paused: bool, by: Option<&str>, summary: Option<&str>) -> Self {
        let state = if paused { "paused" } else { "active" };
        let mut data = serde_json::json!({ "state": state, "by": by });
        if let Some(summary) = summary {
            data["summary"] = summary.into();
        }
        Self {
            to: vec![to.to_owned()],
            method: "sidetone.control",
            data: data.to_string(),
            request: None,
        }
    }

    /// What a supervisor writes.
    pub(crate) fn whisper(
        to: Vec<String>,
        whisper: &WrittenWhisper,
        request: CommandRequest,
    ) -> Self {
        let WrittenWhisper { id, text, trigger } = whisper;
        let data = serde_json::json!({ "id": id, "text": text, "trigger": trigger });
        Self {
            to,
            method: "sidetone.whisper",
            data: data.to_string(),
            request: Some(request),
        }
    }

    /// Tells whoever waits what became of it.
    pub(crate) fn answer(self, answer: Result<Reply, CommandError>) {
        if let Some(request) = self.request {
            request.answer(answer);
        }
    }
}

/// Tells agents what they are to be told until nothing comes any more.
pub(super) async fn run(
    service: Rc<RoomService>,
    room: String,
    mut queue: mpsc::Receiver<Message>,
) {
    while let Some(message) = queue.recv().await {
        let telling = message
            .to
            .iter()
            .map(|identity| tell(&service, &room, identity, &message));
        let told = join_all(telling).await;
        let mut failed = None;
        for (identity, told) in message.to.iter().zip(&told) {
            if let Err(error) = told {
                warn!(%error, identity, method = message.method, "an agent is not told");
                failed = Some(error.to_string());
            }
        }
        let any = told.iter().any(Result::is_ok);
        message.answer(match failed.filter(|_| !any) {
            None => Ok(Reply::Done),
            Some(detail) => Err(CommandError::Failed { detail }),
        });
    }
}

async fn tell(
    service: &RoomService,
    room: &str,
    identity: &str,
    message: &Message,
) -> Result<(), Error> {
    let (method, data) = (message.method, &message.data);
    let answer = service.perform_rpc(room, identity, method, data, ANSWERS_WITHIN);
    match answer.await {
        Ok(_) => return Ok(()),
        Err(error) => debug!(%error, method, "an agent does not answer: it is sent a packet"),
    }
    let mut waits = AGAIN_AFTER.into_iter();
    loop {
        let packet = data.clone().into_bytes();
        let error = match service.send_data(room, identity, TOPIC, packet).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let again = matches!(error, Error::Unreachable { .. });
        let Some(wait) = waits.next().filter(|_| again) else {
            return Err(error);
        };
        tokio::time::sleep(wait).await;
    }
}
