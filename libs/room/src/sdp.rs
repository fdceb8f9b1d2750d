//! What has to be read from and written into SDP text because the WebRTC core does not.

/// A media section that the remote side sends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Msid {
    /// `a=mid`.
    pub(crate) mid: String,
    /// The participant's sid.
    pub(crate) participant: String,
    /// The track's sid.
    pub(crate) track: String,
}

/// The server offers audio as `sendrecv` though we never send on it; the core would then answer
/// with a phantom sender. Audio and video sections are rewritten to `sendonly`.
pub(crate) fn sendonly_offer(sdp: &str) -> String {
    let mut media = false;
    let mut out = String::with_capacity(sdp.len());
    for line in sdp.split_inclusive('\n') {
        if line.starts_with("m=") {
            media = line.starts_with("m=audio") || line.starts_with("m=video");
        }
        if media && line.trim_end() == "a=sendrecv" {
            out.push_str("a=sendonly\r\n");
        } else {
            out.push_str(line);
        }
    }
    out
}

/// Asks the receiver of our Opus streams to report losses: the core itself offers NACK only for
/// codecs that it can resend over RTX, so the resending is ours (see `resend`).
pub(crate) fn offer_with_nack(sdp: &str) -> String {
    let mut out = String::with_capacity(sdp.len() + 64);
    for line in sdp.split_inclusive('\n') {
        out.push_str(line);
        let Some(rest) = line.strip_prefix("a=rtpmap:") else {
            continue;
        };
        if let Some((payload_type, codec)) = rest.split_once(' ')
            && codec.to_ascii_lowercase().starts_with("opus/48000")
        {
            out.push_str("a=rtcp-fb:");
            out.push_str(payload_type);
            out.push_str(" nack\r\n");
        }
    }
    out
}

/// Leaves one payload type in the section `mid`: a track of another codec than Opus is offered as
/// nothing else, so that the server takes it for what it is.
pub(crate) fn offer_single_codec(sdp: &str, mid: &str, payload_type: &str) -> String {
    let mut out = String::with_capacity(sdp.len());
    let sections = sdp
        .split_inclusive('\n')
        .fold(Vec::<String>::new(), |mut all, line| {
            if all.is_empty() || line.starts_with("m=") {
                all.push(String::new());
            }
            all.last_mut().expect("one was pushed").push_str(line);
            all
        });
    for section in sections {
        if !section
            .lines()
            .any(|line| line.strip_prefix("a=mid:") == Some(mid))
        {
            out.push_str(&section);
            continue;
        }
        for line in section.split_inclusive('\n') {
            let words: Vec<&str> = line.split_whitespace().take(3).collect();
            if line.starts_with("m=") && words.len() == 3 {
                out.push_str(&words.join(" "));
                out.extend([" ", payload_type, "\r\n"]);
            } else if !is_about_another_payload_type(line, payload_type) {
                out.push_str(line);
            }
        }
    }
    out
}

fn is_about_another_payload_type(line: &str, payload_type: &str) -> bool {
    ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().any(|prefix| {
        let value = line.strip_prefix(prefix);
        value
            .and_then(|v| v.split([' ', '\r', '\n']).next())
            .is_some_and(|pt| pt != payload_type)
    })
}

/// Which track is sent on which media section now. The core keeps the first msid of a re-used
/// section for ever, so the text is the only truth.
pub(crate) fn msids(sdp: &str) -> Vec<Msid> {
    let mut found = Vec::new();
    for section in sdp.split("\nm=").skip(1) {
        let (mut mid, mut msid, mut sends) = ("", "", false);
        for line in section.lines() {
            let line = line.trim_end();
            if let Some(value) = line.strip_prefix("a=mid:") {
                mid = value;
            } else if let Some(value) = line.strip_prefix("a=msid:") {
                msid = value;
            } else if matches!(line, "a=sendonly" | "a=sendrecv") {
                sends = true;
            }
        }
        let Some((stream, track)) = msid.split_once(' ') else {
            continue;
        };
        // the stream is `PA_xxx|TR_xxx`
        let (participant, packed) = stream.split_once('|').unwrap_or((stream, ""));
        let track = if track.starts_with("TR_") {
            track
        } else {
            packed
        };
        if sends && !mid.is_empty() && track.starts_with("TR_") {
            found.push(Msid {
                mid: mid.to_owned(),
                participant: participant.to_owned(),
                track: track.to_owned(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\na=sendrecv\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\na=sendrecv\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=rtpmap:111 opus/48000/2\r\n\
        a=msid:PA_a|TR_x TR_x\r\na=sendrecv\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:2\r\na=msid:PA_b|TR_y TR_y\r\na=inactive\r\n";

    #[test]
    fn only_media_sections_become_sendonly() {
        let out = sendonly_offer(OFFER);
        assert_eq!(out.matches("a=sendonly\r\n").count(), 1);
        assert_eq!(out.matches("a=sendrecv\r\n").count(), 2);
        assert_eq!(out.len(), OFFER.len());
    }

    #[test]
    fn nack_is_asked_for_opus_alone() {
        let out = offer_with_nack("a=rtpmap:0 PCMU/8000\r\na=rtpmap:111 opus/48000/2\r\na=x\r\n");
        assert_eq!(
            out,
            "a=rtpmap:0 PCMU/8000\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 nack\r\na=x\r\n"
        );
    }

    #[test]
    fn a_section_of_one_codec_names_no_other() {
        let offer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=mid:1\r\n\
            a=rtpmap:111 opus/48000/2\r\na=fmtp:111 x\r\na=rtpmap:0 PCMU/8000\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=mid:2\r\na=rtpmap:111 opus/48000/2\r\n";
        let out = offer_single_codec(offer, "1", "0");
        assert_eq!(
            out,
            "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\na=rtpmap:0 PCMU/8000\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=mid:2\r\na=rtpmap:111 opus/48000/2\r\n"
        );
    }

    #[test]
    fn tracks_are_found_on_the_sections_that_send() {
        let expected = Msid {
            mid: "1".into(),
            participant: "PA_a".into(),
            track: "TR_x".into(),
        };
        assert_eq!(msids(OFFER), [expected]);
    }

    #[test]
    fn a_section_that_is_used_again_names_its_new_track() {
        let again = OFFER.replace("PA_a|TR_x TR_x", "PA_c|TR_z TR_z");
        assert_eq!(msids(&again)[0].track, "TR_z");
    }

    #[test]
    fn garbage_names_nothing() {
        for text in [
            "",
            "m=",
            "\nm=audio\r\na=msid:\r\na=mid:\r\na=sendonly",
            "\nm=\na=msid:x y\na=sendrecv",
        ] {
            assert_eq!(msids(text), []);
            let _ = (sendonly_offer(text), offer_with_nack(text));
        }
    }
}
