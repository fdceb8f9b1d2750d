//! Sound of a live call on its way to one listener outside of LiveKit.
//!
//! Whoever serves the listener opens a [`Feed`] and names it to the call's holder
//! ([`Command::Feed`](sidetone_wire::Command::Feed)), which picks it up as a [`Feeder`] and pushes
//! frames into it. In one process a feed is a queue; between two it would be a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sidetone_wire::FeedId;
use tokio::sync::{mpsc, watch};

/// Frames that wait for a listener: 2 s of 20 ms each. One who is further behind is cut off, and
/// neither the call nor another listener notices.
pub const FEED_QUEUE: usize = 100;

/// Why no more comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedEnd {
    /// The call is over, for this reason if the holder knows it. All that was said comes before.
    Over(Option<String>),
    /// The right to listen was taken back: nothing more of the call comes, not even what waits.
    Revoked,
    /// The listener takes less than is said.
    TooSlow,
    /// The call goes on, and another gateway has it.
    Elsewhere,
}

impl FeedEnd {
    /// Whether what waits is not to be heard any more.
    const fn cuts(&self) -> bool {
        match self {
            Self::Revoked | Self::TooSlow => true,
            Self::Over(_) | Self::Elsewhere => false,
        }
    }
}

/// Feeds that are open and not picked up.
#[derive(Default)]
pub(crate) struct Feeds(Mutex<HashMap<FeedId, Feeder>>);

impl Feeds {
    fn lock(&self) -> MutexGuard<'_, HashMap<FeedId, Feeder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(this: &Arc<Self>, id: FeedId) -> Feed {
        let (frames, waiting) = mpsc::channel(FEED_QUEUE);
        let (ended, end) = watch::channel(None);
        this.lock().insert(id, Feeder { frames, ended });
        Feed {
            id,
            waiting,
            end,
            feeds: this.clone(),
        }
    }

    pub(crate) fn pick_up(&self, id: FeedId) -> Option<Feeder> {
        self.lock().remove(&id)
    }
}

/// The listener's end. Dropping it ends the feed.
pub struct Feed {
    id: FeedId,
    waiting: mpsc::Receiver<Bytes>,
    end: watch::Receiver<Option<FeedEnd>>,
    feeds: Arc<Feeds>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        drop(self.feeds.pick_up(self.id)); // nobody did
    }
}

impl Feed {
    /// What the holder is told.
    pub fn id(&self) -> FeedId {
        self.id
    }

    /// The next frame; cancel-safe. After an end there is nothing more.
    ///
    /// # Errors
    /// With why no more comes.
    pub async fn next(&mut self) -> Result<Bytes, FeedEnd> {
        let Self { waiting, end, .. } = self;
        tokio::select! {
            biased; // what was taken back is not heard
            cut = cut(end) => Err(cut),
            frame = waiting.recv() => match frame {
                Some(frame) => Ok(frame),
                None => Err(self.end.borrow().clone().unwrap_or(FeedEnd::Elsewhere)),
            },
        }
    }

    /// Waits for an end after which nothing more is to be heard, also of what was taken and not
    /// passed on; cancel-safe.
    pub async fn cut(&mut self) -> FeedEnd {
        cut(&mut self.end).await
    }
}

async fn cut(end: &mut watch::Receiver<Option<FeedEnd>>) -> FeedEnd {
    let cuts = |end: &Option<FeedEnd>| end.as_ref().is_some_and(FeedEnd::cuts);
    let end = end.wait_for(cuts).await.ok().and_then(|end| end.clone());
    match end {
        Some(end) => end,
        None => std::future::pending().await,
    }
}

/// The call's end of a feed. Dropping it without [`Feeder::end`] says that the call is elsewhere.
pub struct Feeder {
    frames: mpsc::Sender<Bytes>,
    ended: watch::Sender<Option<FeedEnd>>,
}

impl Feeder {
    /// Sends a frame, never waiting; `false` when the feed is over. A listener who is too far
    /// behind is cut off by it.
    pub fn push(&self, frame: &Bytes) -> bool {
        if self.is_over() {
            return false;
        }
        match self.frames.try_send(frame.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.end(FeedEnd::TooSlow);
                false
            }
        }
    }

    /// Ends the feed; the first reason counts.
    pub fn end(&self, why: FeedEnd) {
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            if first {
                *ended = Some(why);
            }
            first
        });
    }

    /// Why it ended, if it did.
    pub fn ended(&self) -> Option<FeedEnd> {
        self.ended.borrow().clone()
    }

    /// Whether it ended, or the listener has gone.
    pub fn is_over(&self) -> bool {
        self.frames.is_closed() || self.ended.borrow().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn open() -> (Feed, Feeder) {
        let feeds = Arc::new(Feeds::default());
        let id = FeedId(Uuid::from_u128(1));
        let feed = Feeds::open(&feeds, id);
        let feeder = feeds.pick_up(id).expect("it is open");
        assert!(feeds.pick_up(id).is_none(), "once");
        (feed, feeder)
    }

    fn frame(n: u8) -> Bytes {
        Bytes::from(vec![n])
    }

    #[tokio::test]
    async fn what_was_said_before_the_end_is_heard_before_it() {
        let (mut feed, feeder) = open();
        assert!(feeder.push(&frame(1)) && feeder.push(&frame(2)));
        feeder.end(FeedEnd::Over(Some("customer_left".into())));
        feeder.end(FeedEnd::Revoked);
        assert!(!feeder.push(&frame(3)));
        drop(feeder);
        assert_eq!(feed.next().await, Ok(frame(1)));
        assert_eq!(feed.next().await, Ok(frame(2)));
        let over = FeedEnd::Over(Some("customer_left".into()));
        assert_eq!(feed.next().await, Err(over), "the first reason counts");
    }

    #[tokio::test]
    async fn what_waits_when_a_right_is_taken_back_is_not_heard() {
        let (mut feed, feeder) = open();
        assert!(feeder.push(&frame(1)));
        feeder.end(FeedEnd::Revoked);
        assert_eq!(feed.next().await, Err(FeedEnd::Revoked));
    }

    #[tokio::test]
    async fn who_takes_less_than_is_said_is_cut_off_and_waits_for_nobody() {
        let (mut feed, feeder) = open();
        let taken = (0..=u8::MAX).take_while(|n| feeder.push(&frame(*n)));
        assert_eq!(taken.count(), FEED_QUEUE);
        assert_eq!(feeder.ended(), Some(FeedEnd::TooSlow));
        assert_eq!(feed.next().await, Err(FeedEnd::TooSlow));
    }

    #[tokio::test]
    async fn a_feed_ends_with_either_of_its_ends() {
        let (mut feed, feeder) = open();
        drop(feeder);
        assert_eq!(feed.next().await, Err(FeedEnd::Elsewhere));
        let (feed, feeder) = open();
        assert!(!feeder.is_over());
        drop(feed);
        assert!(feeder.is_over() && !feeder.push(&frame(1)));
    }

    #[test]
    fn a_feed_that_nobody_picked_up_is_forgotten_with_its_listener() {
        let feeds = Arc::new(Feeds::default());
        let id = FeedId(Uuid::from_u128(1));
        drop(Feeds::open(&feeds, id));
        assert!(feeds.lock().is_empty());
    }
}
