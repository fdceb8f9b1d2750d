//! Lets listeners outside of LiveKit hear a call: stereo, the customer left, the agent right.
//!
//! However many listen, the call is mixed once, and each encoding made once; nothing is decoded
//! while nobody does. A listener who is too slow loses the feed, and nobody else notices.

mod mixer;

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sidetone_codec::{Decimator, ENCODER_RATES_HZ, StereoEncoder, pcm};
use sidetone_fleet::{FeedEnd, Feeder};
use sidetone_media::{MediaTime, Packet};
use sidetone_wire::{CommandError, FeedSound, MonitorRoom, Party, UserId};
use tracing::warn;

use crate::metrics::{self, Present};
use crate::pace;
use mixer::Mixer;

/// Feeds of one call: everybody of a large floor listening to the same. More are refused.
const FEEDS: usize = 1024;

/// Every feed of a shard, so that a user's can be ended whatever calls they are of.
#[derive(Default)]
pub(crate) struct Feeds(RefCell<Vec<Weak<Ear>>>);

/// One listener.
struct Ear {
    monitor: MonitorRoom,
    feeder: Feeder,
    _present: Present,
}

/// Those who want the call in one encoding.
struct Group {
    sound: FeedSound,
    maker: Maker,
    ears: Vec<Rc<Ear>>,
}

/// Makes an encoding of mixed frames.
enum Maker {
    Opus(Box<StereoEncoder>),
    /// Left and right at a lower rate.
    Linear16([Box<Decimator>; 2]),
}

/// What there is while somebody listens.
struct Playing {
    mixer: Mixer,
    /// The same moment on the call's clock and on the machine's.
    origin: (MediaTime, Instant),
    _listener: pace::Listener,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Proxy {
    playing: Option<Playing>,
    groups: Vec<Group>,
    /// Who went by themselves or were too slow, and were not told of.
    gone: Vec<UserId>,
}

impl Feeds {
    /// Ends everything that a user hears.
    pub(crate) fn revoke(&self, user: UserId) {
        for ear in self.0.borrow().iter().filter_map(Weak::upgrade) {
            if ear.monitor.user == user {
                ear.feeder.end(FeedEnd::Revoked);
            }
        }
    }

    fn add(&self, ear: &Rc<Ear>) {
        let mut feeds = self.0.borrow_mut();
        feeds.retain(|ear| ear.strong_count() > 0);
        feeds.push(Rc::downgrade(ear));
    }
}

impl Proxy {
    /// Begins to feed a listener; it is `now`, which is `at` on the call's clock.
    pub(crate) fn add(
        &mut self,
        monitor: MonitorRoom,
        feeder: Feeder,
        sound: FeedSound,
        feeds: &Feeds,
        at: MediaTime,
        now: Instant,
    ) -> Result<(), CommandError> {
        self.tidy();
        if self
            .groups
            .iter()
            .map(|group| group.ears.len())
            .sum::<usize>()
            >= FEEDS
        {
            return Err(CommandError::Overloaded);
        }
        let known = self.groups.iter().position(|group| group.sound == sound);
        let group = known.unwrap_or(self.groups.len());
        if known.is_none() {
            self.groups.push(Group::new(sound)?);
        }
        let ear = Rc::new(Ear {
            monitor,
            feeder,
            _present: Present::feed(),
        });
        feeds.add(&ear);
        self.groups[group].ears.push(ear);
        self.playing.get_or_insert_with(|| Playing {
            mixer: Mixer::new(at),
            origin: (at, now),
            _listener: pace::Listener::new(),
        });
        Ok(())
    }

    /// Ends the feeds of a session.
    pub(crate) fn remove(&mut self, monitor: &MonitorRoom) {
        for ear in self.ears().filter(|ear| ear.monitor == *monitor) {
            ear.feeder.end(FeedEnd::Revoked);
        }
        self.tidy();
    }

    /// Whether somebody listens for whom a user is.
    pub(crate) fn feeds(&self, user: UserId) -> bool {
        self.ears()
            .any(|ear| ear.monitor.user == user && !ear.feeder.is_over())
    }

    /// Whether anybody listens.
    pub(crate) fn is_heard(&self) -> bool {
        self.playing.is_some()
    }

    /// Somebody said something: a packet and its sound.
    pub(crate) fn write(&mut self, lane: usize, party: Party, packet: &Packet, sound: &[i16]) {
        if let Some(playing) = &mut self.playing {
            let now = playing.at(packet.arrived);
            playing.mixer.write(lane, party, packet.at, sound, now);
        }
    }

    /// When [`Proxy::handle_due`] has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        let playing = self.playing.as_ref()?;
        let (at, begun) = playing.origin;
        let samples = playing.mixer.due().since(at);
        Some(begun + Duration::from_nanos((samples * 1_000_000).div_ceil(48)))
    }

    /// Sends the frames that are due.
    pub(crate) fn handle_due(&mut self, now: Instant) {
        let Some(playing) = &mut self.playing else {
            return;
        };
        let now = playing.at(now);
        while let Some(frame) = playing.mixer.pop(now) {
            for group in &mut self.groups {
                group.send(&frame);
            }
        }
        self.tidy();
    }

    /// Those who went by themselves or were too slow, since this was last asked.
    pub(crate) fn handle_tick(&mut self) -> Vec<UserId> {
        self.tidy();
        std::mem::take(&mut self.gone)
    }

    /// Ends every feed; if the call is over, with all that was said in it.
    pub(crate) fn end(&mut self, why: &FeedEnd) {
        if let (FeedEnd::Over(_), Some(playing)) = (why, &mut self.playing) {
            while let Some(frame) = playing.mixer.rest() {
                for group in &mut self.groups {
                    group.send(&frame);
                }
            }
        }
        for ear in self.ears() {
            ear.feeder.end(why.clone());
        }
        self.tidy();
    }

    fn ears(&self) -> impl Iterator<Item = &Rc<Ear>> {
        self.groups.iter().flat_map(|group| &group.ears)
    }

    /// Lets go of listeners who are gone, and of all that nobody needs any more.
    fn tidy(&mut self) {
        let Self { groups, gone, .. } = self;
        for group in &mut *groups {
            group.ears.retain(|ear| {
                let over = ear.feeder.is_over();
                match ear.feeder.ended() {
                    Some(FeedEnd::TooSlow) => {
                        metrics::feed_cut();
                        gone.push(ear.monitor.user);
                    }
                    None if over => gone.push(ear.monitor.user),
                    None | Some(FeedEnd::Over(_) | FeedEnd::Revoked | FeedEnd::Elsewhere) => {}
                }
                !over
            });
        }
        groups.retain(|group| !group.ears.is_empty());
        if groups.is_empty() {
            self.playing = None;
        }
    }
}

impl Playing {
    /// A moment on the call's clock.
    fn at(&self, moment: Instant) -> MediaTime {
        let (at, begun) = self.origin;
        at + MediaTime::from_duration(moment.saturating_duration_since(begun)).samples()
    }
}

impl Group {
    fn new(sound: FeedSound) -> Result<Self, CommandError> {
        let failed = |detail: String| CommandError::Failed { detail };
        let maker = match sound {
            FeedSound::Opus => {
                let encoder = StereoEncoder::new();
                Maker::Opus(Box::new(
                    encoder.map_err(|error| failed(error.to_string()))?,
                ))
            }
            FeedSound::Linear16 { rate_hz } => {
                let known = ENCODER_RATES_HZ.contains(&rate_hz);
                let side = || Decimator::new(rate_hz).filter(|_| known);
                let (Some(left), Some(right)) = (side(), side()) else {
                    return Err(failed(format!("nothing is heard at {rate_hz} Hz")));
                };
                Maker::Linear16([Box::new(left), Box::new(right)])
            }
        };
        Ok(Self {
            sound,
            maker,
            ears: Vec::new(),
        })
    }

    fn send(&mut self, frame: &[i16]) {
        if self.ears.is_empty() {
            return;
        }
        let made = match &mut self.maker {
            Maker::Opus(encoder) => match encoder.encode(frame) {
                Ok(packet) => Bytes::from(packet),
                Err(error) => return warn!(%error, "a frame for listeners cannot be encoded"),
            },
            Maker::Linear16(sides) => {
                let pairs = frame.as_chunks::<2>().0;
                let [left, right] = sides;
                let left = left.push(pairs.iter().map(|pair| pair[0]));
                let right = right.push(pairs.iter().map(|pair| pair[1]));
                let sound: Vec<i16> = left
                    .into_iter()
                    .zip(right)
                    .flat_map(<[i16; 2]>::from)
                    .collect();
                Bytes::from(pcm::to_bytes(&sound))
            }
        };
        for ear in &self.ears {
            ear.feeder.push(&made);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_fleet::{FEED_QUEUE, Feed, Fleet};
    use sidetone_service::clock;
    use sidetone_wire::FeedId;
    use std::collections::HashSet;
    use uuid::Uuid;

    const PCM: FeedSound = FeedSound::Linear16 { rate_hz: 8_000 };

    struct Floor {
        fleet: Fleet,
        proxy: Proxy,
        feeds: Feeds,
        now: Instant,
    }

    impl Floor {
        fn new() -> Self {
            Self {
                fleet: Fleet::in_process(),
                proxy: Proxy::default(),
                feeds: Feeds::default(),
                now: clock::now(),
            }
        }

        fn listens(&mut self, who: u128, sound: FeedSound) -> Feed {
            let feed = self.fleet.open_feed(FeedId(clock::new_id()));
            let feeder = self.fleet.pick_up(feed.id()).unwrap();
            let added = self.proxy.add(
                session(who),
                feeder,
                sound,
                &self.feeds,
                MediaTime::from_samples(48_000),
                self.now,
            );
            added.unwrap();
            feed
        }

        fn passes(&mut self, ms: u64) {
            self.now += Duration::from_millis(ms);
            self.proxy.handle_due(self.now);
        }
    }

    fn session(who: u128) -> MonitorRoom {
        MonitorRoom {
            room: format!("room-{who}"),
            listener: format!("supervisor-{who}"),
            user: UserId(Uuid::from_u128(who)),
        }
    }

    #[tokio::test]
    async fn however_many_listen_each_encoding_is_made_once_and_none_when_nobody_does() {
        let mut floor = Floor::new();
        assert_eq!(floor.proxy.due(), None);
        let mut feeds = vec![floor.listens(1, PCM), floor.listens(2, PCM)];
        feeds.push(floor.listens(3, FeedSound::Opus));
        assert_eq!(floor.proxy.groups.len(), 2);
        assert_eq!(
            floor.proxy.due(),
            Some(floor.now + Duration::from_millis(80))
        );
        floor.passes(100);
        let mut frames = Vec::new();
        for feed in &mut feeds {
            frames.push(feed.next().await.unwrap());
            feed.next().await.unwrap();
        }
        assert_eq!(frames[0].len(), 160 * 4);
        assert_eq!(frames[0].as_ptr(), frames[1].as_ptr(), "shared, not copied");
        assert_ne!(frames[0].len(), frames[2].len());
        feeds.truncate(1);
        floor.passes(20);
        assert_eq!(floor.proxy.groups.len(), 1, "nobody wants Opus any more");
        feeds.clear();
        floor.passes(20);
        assert!(floor.proxy.playing.is_none() && floor.proxy.due().is_none());
        let gone: HashSet<_> = floor.proxy.handle_tick().into_iter().collect();
        assert_eq!(gone.len(), 3);
        assert!(floor.proxy.handle_tick().is_empty(), "told once");
    }

    #[tokio::test]
    async fn who_is_too_slow_is_cut_off_and_the_others_miss_nothing() {
        let mut floor = Floor::new();
        let (mut slow, mut other) = (floor.listens(1, PCM), floor.listens(2, PCM));
        for n in 1..FEED_QUEUE * 2 {
            floor.passes(20);
            // the first frame leaves 60 ms after it was spoken
            if n >= 4 {
                other.next().await.unwrap();
            }
        }
        assert_eq!(slow.next().await, Err(FeedEnd::TooSlow));
        assert_eq!(floor.proxy.handle_tick(), [session(1).user]);
        assert!(floor.proxy.feeds(session(2).user));
    }

    #[tokio::test]
    async fn what_is_taken_back_ends_at_once_for_that_session_or_user_alone() {
        let mut floor = Floor::new();
        let (mut one, mut two) = (floor.listens(1, PCM), floor.listens(2, PCM));
        let mut three = floor.listens(3, FeedSound::Opus);
        floor.passes(500);
        floor.proxy.remove(&session(1));
        floor.feeds.revoke(session(3).user);
        assert_eq!(one.next().await, Err(FeedEnd::Revoked));
        assert_eq!(three.next().await, Err(FeedEnd::Revoked));
        assert!(two.next().await.is_ok());
        assert!(floor.proxy.handle_tick().is_empty(), "they did not leave");
        floor
            .proxy
            .end(&FeedEnd::Over(Some("customer_left".into())));
        while two.next().await.is_ok() {}
        let over = FeedEnd::Over(Some("customer_left".into()));
        assert_eq!(two.next().await, Err(over));
    }

    #[test]
    fn a_rate_that_cannot_be_made_is_refused() {
        assert!(Group::new(FeedSound::Linear16 { rate_hz: 44_100 }).is_err());
        assert!(Group::new(FeedSound::Linear16 { rate_hz: 0 }).is_err());
    }
}
