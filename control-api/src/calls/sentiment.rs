//! How something was meant, where nobody says: by words that please and displease.
//!
//! The lists are short and their own (`docs/transcripts.md`): each word counts one, one with
//! *very* before it two, and one that is negated counts for the other side. A text in which no
//! such word is has no sentiment.

use sidetone_wire::Sentiment;

/// Words that somebody says who is pleased.
const PLEASED: [&str; 40] = [
    "amazing",
    "appreciate",
    "awesome",
    "brilliant",
    "delighted",
    "easy",
    "excellent",
    "fantastic",
    "fine",
    "glad",
    "good",
    "grateful",
    "great",
    "happy",
    "helpful",
    "helps",
    "impressed",
    "kind",
    "like",
    "love",
    "lovely",
    "nice",
    "perfect",
    "pleasant",
    "pleased",
    "pleasure",
    "recommend",
    "relieved",
    "resolved",
    "satisfied",
    "solved",
    "super",
    "sweet",
    "thank",
    "thanks",
    "thrilled",
    "useful",
    "welcome",
    "wonderful",
    "works",
];
/// Words that somebody says who is not.
const DISPLEASED: [&str; 52] = [
    "angry",
    "annoyed",
    "annoying",
    "awful",
    "bad",
    "broken",
    "cancel",
    "complain",
    "complaint",
    "confused",
    "confusing",
    "damaged",
    "disappointed",
    "disappointing",
    "disgusting",
    "dreadful",
    "fail",
    "failed",
    "fails",
    "frustrated",
    "frustrating",
    "furious",
    "hate",
    "horrible",
    "incompetent",
    "issue",
    "late",
    "lawyer",
    "mad",
    "mess",
    "missing",
    "outrageous",
    "pathetic",
    "poor",
    "problem",
    "problems",
    "refund",
    "ridiculous",
    "rude",
    "scam",
    "shame",
    "sick",
    "slow",
    "sorry",
    "stupid",
    "terrible",
    "unacceptable",
    "unhappy",
    "useless",
    "worried",
    "worst",
    "wrong",
];
/// Words that turn what follows into its opposite.
const NEGATIONS: [&str; 18] = [
    "aren't", "can't", "cannot", "couldn't", "didn't", "doesn't", "don't", "hardly", "isn't",
    "neither", "never", "no", "nor", "not", "nothing", "wasn't", "without", "won't",
];
/// Words that make what follows count twice.
const STRONG: [&str; 8] = [
    "absolutely",
    "completely",
    "extremely",
    "really",
    "so",
    "too",
    "totally",
    "very",
];
/// A negation is about what comes so many words after it.
const REACH: usize = 3;

/// How a text was meant; `None` if none of its words says.
pub(crate) fn of(text: &str) -> Option<Sentiment> {
    let mut score = 0_i32;
    let mut said = false;
    for clause in text.split(['.', ',', ';', '!', '?', ':']) {
        let words: Vec<String> = clause
            .split_whitespace()
            .map(|word| word.to_lowercase().replace('’', "'"))
            .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned())
            .collect();
        for (n, word) in words.iter().enumerate() {
            let side = match word.as_str() {
                word if PLEASED.contains(&word) => 1,
                word if DISPLEASED.contains(&word) => -1,
                _ => continue,
            };
            said = true;
            let before = &words[n.saturating_sub(REACH)..n];
            let among = |list: &[&str]| before.iter().any(|word| list.contains(&word.as_str()));
            let weight = if among(&STRONG) { 2 } else { 1 };
            let turned = if among(&NEGATIONS) { -1 } else { 1 };
            score += side * weight * turned;
        }
    }
    said.then_some(match score {
        ..0 => Sentiment::Negative,
        0 => Sentiment::Neutral,
        1.. => Sentiment::Positive,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_please_displease_and_are_turned_by_a_negation() {
        use Sentiment::{Negative, Neutral, Positive};
        for (text, expected) in [
            ("Thank you, that was very helpful.", Some(Positive)),
            ("This is not good.", Some(Negative)),
            ("That’s not a problem at all", Some(Positive)),
            ("I don’t really like it", Some(Negative)),
            ("No, thanks.", Some(Positive)),
            ("It was good, but it came late.", Some(Neutral)),
            (
                "It was good, but the support was very rude.",
                Some(Negative),
            ),
            ("My parcel has the number twelve.", None),
            ("", None),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn the_lists_are_in_order_and_say_each_word_once() {
        for list in [&PLEASED[..], &DISPLEASED, &NEGATIONS, &STRONG] {
            assert!(list.is_sorted_by(|a, b| a < b));
        }
        assert!(!PLEASED.iter().any(|word| DISPLEASED.contains(word)));
    }

    #[test]
    fn the_documentation_has_every_word() {
        let page = include_str!("../../../docs/transcripts.md");
        for list in [&PLEASED[..], &DISPLEASED, &NEGATIONS, &STRONG] {
            assert!(
                page.contains(&format!(": {}.\n", list.join(", "))),
                "{list:?}"
            );
        }
    }
}
