//! What was said in a call, as its recognisers tell it.
//!
//! LiveKit's agents tell it twice, under different names: as text streams, and in packets of an
//! older kind. A speaker who has streams is heard by them alone, and what came in packets before
//! the first stream is the same as what that stream says, so that nothing is said twice.
//!
//! The tenant's own recogniser may write, too. Where agents tell a speaker's words, these are the
//! words; the recogniser's are, where it leads.
//!
//! An utterance comes in versions. Those that may still change are passed on and kept by nobody;
//! the final one is kept. When it was said agents do not tell: it began about when its first words
//! came, and after what was final by then, as people speak in turn.
//!
//! **Invariant**: what was recognised in a pause goes nowhere, and what was open when the pause
//! began is final as it was then.

use std::collections::VecDeque;

use sidetone_media::MediaTime;
use sidetone_wire::Party;

/// Speakers of one call: what a conference has beyond that is not transcribed.
const SPEAKERS: usize = 32;
/// Utterances that are remembered of each, to know their versions again.
const UTTERANCES: usize = 16;
/// Characters of an utterance, and of a name for one.
const TEXT_MAX: usize = 8_000;
const ID_MAX: usize = 128;
/// A version that is not final is passed on at most so often.
const INTERIM_EVERY: u64 = 250 * MS;
/// How long a character takes to say.
const CHARACTER: u64 = 65 * MS;
/// What came in packets so long before is not what a stream says now.
const SAME_WITHIN: u64 = 15_000 * MS;

const MS: u64 = 48;

/// How a version came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// As a text stream.
    Stream,
    /// In a packet of the older kind.
    Packet,
    /// From the tenant's own recogniser.
    Recogniser,
    /// The same, whose word counts above all others.
    Leader,
}

impl Carrier {
    /// A speaker is heard by the best that tells their words.
    const fn rank(self) -> u8 {
        match self {
            Self::Recogniser => 0,
            Self::Packet => 1,
            Self::Stream => 2,
            Self::Leader => 3,
        }
    }
}

/// What somebody said, as it is understood by now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version<'a> {
    pub(crate) carrier: Carrier,
    /// Who said it: identity.
    pub(crate) speaker: &'a str,
    pub(crate) party: Party,
    /// The same for every version of one utterance in one carrier.
    pub(crate) id: &'a str,
    /// The whole text.
    pub(crate) text: &'a str,
    pub(crate) is_final: bool,
    /// When it was said, where that is known.
    pub(crate) span: Option<(MediaTime, MediaTime)>,
    /// How sure the recogniser is, in ten-thousandths.
    pub(crate) confidence: Option<u16>,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Saying {
    pub(crate) id: String,
    pub(crate) party: Party,
    pub(crate) text: String,
    pub(crate) is_final: bool,
    pub(crate) from: MediaTime,
    pub(crate) to: MediaTime,
    pub(crate) confidence: Option<u16>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    speakers: Vec<Speaker>,
    /// Where the last utterance ended that is final.
    end: MediaTime,
}

#[derive(Debug)]
struct Speaker {
    name: String,
    /// The rank of the best carrier that told their words.
    best: u8,
    utterances: VecDeque<Utterance>,
}

#[derive(Debug)]
struct Utterance {
    /// Its name in the carrier that was first, and in the other one.
    id: String,
    also: Option<String>,
    carrier: Carrier,
    party: Party,
    text: String,
    /// No version of it is taken any more.
    closed: bool,
    from: MediaTime,
    to: MediaTime,
    confidence: Option<u16>,
    told: Option<MediaTime>,
}

impl Transcript {
    /// Takes a version that came at `at`; gives what is to be told of it. `open`: what is said now
    /// may be kept.
    pub(crate) fn handle(
        &mut self,
        version: &Version<'_>,
        at: MediaTime,
        open: bool,
    ) -> Option<Saying> {
        if version.id.is_empty() || version.id.len() > ID_MAX {
            return None;
        }
        let known = self
            .speakers
            .iter()
            .position(|one| one.name == version.speaker);
        let speaker = match known {
            Some(known) => &mut self.speakers[known],
            None if self.speakers.len() < SPEAKERS => {
                self.speakers.push(Speaker::new(version.speaker));
                self.speakers.last_mut()?
            }
            None => return None,
        };
        if version.carrier.rank() < speaker.best {
            return None;
        }
        let utterance = speaker.find(version, self.end, at);
        speaker.best = version.carrier.rank();
        let utterance = &mut speaker.utterances[utterance];
        let saying = if open {
            utterance.take(version, at)
        } else {
            utterance.close()
        };
        if let Some(saying) = saying.as_ref().filter(|saying| saying.is_final) {
            self.end = self.end.max(saying.to);
        }
        saying
    }

    /// No more comes: what is open is final as it is.
    pub(crate) fn end(&mut self) -> Vec<Saying> {
        let speakers = std::mem::take(&mut self.speakers);
        let utterances = speakers.into_iter().flat_map(|one| one.utterances);
        let mut rest: Vec<Saying> = utterances.filter_map(|mut one| one.close()).collect();
        rest.sort_by_key(|saying| saying.from);
        rest
    }
}

impl Speaker {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            best: 0,
            utterances: VecDeque::new(),
        }
    }

    /// The place of the utterance of which this is a version: it may be new.
    fn find(&mut self, version: &Version<'_>, end: MediaTime, at: MediaTime) -> usize {
        let id = Some(version.id);
        let named = |one: &Utterance| Some(&*one.id) == id || one.also.as_deref() == id;
        if let Some(known) = self.utterances.iter().position(named) {
            return known;
        }
        if version.carrier != Carrier::Recogniser
            && let Some(same) = self.same(version, at)
        {
            self.utterances[same].also = Some(version.id.to_owned());
            return same;
        }
        if self.utterances.len() >= UTTERANCES {
            self.utterances.pop_front();
        }
        let took = version.text.chars().count() as u64 * CHARACTER;
        let guessed = (at - took).max(end).min(at);
        self.utterances.push_back(Utterance {
            id: version.id.to_owned(),
            also: None,
            carrier: version.carrier,
            party: version.party,
            text: String::new(),
            closed: false,
            from: version.span.map_or(guessed, |(from, _)| from),
            to: version.span.map_or(at, |(_, to)| to),
            confidence: None,
            told: None,
        });
        self.utterances.len() - 1
    }

    /// What came in a lesser carrier, and is what a better one says now: the first one that begins
    /// alike, or the one that is open.
    fn same(&self, version: &Version<'_>, at: MediaTime) -> Option<usize> {
        let waits = |one: &Utterance| {
            one.carrier.rank() < version.carrier.rank()
                && one.also.is_none()
                && at.since(one.to) <= SAME_WITHIN
        };
        let alike = |one: &Utterance| waits(one) && begin_alike(&one.text, version.text);
        let open = |one: &Utterance| waits(one) && !one.closed;
        let mut all = self.utterances.iter();
        all.position(alike)
            .or_else(|| self.utterances.iter().position(open))
    }
}

impl Utterance {
    fn take(&mut self, version: &Version<'_>, at: MediaTime) -> Option<Saying> {
        if self.closed {
            return None;
        }
        let text: String = version.text.trim().chars().take(TEXT_MAX).collect();
        if version.is_final {
            if !text.is_empty() {
                self.grow(version, text, at);
            }
            return self.close();
        }
        if text.is_empty() || text == self.text {
            return None;
        }
        self.grow(version, text, at);
        if self.told.is_some_and(|told| at.since(told) < INTERIM_EVERY) {
            return None;
        }
        self.told = Some(at);
        Some(self.saying(false))
    }

    fn grow(&mut self, version: &Version<'_>, text: String, at: MediaTime) {
        self.text = text;
        self.confidence = version.confidence;
        match version.span {
            Some((from, to)) => (self.from, self.to) = (from, to.max(from)),
            None => self.to = at.max(self.from),
        }
    }

    /// Its text is final; nothing is told of one that has none, or is closed.
    fn close(&mut self) -> Option<Saying> {
        let told = !self.closed && !self.text.is_empty();
        self.closed = true;
        told.then(|| self.saying(true))
    }

    fn saying(&self, is_final: bool) -> Saying {
        Saying {
            id: self.id.clone(),
            party: self.party,
            text: self.text.clone(),
            is_final,
            from: self.from,
            to: self.to,
            confidence: self.confidence,
        }
    }
}

/// Whether one text is the beginning of the other, whatever stands between the words.
fn begin_alike(a: &str, b: &str) -> bool {
    let words = |text: &str| -> Vec<char> {
        let kept = text.chars().filter(|c| c.is_alphanumeric());
        kept.flat_map(char::to_lowercase).collect()
    };
    let (a, b) = (words(a), words(b));
    !a.is_empty() && !b.is_empty() && (a.starts_with(&b) || b.starts_with(&a))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_samples(ms * MS)
    }

    /// A version of the customer's.
    fn version<'a>(carrier: Carrier, id: &'a str, text: &'a str, is_final: bool) -> Version<'a> {
        Version {
            carrier,
            speaker: "customer",
            party: Party::Customer,
            id,
            text,
            is_final,
            span: None,
            confidence: None,
        }
    }

    use Carrier::{Packet, Recogniser, Stream};

    /// What is told of versions that come 300 ms apart.
    fn told(versions: &[Version<'_>]) -> Vec<Saying> {
        let mut transcript = Transcript::default();
        let versions = versions.iter().zip(1..);
        let told = versions.filter_map(|(one, n)| transcript.handle(one, at(n * 300), true));
        told.collect()
    }

    fn finals(sayings: &[Saying]) -> Vec<&str> {
        let finals = sayings.iter().filter(|saying| saying.is_final);
        finals.map(|saying| &*saying.text).collect()
    }

    #[test]
    fn an_utterance_grows_and_ends_under_one_name() {
        let sayings = told(&[
            version(Stream, "a", "I have", false),
            version(Stream, "a", "I have a question", false),
            version(Stream, "a", "I have a question.", true),
            version(Stream, "a", "I have a question.", true),
        ]);
        let texts: Vec<_> = sayings
            .iter()
            .map(|one| (&*one.text, one.is_final))
            .collect();
        let expected = [
            ("I have", false),
            ("I have a question", false),
            ("I have a question.", true),
        ];
        assert_eq!(texts, expected);
        assert!(
            sayings
                .iter()
                .all(|one| one.id == "a" && one.from == sayings[0].from)
        );
        assert_eq!(sayings[2].to, at(900));
    }

    #[test]
    fn what_comes_in_both_carriers_is_said_once_whichever_is_first() {
        let stream = [
            version(Stream, "s1", "Hello", false),
            version(Stream, "s1", "Hello there", true),
            version(Stream, "s2", "Bye", true),
        ];
        let packet = [
            version(Packet, "p1", "Hello", false),
            version(Packet, "p1", "Hello there", true),
            version(Packet, "p2", "Bye", true),
        ];
        let [s1, s2, s3] = stream;
        let [p1, p2, p3] = packet;
        for order in [
            [s1, p1, s2, p2, s3, p3],
            [p1, s1, p2, s2, p3, s3],
            [p1, p2, p3, s1, s2, s3],
            [s1, s2, s3, p1, p2, p3],
            [p1, p2, s1, p3, s2, s3],
        ] {
            let sayings = told(&order);
            assert_eq!(finals(&sayings), ["Hello there", "Bye"], "{order:?}");
            let ids: std::collections::BTreeSet<_> = sayings.iter().map(|one| &one.id).collect();
            assert_eq!(ids.len(), 2, "{order:?}");
        }
        // one of them alone is heard, too
        assert_eq!(finals(&told(&packet)), ["Hello there", "Bye"]);
        assert_eq!(finals(&told(&stream)), ["Hello there", "Bye"]);
    }

    #[test]
    fn what_the_recogniser_understood_before_the_agent_told_it_is_said_once() {
        let sayings = told(&[
            version(Recogniser, "r-0", "it is", false),
            version(Recogniser, "r-0", "it is late", true),
            version(Recogniser, "r-1", "or", false),
            version(Stream, "s1", "It is late.", true),
            version(Recogniser, "r-1", "or not", true),
            version(Stream, "s2", "Or not.", true),
        ]);
        assert_eq!(finals(&sayings), ["it is late", "Or not."]);
        let leads = told(&[
            version(Stream, "s1", "It is late", true),
            version(Carrier::Leader, "r-0", "It is late.", true),
            version(Stream, "s2", "Well", true),
            version(Carrier::Leader, "r-1", "Well.", true),
        ]);
        assert_eq!(finals(&leads), ["It is late", "Well."]);
    }

    #[test]
    fn what_is_known_of_when_it_was_said_is_told() {
        let spoken = Version {
            span: Some((at(400), at(900))),
            confidence: Some(9_000),
            ..version(Recogniser, "r-0", "Yes", true)
        };
        let said = Transcript::default().handle(&spoken, at(1_500), true);
        let said = said.unwrap();
        assert_eq!((said.from, said.to), (at(400), at(900)));
        assert_eq!(said.confidence, Some(9_000));
    }

    #[test]
    fn what_was_understood_otherwise_at_first_is_still_the_same() {
        let sayings = told(&[
            version(Packet, "p1", "High there", false),
            version(Stream, "s1", "Hi there", true),
        ]);
        assert_eq!(finals(&sayings), ["Hi there"]);
        assert!(sayings.iter().all(|one| one.id == "p1"));
    }

    #[test]
    fn who_answers_does_so_after_what_was_said() {
        let mut transcript = Transcript::default();
        let question = version(Stream, "a", "Where is my parcel?", true);
        let answer = Version {
            speaker: "agent",
            party: Party::Agent,
            ..version(Stream, "b", "It has not been sent yet.", true)
        };
        let question = transcript.handle(&question, at(5_000), true).unwrap();
        let answer = transcript.handle(&answer, at(5_100), true).unwrap();
        assert!(question.from < question.to && question.to <= answer.from);
    }

    #[test]
    fn of_fast_versions_some_are_passed_on_and_the_final_one_always() {
        let mut transcript = Transcript::default();
        let mut sayings = Vec::new();
        for n in 1..100 {
            let text = "a".repeat(n);
            let one = version(Stream, "a", &text, n == 99);
            sayings.extend(transcript.handle(&one, at(n as u64 * 20), true));
        }
        assert!(sayings.len() < 12, "{}", sayings.len());
        assert_eq!(sayings.last().unwrap().text.len(), 99);
    }

    #[test]
    fn a_pause_ends_what_is_open_and_nothing_of_it_is_told() {
        let mut transcript = Transcript::default();
        let mut hear = |id, text, is_final, ms, open| {
            let one = version(Stream, id, text, is_final);
            transcript.handle(&one, at(ms), open)
        };
        hear("a", "My card is", false, 1_000, true);
        let closed = hear("a", "My card is 4111", false, 2_000, false).unwrap();
        assert_eq!((&*closed.text, closed.is_final), ("My card is", true));
        assert_eq!(hear("b", "1111", true, 3_000, false), None);
        assert_eq!(hear("a", "My card is 4111 1111", true, 5_000, true), None);
        assert_eq!(hear("b", "1111 2222", true, 5_000, true), None);
        let after = hear("c", "Thank you", true, 6_000, true).unwrap();
        assert_eq!(after.text, "Thank you");
    }

    #[test]
    fn what_is_open_at_the_end_is_final_as_it_is() {
        let mut transcript = Transcript::default();
        transcript.handle(&version(Stream, "a", "Done", true), at(100), true);
        transcript.handle(&version(Stream, "b", "Well", false), at(900), true);
        let rest = transcript.end();
        assert_eq!(finals(&rest), ["Well"]);
        assert!(transcript.end().is_empty());
    }

    #[test]
    fn whatever_comes_little_is_remembered() {
        let mut transcript = Transcript::default();
        for n in 0..2_000 {
            let (who, id) = (format!("p{}", n % 100), format!("u{n}"));
            let one = Version {
                speaker: &who,
                ..version(Stream, &id, "word", n % 3 == 0)
            };
            transcript.handle(&one, at(n), true);
        }
        assert_eq!(transcript.speakers.len(), SPEAKERS);
        let most = transcript
            .speakers
            .iter()
            .map(|one| one.utterances.len())
            .max();
        assert!(most <= Some(UTTERANCES));
        let long = "x".repeat(100_000);
        assert!(
            transcript
                .handle(&version(Stream, &long, "a", true), at(1), true)
                .is_none()
        );
    }
}
