//! A call that goes on, whatever it is heard through: its sinks, and what is asked of it.

mod words;

use std::rc::Rc;
use std::time::{Duration, Instant};

use sidetone_fleet::ledger::LedgerError;
use sidetone_fleet::take::{self, Durable};
use sidetone_fleet::{CommandRequest, EventLog, FeedEnd};
use sidetone_media::{MediaTime, Packet};
use sidetone_wire::{
    CallEvent, CallId, Command, CommandError, FeedId, FeedSound, MonitorRoom, Party, Recogniser,
    RecordingRule, Reply, Signal,
};
use tokio::sync::mpsc;
use tracing::info;

use crate::bus::Bus;
use crate::call::Gap;
use crate::metrics::Present;
use crate::permit::Verdict;
use crate::recognise::{Inbox, Line, Told, provider_of};
use crate::routes::Route;
use crate::shard::Shard;
use crate::{Shared, sink};
use words::Words;

/// How long the control plane may take to say what may be recorded; then it is asked again.
const RULE_TIMEOUT: Duration = Duration::from_secs(5);
/// Answers waiting at a call: one question is out at a time. An answer waits for room.
pub(crate) const RULE_QUEUE: usize = 1;

/// What may be recorded of a call, as the control plane says.
pub(crate) type Rule = (CallId, Result<RecordingRule, LedgerError>);

/// Where a call's packets come from.
pub(crate) trait Source {
    /// A moment on the call's time.
    fn at(&self, moment: Instant) -> MediaTime;
}

/// A source that gives its packets at their time, whenever they came: sound of a socket.
pub(crate) trait Paced: Source {
    /// Nothing more comes for now: all that came is due.
    fn hurry(&mut self, now: Instant);

    /// The packets that are due, one of each party, with their lanes on the bus.
    fn poll_packets(&mut self, bus: &mut Bus, now: Instant) -> Option<Vec<(usize, Party, Packet)>>;
}

/// Why a call is not heard, or not understood, as it should be.
#[derive(Default)]
struct Troubles {
    source: Option<String>,
    /// By lane.
    lines: Vec<(usize, String)>,
}

/// See the module.
pub(crate) struct Live<S> {
    pub(crate) call: CallId,
    pub(crate) log: EventLog,
    pub(crate) source: S,
    pub(crate) bus: Bus,
    pub(crate) gap: Gap,
    words: Words,
    fence: u64,
    troubles: Troubles,
    _routes: (take::Guard, Route),
    _present: Present,
}

impl<S: Paced> Live<S> {
    /// Hands the packets that are due to the sinks.
    pub(crate) fn deliver(&mut self, now: Instant, shared: &Shared, answers: &mpsc::Sender<Rule>) {
        while let Some(packets) = self.source.poll_packets(&mut self.bus, now) {
            for (lane, party, packet) in packets {
                self.handle_packet(lane, party, &packet, shared, answers);
            }
        }
    }

    /// Hands over all that came: nothing more comes for now.
    pub(crate) fn hurry(&mut self, now: Instant, shared: &Shared, answers: &mpsc::Sender<Rule>) {
        self.source.hurry(now);
        self.deliver(now, shared, answers);
    }

    /// The socket is gone for now, and nothing was heard of it since then. What came of it is due.
    pub(crate) fn lose(
        &mut self,
        since: Instant,
        now: Instant,
        shared: &Shared,
        answers: &mpsc::Sender<Rule>,
    ) {
        self.hurry(now, shared, answers);
        self.gap.handle_lost(self.source.at(since));
        self.bus.level.reset();
    }
}

impl<S: Source> Live<S> {
    /// A call begins here. Commands for it go to `queue`.
    pub(crate) fn new(
        shared: &Shared,
        of: sink::Of,
        fence: u64,
        source: S,
        queue: &mpsc::Sender<CommandRequest>,
    ) -> Self {
        let Shared {
            fleet,
            node,
            recorder,
            record,
            routes,
            ..
        } = shared;
        let (call, started_at) = (of.call, of.started_at);
        tracing::Span::current().record("call", tracing::field::display(call));
        let log = fleet.event_log(call, fence);
        let record = record.then(|| sink::Record::new(recorder.clone(), log.clone(), of));
        Self {
            call,
            words: Words {
                log: log.clone(),
                transcript: sink::Transcript::default(),
                speakers: std::collections::HashMap::new(),
                started_at,
            },
            fence,
            troubles: Troubles::default(),
            log,
            source,
            bus: Bus::new(record, sink::Level::new(fleet.clone(), call)),
            gap: Gap::default(),
            _routes: (fleet.route(call, node), routes.add(call, queue.clone())),
            _present: Present::call(),
        }
    }

    /// Says who is on a channel of the recording.
    pub(crate) fn name(&mut self, party: Party, name: Option<&str>) {
        if let (Some(record), Some(name)) = (&mut self.bus.record, name) {
            record.name(party, name);
        }
    }

    /// Hands a packet to the sinks.
    pub(crate) fn handle_packet(
        &mut self,
        lane: usize,
        party: Party,
        packet: &Packet,
        shared: &Shared,
        answers: &mpsc::Sender<Rule>,
    ) {
        if let Some((from, to)) = self.gap.handle_packet(packet.at) {
            self.mark_gap(from, to);
        }
        self.bus.deliver(lane, party, packet);
        self.ask(packet.arrived, shared, answers);
    }

    /// A recogniser says what was said. What is said in a pause, or in a call of which nothing may
    /// be kept, goes nowhere.
    pub(crate) fn handle_version(
        &mut self,
        version: &sink::Version<'_>,
        now: Instant,
        shared: &Shared,
    ) {
        self.bus.recognise.dismiss(version.party);
        let at = self.source.at(now);
        let told = self.words.handle(version, at, &self.bus.permit);
        if let Some(utterance) = told {
            let call = self.call;
            shared.fleet.signal(Signal::Saying { call, utterance });
        }
    }

    /// What the lines to a recogniser say: a call's task waits for it.
    pub(crate) fn inbox(&self) -> Rc<Inbox> {
        self.bus.recognise.inbox()
    }

    /// The recogniser understood something, or cannot. `speaker`: whose words they are, where
    /// others may tell of them by that name.
    pub(crate) fn handle_told(
        &mut self,
        told: Told,
        speaker: Option<&str>,
        now: Instant,
        shared: &Shared,
    ) {
        match told {
            Told::Said(said) => {
                let (at, leads) = (self.source.at(now), self.bus.recognise.leads());
                let permit = &self.bus.permit;
                if let Some(utterance) = self.words.recognised(&said, speaker, leads, at, permit) {
                    let call = self.call;
                    shared.fleet.signal(Signal::Saying { call, utterance });
                }
            }
            Told::Trouble { lane, why } => {
                self.troubles.lines.retain(|(one, _)| *one != lane);
                self.troubles.lines.extend(why.map(|why| (lane, why)));
                self.tell_troubles();
            }
        }
    }

    /// The source is not heard as it should be, and why; or it is again. A change is told once.
    pub(crate) fn handle_degraded(&mut self, reason: Option<String>) {
        if reason != self.troubles.source {
            info!(call = %self.call, ?reason, "how a call is heard changes");
            self.troubles.source = reason;
            self.tell_troubles();
        }
    }

    fn tell_troubles(&self) {
        let Troubles { source, lines } = &self.troubles;
        let line = lines.first().map(|(_, why)| why);
        let reason = source.as_ref().or(line).cloned();
        self.log.send(CallEvent::Degraded { reason });
    }

    /// The control plane says what may be recorded.
    pub(crate) fn handle_rule(
        &mut self,
        answer: Result<RecordingRule, LedgerError>,
        now: Instant,
        shared: &Shared,
        answers: &mpsc::Sender<Rule>,
    ) {
        let at = self.source.at(now);
        let rule = answer.as_ref().ok().cloned();
        self.bus.handle_rule(answer, at, now);
        match (self.bus.permit.verdict(), rule) {
            (Verdict::Allowed, Some(rule)) => self.write_down(rule, shared),
            (Verdict::Denied, _) => self.bus.recognise.stop(),
            (Verdict::Allowed | Verdict::Unknown, _) => {}
        }
        self.ask(now, shared, answers);
    }

    /// Has what is said written down, if anybody is to.
    fn write_down(&mut self, rule: RecordingRule, shared: &Shared) {
        let (call, fence) = (self.call, self.fence);
        let (recogniser, keys_pause) = (rule.recogniser, rule.pause_on_dtmf);
        let found = |recogniser: &Recogniser| {
            let dialler = shared.diallers.of_recogniser(recogniser.kind)?;
            Some((provider_of(recogniser.kind)?, dialler))
        };
        let recognise = &mut self.bus.recognise;
        recognise.begin(call, fence, recogniser, keys_pause, found);
    }

    /// What is due four times a second. `connected`: the source can be heard, as far as we know.
    pub(crate) fn handle_tick(
        &mut self,
        connected: bool,
        now: Instant,
        shard: &Shard,
        answers: &mpsc::Sender<Rule>,
    ) {
        self.bus.level.handle_tick(now);
        shard.counters.add(&mut self.bus.packets);
        self.ask(now, &shard.shared, answers);
        let at = self.source.at(now);
        for user in self.bus.handle_tick(connected, at, now) {
            info!(call = %self.call, "a listener is gone for good");
            self.log.send(CallEvent::ListenerLeft { user });
        }
    }

    /// Asks the control plane what may be recorded, if that is due.
    pub(crate) fn ask(&mut self, now: Instant, shared: &Shared, answers: &mpsc::Sender<Rule>) {
        if !self.bus.permit.poll_question(now) {
            return;
        }
        let (call, ledger, answers) = (self.call, shared.ledger.clone(), answers.clone());
        tokio::task::spawn_local(async move {
            let asking = tokio::time::timeout(RULE_TIMEOUT, ledger.recording_rule(call));
            let late = |_| Err(LedgerError::Away(format!("no answer in {RULE_TIMEOUT:?}")));
            let answer = asking.await.unwrap_or_else(late);
            // the tap has ended: nobody waits for it
            drop(answers.send((call, answer)).await);
        });
    }

    /// Says that a stretch is missing.
    pub(crate) fn mark_gap(&mut self, from: MediaTime, to: MediaTime) {
        info!(call = %self.call, from_ms = from.ms(), to_ms = to.ms(), "a stretch was not heard");
        if let Some(record) = &mut self.bus.record {
            record.gap(from, to);
        }
    }

    /// When [`Live::handle_due`] has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.bus.proxy.due()
    }

    /// Sends what is due to listeners outside of LiveKit.
    pub(crate) fn handle_due(&mut self, now: Instant) {
        self.bus.proxy.handle_due(now);
    }

    /// Ends the sinks; the recording is as long as the call was until `now`. Those who listen
    /// outside of LiveKit are told `why`.
    pub(crate) fn finish(mut self, now: Instant, why: &FeedEnd, shard: &Shard) {
        self.bus.proxy.end(why);
        let at = self.source.at(now);
        self.last_words();
        if let Some((from, to)) = self.gap.end(at) {
            self.mark_gap(from, to);
        }
        self.bus.level.reset();
        self.bus.level.handle_tick(now);
        shard.counters.add(&mut self.bus.packets);
        if let Some(record) = self.bus.record {
            record.end(at);
        }
    }

    /// What is still being understood is told when it is: nobody waits for it.
    fn last_words(&mut self) {
        let Bus {
            recognise, permit, ..
        } = &mut self.bus;
        let (lines, inbox, leads) = (recognise.end(permit), recognise.inbox(), recognise.leads());
        let (permit, mut words) = (std::mem::take(permit), self.words.take());
        if lines.is_empty() {
            return words.end(&permit);
        }
        tokio::task::spawn_local(async move {
            futures_util::future::join_all(lines.into_iter().map(Line::finish)).await;
            while let Some(told) = inbox.take() {
                if let Told::Said(said) = told {
                    let at = said.to;
                    drop(words.recognised(&said, None, leads, at, &permit));
                }
            }
            words.end(&permit);
        });
    }

    /// Carries out a command, or sees to its being answered once it is.
    pub(crate) fn handle_command(&mut self, request: CommandRequest, now: Instant, shard: &Shard) {
        let at = self.source.at(now);
        let done = match request.command.clone() {
            Command::Listen { call, monitor } if call == self.call => self.listen(&monitor, shard),
            Command::Feed {
                call,
                monitor,
                feed,
                sound,
            } if call == self.call => self.feed(monitor, feed, sound, now, shard),
            Command::Unlisten { call, monitor } if call == self.call => {
                self.bus.remove_listener(&monitor);
                Ok(Reply::Done)
            }
            Command::WatchLevels { call } if call == self.call => {
                self.bus.level.watch(now);
                Ok(Reply::Done)
            }
            Command::PauseRecording { call, by } if call == self.call => {
                return self.bus.pause(at, &by, answering(request));
            }
            Command::ResumeRecording { call } if call == self.call => {
                return self.bus.resume(at, answering(request));
            }
            Command::StopRecording { call, erase } if call == self.call => {
                self.bus.stop(at, erase);
                Ok(Reply::Done)
            }
            Command::Talk { call, .. }
            | Command::SetFloor { call, .. }
            | Command::Whisper { call, .. }
            | Command::EndCall { call }
                if call == self.call =>
            {
                let detail = "a listen socket is for listening only".to_owned();
                Err(CommandError::Unsupported { detail })
            }
            Command::Listen { .. }
            | Command::Feed { .. }
            | Command::Unlisten { .. }
            | Command::Talk { .. }
            | Command::SetFloor { .. }
            | Command::Whisper { .. }
            | Command::EndCall { .. }
            | Command::WatchLevels { .. }
            | Command::PauseRecording { .. }
            | Command::ResumeRecording { .. }
            | Command::StopRecording { .. }
            | Command::EraseTakes { .. }
            | Command::UnlistenAll { .. }
            | Command::Hear(_)
            | Command::CallOver { .. }
            | Command::RoomChanged { .. } => Err(CommandError::NoHolder),
        };
        request.answer(done);
    }

    fn listen(&mut self, monitor: &MonitorRoom, shard: &Shard) -> Result<Reply, CommandError> {
        let Some(monitors) = &shard.monitors else {
            let detail = "this gateway has no LiveKit to publish in".to_owned();
            return Err(CommandError::Unsupported { detail });
        };
        let call = self.call;
        let make = || sink::Monitor::new(call, monitors.grant(monitor));
        self.bus.add_listener(monitor, make);
        Ok(Reply::Listening {
            tracks: sink::track_names(call, &self.bus.lanes),
        })
    }

    fn feed(
        &mut self,
        monitor: MonitorRoom,
        feed: FeedId,
        sound: FeedSound,
        now: Instant,
        shard: &Shard,
    ) -> Result<Reply, CommandError> {
        // whoever asked has gone, and took the feed along
        let feeder = shard
            .shared
            .fleet
            .pick_up(feed)
            .ok_or(CommandError::TimedOut)?;
        let (at, feeds) = (self.source.at(now), &shard.feeds);
        let proxy = &mut self.bus.proxy;
        proxy.add(monitor, feeder, sound, feeds, at, now)?;
        Ok(Reply::Done)
    }
}

/// Answers a command when what it asks for is on disk, or cannot be.
fn answering(request: CommandRequest) -> Durable {
    Box::new(move |durable| {
        request.answer(match durable {
            Ok(()) => Ok(Reply::Done),
            Err(error) => Err(CommandError::Failed {
                detail: error.to_string(),
            }),
        });
    })
}
