//! Transcripts as texts: to be read, or shown beside the recording.

use std::fmt::Write as _;

use sidetone_wire::{Party, TranscriptSegment};

/// The shortest time that a subtitle stands, in milliseconds.
const SHORTEST_MS: u64 = 500;
/// Keeps what stands around it apart without being seen.
const WORD_JOINER: char = '\u{2060}';

const fn name(party: Party) -> &'static str {
    match party {
        Party::Customer => "Customer",
        Party::Agent => "Agent",
        Party::Supervisor => "Supervisor",
    }
}

/// A line per segment.
pub(crate) fn txt(segments: &[TranscriptSegment]) -> String {
    let mut out = String::new();
    for segment in segments {
        let seconds = segment.start_ms / 1000;
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let (who, text) = (name(segment.party), one_line(&segment.text));
        write(
            &mut out,
            format_args!("[{hours:02}:{minutes:02}:{seconds:02}] {who}: {text}\n"),
        );
    }
    out
}

/// WebVTT: `&`, `<` and `>` are escaped, so that no tag, no time and no comment is read in a text.
pub(crate) fn vtt(segments: &[TranscriptSegment]) -> String {
    let mut out = String::from("WEBVTT\n");
    for segment in segments {
        let (start, end) = span(segment, '.');
        let mut text = String::new();
        for c in one_line(&segment.text).chars() {
            match c {
                '&' => text.push_str("&amp;"),
                '<' => text.push_str("&lt;"),
                '>' => text.push_str("&gt;"),
                c => text.push(c),
            }
        }
        let who = name(segment.party);
        write(
            &mut out,
            format_args!("\n{start} --> {end}\n<v {who}>{text}\n"),
        );
    }
    out
}

/// SubRip has no escapes: what players would read as formatting is broken up by a character that
/// is not seen.
pub(crate) fn srt(segments: &[TranscriptSegment]) -> String {
    let mut out = String::new();
    for (n, segment) in segments.iter().enumerate() {
        let (start, end) = span(segment, ',');
        let mut text = String::new();
        for c in one_line(&segment.text).chars() {
            if c == '>' {
                text.push(WORD_JOINER);
            }
            text.push(c);
            if matches!(c, '<' | '{' | '\\') {
                text.push(WORD_JOINER);
            }
        }
        let (n, who) = (n + 1, name(segment.party));
        write(
            &mut out,
            format_args!("{n}\n{start} --> {end}\n{who}: {text}\n\n"),
        );
    }
    out
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes everything");
}

/// An empty line would end a subtitle.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn span(segment: &TranscriptSegment, point: char) -> (String, String) {
    let end_ms = segment.end_ms.max(segment.start_ms + SHORTEST_MS);
    (time(segment.start_ms, point), time(end_ms, point))
}

fn time(ms: u64, point: char) -> String {
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    let (seconds, ms) = (ms / 1000 % 60, ms % 1000);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, start_ms: u64, end_ms: u64) -> TranscriptSegment {
        TranscriptSegment {
            id: "s0".to_owned(),
            party: Party::Customer,
            text: text.to_owned(),
            is_final: true,
            start_ms,
            end_ms,
            confidence: None,
            sentiment: None,
        }
    }

    #[test]
    fn a_text_is_read_line_by_line() {
        let segments = [said("Hello\nthere", 3_723_000, 3_724_000)];
        assert_eq!(txt(&segments), "[01:02:03] Customer: Hello there\n");
    }

    #[test]
    fn nothing_in_a_text_is_read_as_webvtt() {
        let segments = [said("a <b>c</b> & 00:01 --> 00:02\n\nNOTE x", 1500, 1500)];
        assert_eq!(
            vtt(&segments),
            "WEBVTT\n\n00:00:01.500 --> 00:00:02.000\n\
             <v Customer>a &lt;b&gt;c&lt;/b&gt; &amp; 00:01 --&gt; 00:02 NOTE x\n"
        );
    }

    #[test]
    fn nothing_in_a_text_is_read_as_subrip() {
        let segments = [said(
            "<b>{\\an8}\n\n2\n00:00:01,000 --> 00:00:02,000",
            0,
            2000,
        )];
        let text = srt(&segments);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[..2], ["1", "00:00:00,000 --> 00:00:02,000"]);
        assert!(
            !lines[2].contains("<b>") && !lines[2].contains("{\\an8"),
            "{text}"
        );
        assert!(!lines[2].contains("-->"), "{text}");
        assert_eq!(
            lines[2].replace(WORD_JOINER, ""),
            "Customer: <b>{\\an8} 2 00:00:01,000 --> 00:00:02,000"
        );
    }
}
