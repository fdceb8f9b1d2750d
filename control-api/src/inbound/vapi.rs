//! What Vapi's server messages say.
//!
//! Fields are looked for where the documentation has them and where real payloads have them: at the
//! message, in its `artifact`, in its `call`.

use secrecy::SecretString;
use serde_json::{Value, json};
use sidetone_wire::{CallStatus, Direction, Party, Timestamp};

use super::json::{at, first, outcome, seconds_ms, str, text, time};
use super::{Message, Unreadable};
use crate::calls::{CallUpdate, End, Layer, Said, Spoken, reason};

/// What is said to Vapi when it asks for what Sidetone does not decide.
const DECLINED: &str = "Sidetone observes calls; it does not answer this request.";

/// The message types that tell of a call. Those that Vapi adds later are taken and change nothing
/// until they stand here.
const KNOWN: &[&str] = &[
    "assistant-request",
    "assistant.speechStarted",
    "assistant.started",
    "conversation-update",
    "end-of-call-report",
    "function-call",
    "handoff-destination-request",
    "hang",
    "knowledge-base-request",
    "language-change-detected",
    "model-output",
    "phone-call-control",
    "speech-update",
    "status-update",
    "tool-calls",
    "transcript",
    "transfer-destination-request",
    "transfer-update",
    "user-interrupted",
    "voice-input",
    "voice-request",
];

/// Reads a server message; `now` is its time if it has none.
pub(crate) fn read(body: &[u8], now: Timestamp) -> Result<Message, Unreadable> {
    let unreadable = |what| Unreadable {
        vendor: "Vapi",
        what,
    };
    let body: Value = serde_json::from_slice(body).map_err(|_| unreadable("it is not JSON"))?;
    let message = at(&body, &["message"]).unwrap_or(&body);
    let kind = str(message, &["type"]).ok_or_else(|| unreadable("it has no message.type"))?;
    // `transcript[transcriptType="final"]` is a transcript
    let kind = kind.split('[').next().unwrap_or(kind);
    let id = text(message, &["call", "id"]).filter(|_| KNOWN.contains(&kind));
    let call = id.map(|id| {
        let at = time(at(message, &["timestamp"]), now).unwrap_or(now);
        (id, update(message, kind, at, now))
    });
    Ok(Message {
        kind: kind.to_owned(),
        call,
        answer: answer(message, kind),
        tenant: None,
    })
}

/// What Vapi waits for: an error or an empty result, as it documents them.
fn answer(message: &Value, kind: &str) -> Option<Value> {
    match kind {
        "assistant-request" | "transfer-destination-request" | "handoff-destination-request" => {
            Some(json!({ "error": DECLINED }))
        }
        "knowledge-base-request" => Some(json!({ "documents": [] })),
        "function-call" => Some(json!({ "result": DECLINED })),
        "tool-calls" => {
            let calls = first(&[at(message, &["toolCallList"]), at(message, &["toolCalls"])]);
            let calls = calls
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice);
            let declined = |call: &Value| {
                let name = first(&[at(call, &["name"]), at(call, &["function", "name"])]);
                json!({ "toolCallId": at(call, &["id"]), "name": name, "error": DECLINED })
            };
            let results: Vec<Value> = calls.iter().map(declined).collect();
            Some(json!({ "results": results }))
        }
        _ => None,
    }
}

fn update(message: &Value, kind: &str, sent: Timestamp, now: Timestamp) -> CallUpdate {
    let mut update = facts(message, sent, now);
    match kind {
        "status-update" => status(&mut update, message, now),
        "transcript" => update.said = piece(message),
        "conversation-update" => {
            update.said = conversation(at(message, &["messages"]), Layer::Conversation);
        }
        "transfer-update" => {
            update.phase = Some(CallStatus::Transferring);
            update.note("transferDestination", at(message, &["destination"]));
        }
        "end-of-call-report" => report(&mut update, message, now),
        // a sign of life
        _ => {}
    }
    update
}

/// What every message repeats.
fn facts(message: &Value, sent: Timestamp, now: Timestamp) -> CallUpdate {
    let call = &message["call"];
    let mut update = CallUpdate::at(sent);
    let kind = str(call, &["type"]);
    update.direction = match kind {
        Some("inboundPhoneCall") => Some(Direction::Inbound),
        Some("outboundPhoneCall") => Some(Direction::Outbound),
        Some("webCall" | "vapi.websocketCall") => Some(Direction::Web),
        Some(_) | None => None,
    };
    let either = |path: &[&str]| text(message, path).or_else(|| text(call, path));
    update.customer = either(&["customer", "number"]).or_else(|| either(&["customer", "sipUri"]));
    update.customer_name = either(&["customer", "name"]);
    update.line = either(&["phoneNumber", "number"]);
    update.agent_id = text(call, &["assistantId"]).or_else(|| either(&["assistant", "id"]));
    update.agent_name = either(&["assistant", "name"]);
    update.created_at = time(at(call, &["createdAt"]), now);
    update.started_at = time(at(call, &["startedAt"]), now);
    let url = |name| str(call, &["monitor", name]).map(SecretString::from);
    update.listen_url = url("listenUrl");
    update.control_url = url("controlUrl");
    update
}

fn status(update: &mut CallUpdate, message: &Value, now: Timestamp) {
    match str(message, &["status"]) {
        Some("scheduled" | "queued") => update.phase = Some(CallStatus::Connecting),
        Some("ringing") => update.phase = Some(CallStatus::Ringing),
        Some("in-progress") => {
            update.phase = Some(CallStatus::Connected);
            update.answered_at = Some(update.at);
        }
        Some("forwarding") => {
            update.phase = Some(CallStatus::Transferring);
            update.note("transferDestination", at(message, &["destination"]));
        }
        Some("ended") => update.end = Some(end(message, now)),
        Some("not-found" | "deletion-failed") => {
            update.end = Some(End::of(None, Some("call_deleted"), reason::vapi));
        }
        Some(_) | None => {}
    }
}

fn end(message: &Value, now: Timestamp) -> End {
    let ended = first(&[at(message, &["endedAt"]), at(message, &["call", "endedAt"])]);
    let word = str(message, &["endedReason"]).or_else(|| str(message, &["call", "endedReason"]));
    End::of(time(ended, now), word, reason::vapi)
}

fn party(role: &str) -> Option<Party> {
    match role {
        "assistant" | "bot" => Some(Party::Agent),
        "user" | "customer" => Some(Party::Customer),
        _ => None,
    }
}

fn piece(message: &Value) -> Said {
    let party = str(message, &["role"]).and_then(party);
    match (party, str(message, &["transcript"])) {
        (Some(party), Some(text)) => Said::Piece {
            party,
            text: text.to_owned(),
            is_final: str(message, &["transcriptType"]) != Some("partial"),
        },
        _ => Said::Nothing,
    }
}

fn conversation(messages: Option<&Value>, layer: Layer) -> Said {
    let messages = messages.and_then(Value::as_array);
    let messages = messages.map_or(&[][..], Vec::as_slice);
    let spoken: Vec<Spoken> = messages.iter().filter_map(spoken).collect();
    if spoken.is_empty() {
        return Said::Nothing;
    }
    Said::Whole { layer, spoken }
}

fn spoken(item: &Value) -> Option<Spoken> {
    let party = party(str(item, &["role"])?)?;
    let text = first(&[at(item, &["message"]), at(item, &["content"])])?.as_str()?;
    let start_ms = seconds_ms(at(item, &["secondsFromStart"])).unwrap_or_default();
    let ms = |key| at(item, &[key]).and_then(Value::as_f64);
    let lasts = ms("duration").or_else(|| Some(ms("endTime")? - ms("time")?));
    let lasts = lasts.filter(|ms| ms.is_finite()).unwrap_or_default();
    Some(Spoken {
        party,
        text: text.to_owned(),
        is_final: true,
        start_ms,
        end_ms: start_ms.saturating_add(lasts.max(0.0) as u64),
    })
}

/// The transcript as one text: `AI: …` and `User: …`, line by line.
fn lines(transcript: Option<&str>) -> Said {
    let mut spoken: Vec<Spoken> = Vec::new();
    for line in transcript.unwrap_or_default().lines() {
        let (who, text) = line.split_once(':').unwrap_or(("", line));
        let party = match who.trim() {
            "AI" | "Assistant" | "Bot" => Some(Party::Agent),
            "User" | "Customer" => Some(Party::Customer),
            _ => None,
        };
        match (party, spoken.last_mut()) {
            (Some(party), _) => spoken.push(Spoken {
                party,
                text: text.to_owned(),
                is_final: true,
                start_ms: 0,
                end_ms: 0,
            }),
            // a text that goes over several lines
            (None, Some(last)) => {
                last.text.push(' ');
                last.text.push_str(line);
            }
            (None, None) => {}
        }
    }
    if spoken.is_empty() {
        return Said::Nothing;
    }
    let layer = Layer::Report;
    Said::Whole { layer, spoken }
}

fn report(update: &mut CallUpdate, message: &Value, now: Timestamp) {
    let places = |path: &[&str]| {
        let nested = |outer: &str| at(message, &[outer]).and_then(|value| at(value, path));
        first(&[at(message, path), nested("artifact"), nested("call")])
    };
    update.end = Some(end(message, now));
    update.started_at = time(at(message, &["startedAt"]), now).or(update.started_at);
    update.said = conversation(places(&["messages"]), Layer::Report);
    if update.said == Said::Nothing {
        update.said = lines(places(&["transcript"]).and_then(Value::as_str));
    }
    let analysis = first(&[
        at(message, &["analysis"]),
        at(message, &["call", "analysis"]),
    ])
    .unwrap_or(&Value::Null);
    let structured = &analysis["structuredData"];
    let told = ["outcome", "disposition", "callOutcome"].map(|key| at(structured, &[key]));
    let success = at(analysis, &["successEvaluation"]);
    update.outcome = outcome(first(&told)).or_else(|| outcome(success));
    for tags in [
        at(message, &["tags"]),
        at(message, &["call", "metadata", "tags"]),
        at(message, &["assistant", "metadata", "tags"]),
        at(analysis, &["tags"]),
        at(structured, &["tags"]),
    ] {
        update.tag(tags);
    }
    let summary = first(&[at(analysis, &["summary"]), places(&["summary"])]);
    let latency = at(message, &["artifact", "performanceMetrics"]);
    for (key, value) in [
        ("summary", summary),
        ("structuredData", at(analysis, &["structuredData"])),
        (
            "structuredDataMulti",
            at(analysis, &["structuredDataMulti"]),
        ),
        ("successEvaluation", success),
        ("cost", places(&["cost"])),
        ("costs", places(&["costs"])),
        ("transferDestination", at(message, &["destination"])),
        ("performanceMetrics", latency),
        (
            "structuredOutputs",
            at(message, &["artifact", "structuredOutputs"]),
        ),
        ("scorecards", at(message, &["artifact", "scorecards"])),
        ("compliance", at(message, &["compliance"])),
        ("vendorMetadata", at(message, &["call", "metadata"])),
    ] {
        update.note(key, value);
    }
    // both channels apart, if it is to be had
    let recording = first(&[
        places(&["stereoRecordingUrl"]),
        places(&["recording", "stereoUrl"]),
        places(&["recordingUrl"]),
        places(&["recording", "mono", "combinedUrl"]),
    ]);
    let recording = recording
        .and_then(Value::as_str)
        .filter(|url| !url.is_empty());
    update.recordings.extend(recording.map(SecretString::from));
    if let Some(name) = text(structured, &["customerName"]) {
        update.customer_name = Some(name);
    }
}

#[cfg(test)]
mod tests;
