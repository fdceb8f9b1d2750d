//! A connection to a room that is made again when it is lost for good.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use sidetone_room::{Event, JoinError, Options, Room};
use tracing::debug;

/// Before a room that cannot be joined, or was left against our will, is joined again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

type Joining = Pin<Box<dyn Future<Output = Result<Room, JoinError>>>>;

enum State {
    Joining(Joining),
    Waiting(Pin<Box<tokio::time::Sleep>>),
    Joined(Box<Room>),
}

/// What happens on a line.
pub(super) enum Happened {
    /// It is joined, for the first time or again: nothing is known of former rooms.
    Joined,
    /// Something happened in the room.
    Event(Event),
}

/// See the module.
pub(super) struct Line {
    options: Options,
    state: State,
}

impl Line {
    /// Begins to connect.
    pub(super) fn new(options: Options) -> Self {
        let state = State::Joining(Box::pin(Room::join(options.clone())));
        Self { options, state }
    }

    /// The room, while it is joined.
    pub(super) fn room(&mut self) -> Option<&mut Room> {
        match &mut self.state {
            State::Joined(room) => Some(room),
            State::Joining(_) | State::Waiting(_) => None,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        loop {
            match &mut self.state {
                State::Joined(room) => {
                    let Poll::Ready(event) = room.poll_next(cx) else {
                        return Poll::Pending;
                    };
                    if let Event::Closed(why) = &event {
                        debug!(%why, "a supervisor's connection is closed");
                        self.wait();
                    }
                    return Poll::Ready(Happened::Event(event));
                }
                State::Joining(joining) => match joining.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(room)) => {
                        self.state = State::Joined(Box::new(room));
                        return Poll::Ready(Happened::Joined);
                    }
                    Poll::Ready(Err(error)) => {
                        debug!(%error, "a supervisor's connection fails: trying again");
                        self.wait();
                    }
                },
                State::Waiting(sleep) => {
                    if sleep.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    let joining = Room::join(self.options.clone());
                    self.state = State::Joining(Box::pin(joining));
                }
            }
        }
    }

    fn wait(&mut self) {
        self.state = State::Waiting(Box::pin(tokio::time::sleep(AGAIN_AFTER)));
    }

    /// Leaves the room in the background.
    pub(super) fn leave(self) {
        if let State::Joined(room) = self.state {
            tokio::task::spawn_local(async move { Box::pin(room.leave()).await });
        }
    }
}
