//! Commands of the control plane, handed to whom they concern.

use std::sync::Arc;

use sidetone_fleet::{CommandRequest, Commands};
use sidetone_service::clock;
use sidetone_wire::{CallId, Command, CommandError, Reply, Socket};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::diallers::Way;
use crate::keeper::Keeper;
use crate::shard::{Placement, ToShard, Work};
use crate::{Shared, guest, upstream};

/// Hands commands on until the fleet sends no more.
pub(crate) async fn run(
    mut incoming: Commands,
    shared: Arc<Shared>,
    shards: Vec<mpsc::Sender<ToShard>>,
    placement: Placement,
    changed: mpsc::Sender<String>,
) {
    while let Some(request) = incoming.recv().await {
        match &request.command {
            Command::Listen { call, .. }
            | Command::Feed { call, .. }
            | Command::Unlisten { call, .. }
            | Command::Talk { call, .. }
            | Command::SetFloor { call, .. }
            | Command::Whisper { call, .. }
            | Command::EndCall { call }
            | Command::WatchLevels { call }
            | Command::PauseRecording { call, .. }
            | Command::ResumeRecording { call }
            | Command::StopRecording { call, .. }
            | Command::CallOver { call } => {
                let call = *call;
                to_call(&shared, call, request);
            }
            Command::UnlistenAll { user } => {
                let user = *user;
                for shard in &shards {
                    // a revocation is never lost: it waits for the shard, which always reads on
                    drop(shard.send(ToShard::UnlistenAll(user)).await);
                }
                request.answer(Ok(Reply::Done));
            }
            Command::RoomChanged { room } => {
                // with so many waiting, the next listing is due at once and finds this one too
                drop(changed.try_send(room.clone()));
                request.answer(Ok(Reply::Done));
            }
            Command::Hear(socket) => {
                let heard = hear(&shared, &placement, (**socket).clone()).await;
                request.answer(heard.map(|()| Reply::Done));
            }
            Command::EraseTakes { recordings } => {
                shared.recorder.erase(recordings);
                request.answer(Ok(Reply::Done));
            }
        }
    }
}

/// Begins to hear a call at its upstream, unless somebody does.
async fn hear(shared: &Shared, placement: &Placement, socket: Socket) -> Result<(), CommandError> {
    let call = socket.call;
    if shared.routes.find(call).is_some() {
        return Ok(());
    }
    let Some(way) = shared.diallers.of(socket.upstream) else {
        let detail = format!("{} has nothing to listen to", socket.upstream);
        return Err(CommandError::Unsupported { detail });
    };
    let key = format!("call:{call}");
    let lease = shared.fleet.acquire(&key, &shared.node, clock::now()).await;
    let Some(lease) = lease else {
        return Ok(()); // another gateway has it
    };
    let keeper = Keeper::new(lease, key);
    let work = match way {
        Way::Socket(dialler) => Work::Socket(upstream::Start {
            socket,
            dialler,
            keeper,
        }),
        Way::Room(diallers) => Work::Guest(Box::new(guest::Start {
            socket,
            diallers: *diallers,
            keeper,
        })),
    };
    let placed = placement.place(Box::new(work));
    placed.map_err(|_| CommandError::Overloaded)
}

fn to_call(shared: &Shared, call: CallId, request: CommandRequest) {
    let Some(queue) = shared.routes.find(call) else {
        return request.answer(Err(CommandError::NoHolder));
    };
    match queue.try_send(request) {
        Ok(()) => {}
        Err(TrySendError::Full(request)) => request.answer(Err(CommandError::Overloaded)),
        Err(TrySendError::Closed(request)) => request.answer(Err(CommandError::NoHolder)),
    }
}
