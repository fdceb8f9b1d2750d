//! Numbers that are not to be kept: of cards and of telephones, in digits or in words.
//!
//! Who says a number says it in groups, waits to be understood between them, and the recogniser
//! cuts as it likes: a number is looked for in all that a party says, one piece after the other.
//! What of it is found is left out of each piece, and so are digits that follow on what was.
//!
//! A card's number has as many digits as its first one says, and the last one fits (Luhn), somewhere
//! in digits that are said without another word between them; what is said along with it (its date,
//! its code) goes as well. A telephone's begins with `+` or 0 and has 7 to 15 digits, or has 10 to 15, or is
//! written as 3 and 4.

use std::ops::Range;

/// What stands in the place of a number.
const CARD: &str = "[card number]";
const PHONE: &str = "[phone number]";
/// Words that say nothing between two digits, so many at once.
const FILLERS: [&str; 17] = [
    "and", "then", "uh", "um", "erm", "er", "okay", "ok", "yes", "dash", "space", "hyphen", "und",
    "dann", "äh", "ähm", "ja",
];
const FILLERS_MAX: usize = 3;
/// Digits of one number are not further apart, in characters.
const APART_MAX: usize = 40;

const CARD_DIGITS: std::ops::RangeInclusive<usize> = 14..=19;
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Which numbers are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Redaction {
    pub(crate) cards: bool,
    pub(crate) phones: bool,
}

impl Redaction {
    /// Whether anything is.
    pub(crate) const fn is_on(self) -> bool {
        self.cards || self.phones
    }

    /// The pieces that one party said, in their order, without such numbers: those that change,
    /// with their places.
    pub(crate) fn apply(self, pieces: &[&str]) -> Vec<(usize, String)> {
        let mut joined = String::new();
        let mut starts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            starts.push(joined.len());
            joined.push_str(piece);
            joined.push('\n');
        }
        let found: Vec<(Range<usize>, &str)> = runs(&joined)
            .iter()
            .filter_map(|run| Some((run.span(), self.judge(run, &joined)?)))
            .collect();
        let mut changed = Vec::new();
        for (n, piece) in pieces.iter().enumerate() {
            let start = starts[n];
            let end = start + piece.len();
            let within = found
                .iter()
                .filter(|(span, _)| span.start < end && span.end > start);
            let mut text = String::new();
            let mut done = start;
            for (span, name) in within {
                text.push_str(&joined[done..span.start.max(done)]);
                text.push_str(name);
                done = span.end.min(end);
            }
            if done > start {
                text.push_str(&joined[done..end]);
                changed.push((n, text));
            }
        }
        changed
    }

    /// One text by itself.
    pub(crate) fn of(self, text: &str) -> Option<String> {
        if !self.is_on() || !may_hold(text) {
            return None;
        }
        let changed = self.apply(&[text]).into_iter().next();
        changed.map(|(_, text)| text)
    }

    fn judge(self, run: &Run, text: &str) -> Option<&'static str> {
        if run.follows.is_some() {
            return run.follows;
        }
        let digits: Vec<u8> = run.digits.iter().map(|digit| digit.value).collect();
        if self.cards && holds_card(&digits) {
            return Some(CARD);
        }
        (self.phones && run.is_phone(digits.len(), text)).then_some(PHONE)
    }
}

/// Whether a text has so much as a digit of a number in it.
pub(crate) fn may_hold(text: &str) -> bool {
    let mut words = Words::new(text);
    words.any(|(_, word)| matches!(meaning(word), Meaning::Digits(_) | Meaning::Ten(_)))
}

/// Whether a card's number lies somewhere in these digits.
fn holds_card(digits: &[u8]) -> bool {
    CARD_DIGITS.clone().any(|length| {
        let mut windows = digits.windows(length);
        windows.any(|number| is_issued(number[0], length) && fits(number))
    })
}

/// Whether cards whose number begins so have so many digits.
const fn is_issued(first: u8, length: usize) -> bool {
    match first {
        2 => length == 16,
        3 => length <= 16,
        4 => length == 16 || length == 19,
        5 | 6 => length >= 16,
        _ => false,
    }
}

/// Whether the last digit is the one that belongs to those before (Luhn).
fn fits(number: &[u8]) -> bool {
    let sum: u32 = number
        .iter()
        .rev()
        .enumerate()
        .map(|(n, digit)| {
            let digit = u32::from(*digit) * if n % 2 == 1 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    sum.is_multiple_of(10) && number.iter().any(|digit| *digit != number[0])
}

/// Digits that are said without another word between them.
#[derive(Debug)]
struct Run {
    digits: Vec<Digit>,
    /// What was left out right before it.
    follows: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct Digit {
    value: u8,
    /// Where its word stands.
    span: Range<usize>,
}

impl Run {
    fn span(&self) -> Range<usize> {
        let first = self.digits.first().map_or(0, |digit| digit.span.start);
        first..self.digits.last().map_or(first, |digit| digit.span.end)
    }

    fn is_phone(&self, count: usize, text: &str) -> bool {
        let span = self.span();
        if !PHONE_DIGITS.contains(&count) {
            return false;
        }
        let plus = text[..span.start]
            .trim_end_matches(['(', ' '])
            .ends_with('+')
            || text[..span.start].to_lowercase().ends_with("plus ");
        let three_and_four = count == 7 && {
            let written = &text[span];
            let bytes = written.as_bytes();
            bytes.len() == 8 && !bytes[3].is_ascii_digit()
        };
        plus || self.digits[0].value == 0 || count >= 10 || three_and_four
    }
}

/// What a word is to a number.
enum Meaning {
    /// These digits.
    Digits(Vec<u8>),
    /// So many times ten: a digit may follow that belongs to it.
    Ten(u8),
    /// The digit that follows, so many times.
    Times(usize),
    /// Nothing, but it does not end one.
    Filler,
    /// It ends one.
    Other,
}

fn meaning(word: &str) -> Meaning {
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Meaning::Digits(word.bytes().map(|byte| byte - b'0').collect());
    }
    if let Some(digits) = word
        .chars()
        .map(|c| c.to_digit(10))
        .collect::<Option<Vec<_>>>()
    {
        return Meaning::Digits(digits.into_iter().map(|digit| digit as u8).collect());
    }
    let word = word.to_lowercase();
    let digit = match word.as_str() {
        "zero" | "oh" | "o" | "nought" | "null" => 0,
        "one" | "eins" => 1,
        "two" | "zwei" | "zwo" => 2,
        "three" | "drei" => 3,
        "four" | "vier" => 4,
        "five" | "fünf" => 5,
        "six" | "sechs" => 6,
        "seven" | "sieben" => 7,
        "eight" | "acht" => 8,
        "nine" | "neun" => 9,
        "double" | "doppel" => return Meaning::Times(2),
        "triple" | "treble" => return Meaning::Times(3),
        other => return larger(other),
    };
    Meaning::Digits(vec![digit])
}

fn larger(word: &str) -> Meaning {
    const TEENS: [&str; 10] = [
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = [
        "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ];
    if let Some(over) = TEENS.iter().position(|teen| *teen == word) {
        return Meaning::Digits(vec![1, over as u8]);
    }
    if let Some(ten) = TENS.iter().position(|ten| *ten == word) {
        return Meaning::Ten(ten as u8 + 2);
    }
    if FILLERS.contains(&word) {
        return Meaning::Filler;
    }
    Meaning::Other
}

/// The words and numbers of a text with where they stand: letters and digits are never one.
struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = (Range<usize>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        let start = self.at + rest.find(char::is_alphanumeric)?;
        let word = &self.text[start..];
        let numeric = word.starts_with(char::is_numeric);
        let belongs = |c: char| c.is_alphanumeric() && c.is_numeric() == numeric;
        let length = word.find(|c| !belongs(c)).unwrap_or(word.len());
        self.at = start + length;
        Some((start..self.at, &word[..length]))
    }
}

/// Every run of digits of a text.
fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut digits: Vec<Digit> = Vec::new();
    let (mut fillers, mut times, mut ten) = (0, 1, None::<Range<usize>>);
    let mut follows = None;
    let close = |digits: &mut Vec<Digit>, follows: Option<&'static str>, runs: &mut Vec<Run>| {
        if !digits.is_empty() {
            let digits = std::mem::take(digits);
            runs.push(Run { digits, follows });
        }
    };
    let mut left_out = 0;
    for (span, word) in Words::new(text) {
        if span.start < left_out {
            continue;
        }
        if let Some(name) = stand_in(text, span.start) {
            close(&mut digits, follows, &mut runs);
            (fillers, times, ten, follows) = (0, 1, None, Some(name));
            left_out = span.start + name.len();
            continue;
        }
        let last = digits.last().map_or(span.start, |digit| digit.span.end);
        if text[last..span.start].chars().count() > APART_MAX {
            close(&mut digits, follows, &mut runs);
            (times, ten, follows) = (1, None, None);
        }
        match meaning(word) {
            Meaning::Digits(values) => {
                // twenty-three is 2 and 3, not 2, 0 and 3
                if ten.take().is_some() && values.len() == 1 && values[0] != 0 {
                    digits.pop();
                }
                for value in values {
                    for _ in 0..std::mem::replace(&mut times, 1) {
                        let span = span.clone();
                        digits.push(Digit { value, span });
                    }
                }
                fillers = 0;
            }
            Meaning::Ten(value) => {
                for value in [value, 0] {
                    let span = span.clone();
                    digits.push(Digit { value, span });
                }
                (fillers, times, ten) = (0, 1, Some(span));
            }
            Meaning::Times(count) => (times, ten) = (count, None),
            Meaning::Filler if fillers < FILLERS_MAX => (fillers, ten) = (fillers + 1, None),
            Meaning::Filler | Meaning::Other => {
                close(&mut digits, follows, &mut runs);
                (fillers, times, ten, follows) = (0, 1, None, None);
            }
        }
    }
    close(&mut digits, follows, &mut runs);
    runs
}

/// What stands at a word in the place of a number.
fn stand_in(text: &str, word: usize) -> Option<&'static str> {
    let from = word.checked_sub(1)?;
    let rest = text.get(from..)?;
    [CARD, PHONE]
        .into_iter()
        .find(|name| rest.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Redaction = Redaction {
        cards: true,
        phones: true,
    };
    const CARDS: Redaction = Redaction {
        cards: true,
        phones: false,
    };

    fn redacted(redaction: Redaction, pieces: &[&str]) -> Vec<String> {
        let mut texts: Vec<String> = pieces.iter().map(|text| (*text).to_owned()).collect();
        for (n, text) in redaction.apply(pieces) {
            texts[n] = text;
        }
        texts
    }

    #[test]
    fn cards_are_found_in_digits_in_words_and_in_both() {
        for text in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "four one one one, one one one one, one one one one, one one one one",
            "four triple one double one double one eleven eleven eleven eleven",
            "forty one eleven and then 1111, uh, 1111 1111",
            "vier eins eins eins eins eins eins eins eins eins eins eins eins eins eins eins",
            "4111 1111 1111 1111 12 27 123",
            "3782 822463 10005",
        ] {
            let said = format!("It is {text}.");
            assert_eq!(
                redacted(CARDS, &[&said]),
                ["It is [card number]."],
                "{text}"
            );
        }
    }

    #[test]
    fn a_number_that_was_said_in_pieces_is_left_out_of_each() {
        let pieces = [
            "My card is four one one one",
            "1111 1111",
            "11 11, thanks",
            "12 days",
        ];
        let expected = [
            "My card is [card number]",
            "[card number]",
            "[card number], thanks",
            "12 days",
        ];
        assert_eq!(redacted(CARDS, &pieces), expected);
        assert_eq!(redacted(CARDS, &expected), expected, "again it is the same");
        let rest = ["[card number]", "uh, 12 27", "123. Thanks, 7 days"];
        let expected = [
            "[card number]",
            "uh, [card number]",
            "[card number]. Thanks, 7 days",
        ];
        assert_eq!(redacted(CARDS, &rest), expected, "what follows goes, too");
    }

    #[test]
    fn phones_are_found_where_the_policy_says_so() {
        for phone in [
            "+49 30 123456",
            "030 123456",
            "(555) 123-4567",
            "555-0123",
            "oh three oh one two three four five six",
        ] {
            let said = format!("Call {phone} please");
            let texts = redacted(ALL, &[&said]);
            assert!(texts[0].ends_with("[phone number] please"), "{texts:?}");
            assert_eq!(redacted(CARDS, &[&said]), [said]);
        }
    }

    #[test]
    fn what_is_no_such_number_stays() {
        for text in [
            "4111 1111 1111 1112",
            "On 2026-11-26 at 10:30 we sold 1,250 for 99.90 each",
            "order 8675309",
            "one of the two of you, and that one too",
            "0000 0000 0000 0000",
            "",
            "ten years, twenty pounds, ninety nine problems",
        ] {
            let phones = Redaction {
                cards: true,
                phones: !text.starts_with('0') && !text.starts_with('4'),
            };
            assert_eq!(redacted(phones, &[text]), [text]);
            assert_eq!(phones.of(text), None);
        }
    }

    /// A card's number of so many digits.
    fn card() -> impl Strategy<Value = Vec<u8>> {
        let lengths: Vec<(u8, usize)> = (0..10)
            .flat_map(|first| CARD_DIGITS.map(move |length| (first, length)))
            .filter(|(first, length)| is_issued(*first, *length))
            .collect();
        let digits = prop::collection::vec(0..10_u8, 18);
        (digits, prop::sample::select(lengths)).prop_filter_map(
            "one digit, again and again",
            |(mut digits, (first, length))| {
                digits[0] = first;
                digits.truncate(length - 1);
                digits.push(0);
                let last = (0..10).find(|last| {
                    *digits.last_mut().unwrap() = *last;
                    fits(&digits)
                });
                last.map(|_| digits)
            },
        )
    }

    const NAMES: [&str; 10] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ];

    proptest! {
        #[test]
        fn however_a_card_is_said_nothing_of_it_is_left(
            digits in card(),
            manner in prop::collection::vec((any::<bool>(), 0..6_usize), 19),
            before in "[a-z ,.]{0,20}",
        ) {
            let mut pieces = vec![format!("{before} x ")];
            for (digit, (spoken, then)) in digits.iter().zip(manner) {
                let piece = pieces.last_mut().unwrap();
                if spoken {
                    piece.push(' ');
                    piece.push_str(NAMES[usize::from(*digit)]);
                    piece.push(' ');
                } else {
                    piece.push_str(&digit.to_string());
                }
                match then {
                    0 => piece.push(' '),
                    1 => piece.push('-'),
                    2 => piece.push_str(" uh "),
                    3 => pieces.push(String::new()),
                    _ => {}
                }
            }
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let left = redacted(CARDS, &pieces).join(" ");
            let left = left.replace(&before, "");
            prop_assert!(!left.chars().any(|c| c.is_ascii_digit()), "{}", left);
            prop_assert!(!NAMES.iter().any(|name| left.split(' ').any(|word| word == *name)), "{}", left);
        }

        #[test]
        fn whatever_is_said_it_is_cut_where_letters_end(
            pieces in prop::collection::vec("\\PC{0,40}|[0-9 +-]{0,40}", 0..6),
        ) {
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let texts = redacted(ALL, &pieces);
            let again: Vec<&str> = texts.iter().map(String::as_str).collect();
            let twice = redacted(ALL, &again);
            prop_assert_eq!(twice.len(), pieces.len());
        }
    }
}
