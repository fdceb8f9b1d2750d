//! What was said, out of reports that come in any order.
//!
//! Vendors report speech in three ways, and each is a [`Layer`]. The highest that a call has is its
//! transcript; what lies below is dropped. Within a layer that is reported whole, the newest report
//! holds. Live speech is kept by the time of its message, and only reading gives it ids: an
//! utterance is named by its party and by when that party's former one ended, so that what is
//! recognised meanwhile and the final text have one id, and what came too late still finds its
//! place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sidetone_wire::{Party, Sentiment, Timestamp, TranscriptSegment, Utterance};

use super::sentiment;

/// Segments of a report that are kept: some hours of talk.
const SEGMENTS_MAX: usize = 5000;
/// Characters of a segment that are kept.
const TEXT_MAX: usize = 8000;
/// Later than this nothing is said in a call: a month, in milliseconds.
const SPAN_MAX_MS: u64 = 31 * 24 * 3_600_000;
/// What one party says so soon after their last word goes on with it ...
const PAUSE_MS: u64 = 1_000;
/// ... up to this length: a monologue stays readable.
const SEGMENT_MAX_MS: u64 = 30_000;
/// Characters of a segment's name.
const ID_MAX: usize = 128;
/// How long a character takes to say, for live speech of which only the end is known.
const CHARACTER_MS: i64 = 65;

/// Whose word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Layer {
    /// The conversation so far, whole.
    Conversation,
    /// Speech as it is recognised, piece by piece.
    Live,
    /// The report after the call, whole.
    Report,
    /// What was heard where the call is: each utterance with its own name and time.
    Heard,
}

impl Layer {
    /// As the database has it.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Conversation => 0,
            Self::Live => 1,
            Self::Report => 2,
            Self::Heard => 3,
        }
    }

    pub(crate) const fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Conversation,
            1 => Self::Live,
            2 => Self::Report,
            _ => Self::Heard,
        }
    }
}

/// What one report says was said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Said {
    #[default]
    Nothing,
    /// A piece of live speech, up to the report's time.
    Piece {
        party: Party,
        text: String,
        is_final: bool,
    },
    /// Everything so far; never [`Layer::Live`].
    Whole { layer: Layer, spoken: Vec<Spoken> },
}

/// An utterance of a whole report.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Spoken {
    pub(crate) party: Party,
    pub(crate) text: String,
    pub(crate) is_final: bool,
    pub(crate) start_ms: u64,
    pub(crate) end_ms: u64,
}

/// A segment as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) layer: Layer,
    pub(crate) party: Party,
    pub(crate) text: String,
    pub(crate) is_final: bool,
    /// `None` for live speech.
    pub(crate) span_ms: Option<(u64, u64)>,
    /// When it was reported.
    pub(crate) at: Timestamp,
    /// Ten-thousandths.
    pub(crate) confidence: Option<u16>,
    pub(crate) sentiment: Option<Sentiment>,
    /// Live speech that came in its order: when its party's former utterance ended. Not kept.
    pub(crate) after: Option<Timestamp>,
}

impl Row {
    /// Whether it holds against another one of its id; the database asks the same.
    fn beats(&self, other: &Self) -> bool {
        match self.layer.cmp(&other.layer) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => {
                self.layer != Layer::Live
                    || (self.at, self.text.as_str()) > (other.at, other.text.as_str())
            }
        }
    }
}

/// Changes of a call's segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Put there, unless a better one is there.
    pub(crate) put: BTreeMap<String, Row>,
    /// Taken away.
    pub(crate) taken: BTreeSet<String>,
    /// Everything below is taken away.
    pub(crate) floor: Option<Layer>,
    /// Something of what was there before is left out now.
    pub(crate) rewritten: bool,
}

impl Rows {
    pub(crate) fn is_empty(&self) -> bool {
        self.put.is_empty() && self.taken.is_empty() && self.floor.is_none()
    }

    pub(crate) fn put(&mut self, row: Row) {
        self.taken.remove(&row.id);
        match self.put.get(&row.id) {
            Some(there) if !row.beats(there) => {}
            Some(_) | None => {
                self.put.insert(row.id.clone(), row);
            }
        }
    }

    fn take(&mut self, id: String) {
        self.put.remove(&id);
        self.taken.insert(id);
    }

    fn rise(&mut self, floor: Layer) {
        self.floor = self.floor.max(Some(floor));
        self.put.retain(|_, row| row.layer >= floor);
    }

    /// The one segment that changed, if it is one and nothing went.
    pub(crate) fn single(&self, started_at: Timestamp) -> Option<TranscriptSegment> {
        let mut put = self.put.values();
        let row = put.next()?;
        if put.next().is_some() || !self.taken.is_empty() || self.floor.is_some() || self.rewritten
        {
            return None;
        }
        match row.layer {
            Layer::Live => Some(live(row, row.after?, started_at)),
            Layer::Conversation | Layer::Report | Layer::Heard => Some(whole(row)),
        }
    }
}

/// What is known of a call's transcript: enough to tell what a report changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Script {
    layer: Option<Layer>,
    whole: Option<Whole>,
    /// When the last final piece of each party ended.
    finals: BTreeMap<Party, Timestamp>,
}

/// The whole report that holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Whole {
    at: Timestamp,
    count: usize,
    /// Of all but the last segment: what grows does so at its end.
    stem: String,
    last: String,
}

impl Script {
    /// Whether anything was said.
    pub(crate) fn spoke(&self) -> bool {
        self.layer.is_some()
    }

    /// Takes a report of `at`; adds what it changes to `rows`.
    pub(crate) fn hear(&mut self, at: Timestamp, said: &Said, rows: &mut Rows) {
        match said {
            Said::Nothing => {}
            Said::Piece {
                party,
                text,
                is_final,
            } => {
                let text = clean(text);
                if !text.is_empty() && self.reach(Layer::Live, rows) {
                    rows.put(self.piece(at, *party, text, *is_final));
                }
            }
            Said::Whole { layer, spoken } => {
                if !spoken.is_empty() && self.reach(*layer, rows) {
                    self.report(at, *layer, spoken, rows);
                }
            }
        }
    }

    /// Whether a report of that layer counts; what it leaves below is dropped.
    fn reach(&mut self, layer: Layer, rows: &mut Rows) -> bool {
        if self.layer > Some(layer) {
            return false;
        }
        if self.layer < Some(layer) {
            if self.layer.is_some() {
                rows.rise(layer);
            }
            *self = Self {
                layer: Some(layer),
                ..Self::default()
            };
        }
        true
    }

    fn piece(&mut self, at: Timestamp, party: Party, text: String, is_final: bool) -> Row {
        let former = self.finals.get(&party).copied().unwrap_or_default();
        let id = if is_final {
            self.finals.insert(party, former.max(at));
            format!("{party}:{}:{}", at.unix_ms(), &digest(&[&text])[..8])
        } else {
            format!("{party}:now")
        };
        Row {
            id,
            layer: Layer::Live,
            party,
            text,
            is_final,
            span_ms: None,
            at,
            confidence: None,
            sentiment: None,
            after: (at > former).then_some(former),
        }
    }

    fn report(&mut self, at: Timestamp, layer: Layer, spoken: &[Spoken], rows: &mut Rows) {
        let segments: Vec<Row> = spoken
            .iter()
            .filter_map(|spoken| {
                let text = clean(&spoken.text);
                (!text.is_empty()).then_some((spoken, text))
            })
            .take(SEGMENTS_MAX)
            .enumerate()
            .map(|(n, (spoken, text))| row(n, at, layer, spoken, text))
            .collect();
        let Some((last, stem)) = segments.split_last() else {
            return;
        };
        let new = Whole {
            at,
            count: segments.len(),
            stem: digest_rows(stem),
            last: digest_rows(std::slice::from_ref(last)),
        };
        let Some(former) = &self.whole else {
            self.whole = Some(new);
            for row in segments {
                rows.put(row);
            }
            return;
        };
        if *former >= new {
            return;
        }
        // what is there already is not written again
        let same = former.count.saturating_sub(1).min(segments.len());
        let grown = same > 0 && digest_rows(&segments[..same]) == former.stem;
        for n in segments.len()..former.count {
            rows.take(segment_id(n));
        }
        let skip = if grown { same } else { 0 };
        for row in segments.into_iter().skip(skip) {
            rows.put(row);
        }
        self.whole = Some(new);
    }
}

fn segment_id(n: usize) -> String {
    format!("s{n}")
}

fn row(n: usize, at: Timestamp, layer: Layer, spoken: &Spoken, text: String) -> Row {
    Row {
        id: segment_id(n),
        layer,
        party: spoken.party,
        text,
        is_final: spoken.is_final,
        span_ms: Some(span(spoken)),
        at,
        confidence: None,
        sentiment: None,
        after: None,
    }
}

fn span(spoken: &Spoken) -> (u64, u64) {
    let start_ms = spoken.start_ms.min(SPAN_MAX_MS);
    (start_ms, spoken.end_ms.clamp(start_ms, SPAN_MAX_MS))
}

fn digest_rows(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let span = row.span_ms.unwrap_or_default();
        write!(
            text,
            "{}|{}|{span:?}|{}|",
            row.party, row.is_final, row.text
        )
        .expect("a String takes everything");
    }
    digest(&[&text])
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..8])
}

/// Text as it is kept: on one line, without what no database can hold.
fn clean(text: &str) -> String {
    let text = text.trim();
    let on_one_line = |c: char| if c.is_whitespace() { ' ' } else { c };
    text.chars()
        .map(on_one_line)
        .filter(|c| !c.is_control())
        .take(TEXT_MAX)
        .collect()
}

/// What one party said, in its order, a layer after the other.
pub(crate) fn in_order(mut rows: Vec<Row>) -> Vec<Vec<Row>> {
    let place = |row: &Row| row.id.get(1..).and_then(|n| n.parse::<usize>().ok());
    rows.sort_by(|a, b| {
        let within = match a.layer {
            Layer::Live => a.at.cmp(&b.at),
            Layer::Conversation | Layer::Report => place(a).cmp(&place(b)),
            Layer::Heard => a.span_ms.cmp(&b.span_ms),
        };
        a.layer.cmp(&b.layer).then(within).then(a.id.cmp(&b.id))
    });
    let layers = rows.chunk_by(|a, b| a.layer == b.layer);
    layers.map(<[Row]>::to_vec).collect()
}

/// A call's transcript, of all rows that it has, in the order in which it was said.
pub(crate) fn arrange(mut rows: Vec<Row>, started_at: Timestamp) -> Vec<TranscriptSegment> {
    let Some(top) = rows.iter().map(|row| row.layer).max() else {
        return Vec::new();
    };
    rows.retain(|row| row.layer == top);
    let mut segments = match top {
        Layer::Live => arrange_live(rows, started_at),
        Layer::Conversation | Layer::Report => {
            rows.sort_by_key(|row| row.id[1..].parse::<usize>().unwrap_or(usize::MAX));
            rows.iter().map(whole).collect()
        }
        Layer::Heard => return arrange_heard(&rows),
    };
    segments.sort_by_key(|segment| (segment.start_ms, segment.end_ms)); // stable
    segments
}

/// Recognisers cut what is said as they like: what one party said without a pause is one segment,
/// named by its first piece.
fn arrange_heard(rows: &[Row]) -> Vec<TranscriptSegment> {
    let mut pieces: Vec<TranscriptSegment> = rows.iter().map(whole).collect();
    pieces.sort_by(|a, b| (a.start_ms, a.end_ms, &a.id).cmp(&(b.start_ms, b.end_ms, &b.id)));
    let mut segments: Vec<TranscriptSegment> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match segments.last_mut() {
            Some(last) if goes_on(last, &piece) => {
                last.text.push(' ');
                last.text.push_str(&piece.text);
                last.end_ms = last.end_ms.max(piece.end_ms);
                last.is_final &= piece.is_final;
                last.confidence = match (last.confidence, piece.confidence) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
                last.sentiment = sentiment::of(&last.text);
            }
            Some(_) | None => segments.push(piece),
        }
    }
    segments
}

fn goes_on(former: &TranscriptSegment, next: &TranscriptSegment) -> bool {
    former.party == next.party
        && next.start_ms <= former.end_ms + PAUSE_MS
        && next.end_ms <= former.start_ms + SEGMENT_MAX_MS
}

/// What was heard where the call is, as a row: `None` if nothing is left of the text.
pub(crate) fn heard(said: &Utterance, started_at: Timestamp) -> Option<Row> {
    let text = clean(&said.text);
    let (from, to) = (said.from.ms_since(started_at), said.to.ms_since(started_at));
    (!text.is_empty()).then(|| Row {
        id: said.id.chars().take(ID_MAX).collect(),
        layer: Layer::Heard,
        party: said.party,
        text,
        is_final: true,
        span_ms: Some((from, to.max(from))),
        at: said.to,
        confidence: said.confidence,
        sentiment: None,
        after: None,
    })
}

/// What is being said, for those who look: it is kept nowhere.
pub(crate) fn saying(said: &Utterance, started_at: Timestamp) -> Option<TranscriptSegment> {
    let row = heard(said, started_at)?;
    Some(TranscriptSegment {
        is_final: false,
        ..whole(&row)
    })
}

fn arrange_live(mut rows: Vec<Row>, started_at: Timestamp) -> Vec<TranscriptSegment> {
    rows.sort_by(|a, b| (a.at, a.party, &a.id).cmp(&(b.at, b.party, &b.id)));
    let mut former: BTreeMap<Party, Timestamp> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    let mut segments = Vec::with_capacity(rows.len());
    let last: BTreeMap<Party, Timestamp> = rows
        .iter()
        .filter(|row| row.is_final)
        .map(|row| (row.party, row.at))
        .collect();
    for row in &rows {
        if !row.is_final && last.get(&row.party).is_some_and(|last| row.at <= *last) {
            continue; // its final text is there
        }
        let after = former.get(&row.party).copied().unwrap_or_default();
        let mut segment = live(row, after, started_at);
        while !ids.insert(segment.id.clone()) {
            segment.id.push('+'); // said in one and the same millisecond
        }
        segments.push(segment);
        former.insert(row.party, row.at);
    }
    segments
}

fn whole(row: &Row) -> TranscriptSegment {
    let (start_ms, end_ms) = row.span_ms.unwrap_or_default();
    segment(row, row.id.clone(), start_ms, end_ms)
}

/// Live speech: its end is known, its start is guessed from its length.
fn live(row: &Row, after: Timestamp, started_at: Timestamp) -> TranscriptSegment {
    let end = row.at.unix_ms();
    let spoken_for = row.text.chars().count() as i64 * CHARACTER_MS;
    let start = Timestamp::from_unix_ms((end - spoken_for).max(after.unix_ms()));
    let id = format!("{}-{}", row.party, after.unix_ms());
    let (start_ms, end_ms) = (start.ms_since(started_at), row.at.ms_since(started_at));
    segment(row, id, start_ms, end_ms)
}

fn segment(row: &Row, id: String, start_ms: u64, end_ms: u64) -> TranscriptSegment {
    TranscriptSegment {
        id,
        party: row.party,
        text: row.text.clone(),
        is_final: row.is_final,
        start_ms,
        end_ms,
        confidence: row
            .confidence
            .map(|confidence| f32::from(confidence) / 10_000.0),
        sentiment: row.sentiment.or_else(|| sentiment::of(&row.text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_790_000_000_000 + ms)
    }

    fn piece(party: Party, text: &str, is_final: bool) -> Said {
        Said::Piece {
            party,
            text: text.to_owned(),
            is_final,
        }
    }

    fn all(said: &[(i64, Said)]) -> Vec<TranscriptSegment> {
        let (mut script, mut rows) = (Script::default(), Rows::default());
        for (ms, said) in said {
            script.hear(at(*ms), said, &mut rows);
        }
        arrange(rows.put.into_values().collect(), at(0))
    }

    fn whole(layer: Layer, texts: &[&str]) -> Said {
        let spoken = texts.iter().zip(0..).map(|(text, n)| Spoken {
            party: if n % 2 == 0 {
                Party::Agent
            } else {
                Party::Customer
            },
            text: (*text).to_owned(),
            is_final: true,
            start_ms: n * 1000,
            end_ms: n * 1000 + 900,
        });
        Said::Whole {
            layer,
            spoken: spoken.collect(),
        }
    }

    #[test]
    fn what_is_recognised_and_its_final_text_have_one_id() {
        let (mut script, mut ids) = (Script::default(), Vec::new());
        for (ms, text, is_final) in [
            (1000, "I", false),
            (1200, "I have", false),
            (1500, "I have a question", true),
            (2500, "It", false),
            (2800, "It is late", true),
        ] {
            let mut rows = Rows::default();
            script.hear(at(ms), &piece(Party::Customer, text, is_final), &mut rows);
            let segment = rows.single(at(0)).unwrap();
            assert_eq!((segment.text.as_str(), segment.is_final), (text, is_final));
            ids.push(segment.id);
        }
        assert_eq!(ids[0], ids[1]);
        assert_eq!(ids[0], ids[2]);
        assert_ne!(ids[2], ids[3]);
        assert_eq!(ids[3], ids[4]);
    }

    #[test]
    fn a_late_piece_finds_its_place_and_does_not_undo_what_was_final() {
        let in_order = [
            (1000, piece(Party::Customer, "I", false)),
            (1500, piece(Party::Customer, "I have a question", true)),
            (2000, piece(Party::Agent, "Yes?", true)),
            (2800, piece(Party::Customer, "It is late", true)),
            (3000, piece(Party::Customer, "Or", false)),
        ];
        let expected = all(&in_order);
        let texts: Vec<&str> = expected.iter().map(|s| s.text.as_str()).collect();
        assert_eq!(texts, ["I have a question", "Yes?", "It is late", "Or"]);
        let mut backwards = in_order.to_vec();
        backwards.reverse();
        assert_eq!(all(&backwards), expected);
    }

    #[test]
    fn a_report_after_the_call_is_the_transcript() {
        let report = whole(Layer::Report, &["Hello", "Hi"]);
        let conversation = whole(Layer::Conversation, &["Hello there"]);
        let speech = piece(Party::Customer, "Hey", true);
        for said in [
            vec![
                (1, conversation.clone()),
                (2, speech.clone()),
                (3, report.clone()),
            ],
            vec![
                (3, report.clone()),
                (2, speech.clone()),
                (1, conversation.clone()),
            ],
            vec![(2, speech.clone()), (3, report.clone()), (1, conversation)],
        ] {
            let segments = all(&said);
            let texts: Vec<&str> = segments.iter().map(|s| s.text.as_str()).collect();
            assert_eq!(texts, ["Hello", "Hi"]);
            assert_eq!((segments[1].start_ms, segments[1].end_ms), (1000, 1900));
        }
    }

    #[test]
    fn a_conversation_that_grows_is_written_at_its_end_only() {
        let mut script = Script::default();
        let mut said = |ms, texts: &[&str]| {
            let mut rows = Rows::default();
            script.hear(at(ms), &whole(Layer::Conversation, texts), &mut rows);
            (rows.put.len(), rows.taken.len())
        };
        assert_eq!(said(1, &["a", "b", "c"]), (3, 0));
        assert_eq!(said(2, &["a", "b", "c d", "e"]), (2, 0));
        assert_eq!(said(2, &["a", "b", "c d", "e"]), (0, 0), "the same again");
        assert_eq!(said(1, &["x"]), (0, 0), "an older one");
        assert_eq!(said(3, &["a", "B"]), (2, 2), "another one");
    }

    fn utterance(id: &str, party: Party, text: &str, from: i64, to: i64) -> Utterance {
        Utterance {
            id: id.to_owned(),
            party,
            text: text.to_owned(),
            from: at(from),
            to: at(to),
            confidence: None,
        }
    }

    #[test]
    fn what_was_heard_lies_in_its_order_and_pieces_without_a_pause_are_one() {
        let said = [
            utterance("c2", Party::Customer, "at all", 3_500, 4_000),
            utterance("a1", Party::Agent, "Why?", 4_100, 4_600),
            utterance("c1", Party::Customer, "It has not arrived", 1_000, 3_000),
            utterance("c3", Party::Customer, "Well,", 8_000, 8_500),
            utterance("c4", Party::Customer, "nobody knows", 9_600, 10_500),
        ];
        let expected = [
            ("c1", "It has not arrived at all", 1_000, 4_000),
            ("a1", "Why?", 4_100, 4_600),
            ("c3", "Well,", 8_000, 8_500),
            ("c4", "nobody knows", 9_600, 10_500),
        ];
        let mut rows: Vec<Row> = said.iter().filter_map(|one| heard(one, at(0))).collect();
        for _ in 0..rows.len() {
            rows.rotate_left(1);
            let segments = arrange(rows.clone(), at(0));
            let found: Vec<_> = segments
                .iter()
                .map(|one| (&*one.id, &*one.text, one.start_ms, one.end_ms))
                .collect();
            assert_eq!(found, expected);
        }
        let monologue: Vec<Row> = (0..100)
            .filter_map(|n| {
                let (id, from) = (format!("m{n}"), n * 1_000);
                heard(&utterance(&id, Party::Agent, "on", from, from + 900), at(0))
            })
            .collect();
        assert_eq!(arrange(monologue, at(0)).len(), 4);
    }

    #[test]
    fn text_is_one_line_without_control_characters() {
        let segments = all(&[(1, piece(Party::Agent, " a\nb\0\u{7}c ", true))]);
        assert_eq!(segments[0].text, "a bc");
        assert!(all(&[(1, piece(Party::Agent, "\0 \n", true))]).is_empty());
    }
}
