//! Commands to the node that holds a call, with an answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sidetone_wire::{CallId, Command, CommandError, NodeId, Reply};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::take::Guard;

/// How long an answer is waited for: beyond it a person has pressed the button again.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// Commands waiting at one node: ten supervisors asking for 60 calls each at once. More are
/// refused as overloaded.
const COMMAND_QUEUE: usize = 1024;

/// A command on its way to whoever carries it out.
pub struct CommandRequest {
    /// What to do.
    pub command: Command,
    reply: Option<oneshot::Sender<Result<Reply, CommandError>>>,
}

impl CommandRequest {
    /// Answers the command. A command that is dropped is answered as failed.
    pub fn answer(mut self, answer: Result<Reply, CommandError>) {
        if let Some(reply) = self.reply.take() {
            drop(reply.send(answer)); // the asker has gone: nobody to tell
        }
    }
}

/// A node's incoming commands. Dropping it makes the node unreachable.
pub struct Commands {
    nodes: Arc<Nodes>,
    node: NodeId,
    queue: mpsc::Receiver<CommandRequest>,
}

impl Commands {
    /// The next command; cancel-safe.
    pub async fn recv(&mut self) -> Option<CommandRequest> {
        self.queue.recv().await
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        self.nodes.lock().nodes.remove(&self.node);
    }
}

#[derive(Default)]
pub(crate) struct Nodes {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    nodes: HashMap<NodeId, mpsc::Sender<CommandRequest>>,
    routes: HashMap<CallId, NodeId>,
}

impl Nodes {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn serve(this: &Arc<Self>, node: &NodeId) -> Commands {
        let (sender, queue) = mpsc::channel(COMMAND_QUEUE);
        this.lock().nodes.insert(node.clone(), sender);
        Commands {
            nodes: this.clone(),
            node: node.clone(),
            queue,
        }
    }

    pub(crate) fn route(this: &Arc<Self>, call: CallId, node: &NodeId) -> Guard {
        this.lock().routes.insert(call, node.clone());
        let (nodes, node) = (this.clone(), node.clone());
        Guard::new(move || {
            let mut state = nodes.lock();
            if state.routes.get(&call) == Some(&node) {
                state.routes.remove(&call);
            }
        })
    }

    pub(crate) async fn command(
        &self,
        call: CallId,
        command: Command,
    ) -> Result<Reply, CommandError> {
        let node = {
            let state = self.lock();
            state
                .routes
                .get(&call)
                .and_then(|node| state.nodes.get(node))
                .cloned()
        };
        let node = node.ok_or(CommandError::NoHolder)?;
        let (reply, answer) = oneshot::channel();
        node.try_send(CommandRequest {
            command,
            reply: Some(reply),
        })
        .map_err(|_| CommandError::Overloaded)?;
        match tokio::time::timeout(COMMAND_TIMEOUT, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(CommandError::NoHolder),
            Err(_) => Err(CommandError::TimedOut),
        }
    }

    pub(crate) fn command_all(&self, command: &Command) {
        for (node, sender) in &self.lock().nodes {
            let request = CommandRequest {
                command: command.clone(),
                reply: None,
            };
            if sender.try_send(request).is_err() {
                warn!(%node, ?command, "a node takes no commands: this one is lost to it");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Fleet;
    use sidetone_wire::{CallId, Command, CommandError, NodeId, Reply, Timestamp};

    #[tokio::test]
    async fn a_command_reaches_the_node_that_holds_the_call() {
        let fleet = Fleet::in_process();
        let call = CallId::of_upstream("livekit", "RM_1", Timestamp::from_unix_ms(1));
        let watch = Command::WatchLevels { call };
        assert_eq!(
            fleet.command(call, watch.clone()).await,
            Err(CommandError::NoHolder)
        );

        let node = NodeId("g1".into());
        let mut commands = fleet.serve(&node);
        let route = fleet.route(call, &node);
        let served = tokio::spawn(async move {
            let request = commands.recv().await.expect("a command");
            assert_eq!(request.command, Command::WatchLevels { call });
            request.answer(Ok(Reply::Done));
            commands
        });
        assert_eq!(fleet.command(call, watch.clone()).await, Ok(Reply::Done));

        let mut commands = served.await.expect("no panic");
        tokio::spawn(async move { drop(commands.recv().await) });
        let dropped = fleet.command(call, watch.clone()).await;
        assert_eq!(
            dropped,
            Err(CommandError::NoHolder),
            "a dropped command is not left waiting"
        );

        drop(route);
        assert_eq!(
            fleet.command(call, watch).await,
            Err(CommandError::NoHolder)
        );
    }
}
