//! What Retell's webhooks say, and its monitor socket.

mod monitor;

use secrecy::SecretString;
use serde_json::Value;
use sidetone_wire::{CallStatus, Direction, Party, Timestamp};

use super::json::{at, first, outcome, seconds_ms, str, text, time};
use super::{Message, Unreadable};
use crate::calls::{CallUpdate, End, Layer, Said, Spoken, reason};
pub(crate) use monitor::Monitor;

/// Reads a webhook; `sent` is when its signature was made.
pub(crate) fn read(body: &[u8], sent: Timestamp) -> Result<Message, Unreadable> {
    let unreadable = |what| Unreadable {
        vendor: "Retell",
        what,
    };
    let body: Value = serde_json::from_slice(body).map_err(|_| unreadable("it is not JSON"))?;
    let kind = str(&body, &["event"]).ok_or_else(|| unreadable("it has no event"))?;
    // older payloads call it data
    let call = first(&[at(&body, &["call"]), at(&body, &["data"])]);
    let slug = |call| text(call, &["metadata", "tenant"]).or(text(call, &["metadata", "client"]));
    let tenant = call.and_then(slug);
    let call = call.and_then(|call| {
        let id = text(call, &["call_id"])?;
        Some((id, update(&body, call, kind, sent)?))
    });
    Ok(Message {
        kind: kind.to_owned(),
        call,
        answer: None,
        tenant,
    })
}

/// What an event says; `None` for one that is not known.
fn update(body: &Value, call: &Value, kind: &str, sent: Timestamp) -> Option<CallUpdate> {
    let at_ms = time(at(body, &["event_timestamp"]), sent).unwrap_or(sent);
    let mut update = facts(call, at_ms, sent);
    let destination = first(&[
        at(body, &["transfer_destination"]),
        at(call, &["transfer_destination"]),
    ]);
    match kind {
        "call_started" => {
            update.phase = Some(CallStatus::Connected);
            update.answered_at = update.started_at.or(Some(at_ms));
        }
        "transcript_updated" => {
            let said = first(&[
                at(body, &["transcript_with_tool_calls"]),
                at(call, &["transcript_with_tool_calls"]),
                at(call, &["transcript_object"]),
                at(body, &["transcript_object"]),
            ]);
            update.said = conversation(said, Layer::Conversation);
        }
        "transfer_started" => update.phase = Some(CallStatus::Transferring),
        "transfer_bridged" | "transfer_cancelled" => update.phase = Some(CallStatus::Connected),
        "transfer_ended" => {
            update.note("transferEndedAt", at(call, &["transfer_end_timestamp"]));
        }
        "call_ended" | "call_analyzed" => report(&mut update, call, sent),
        _ => return None,
    }
    if kind.starts_with("transfer_") {
        update.note("transferDestination", destination);
        update.note("transferOption", at(body, &["transfer_option"]));
    }
    Some(update)
}

fn facts(call: &Value, at_ms: Timestamp, sent: Timestamp) -> CallUpdate {
    let mut update = CallUpdate::at(at_ms);
    let (from, to) = (text(call, &["from_number"]), text(call, &["to_number"]));
    let direction = match (str(call, &["call_type"]), str(call, &["direction"])) {
        (Some("web_call"), _) => Direction::Web,
        (_, Some("outbound")) => Direction::Outbound,
        _ => Direction::Inbound,
    };
    update.direction = Some(direction);
    (update.customer, update.line) = match direction {
        Direction::Outbound => (to, from),
        Direction::Inbound | Direction::Web => (from, to),
    };
    update.agent_id = text(call, &["agent_id"]);
    update.agent_name = text(call, &["agent_name"]);
    update.customer_name = [
        &["metadata", "customer_name"][..],
        &["retell_llm_dynamic_variables", "customer_name"],
    ]
    .iter()
    .find_map(|path| text(call, path));
    update.started_at = time(at(call, &["start_timestamp"]), sent);
    update
}

fn party(role: &str) -> Option<Party> {
    match role {
        // who takes a call over serves, too
        "agent" | "transfer_target" => Some(Party::Agent),
        "user" => Some(Party::Customer),
        _ => None,
    }
}

fn conversation(items: Option<&Value>, layer: Layer) -> Said {
    let items = items.and_then(Value::as_array);
    let items = items.map_or(&[][..], Vec::as_slice);
    let mut spoken: Vec<Spoken> = Vec::new();
    for item in items {
        let party = str(item, &["role"]).and_then(party);
        let (Some(party), Some(text)) = (party, str(item, &["content"])) else {
            continue; // a tool, a node, a digit
        };
        let words = at(item, &["words"]).and_then(Value::as_array);
        let words = words.map_or(&[][..], Vec::as_slice);
        let former_end = spoken.last().map_or(0, |spoken| spoken.end_ms);
        let start_ms = words
            .first()
            .and_then(|word| seconds_ms(at(word, &["start"])));
        let end_ms = words.last().and_then(|word| seconds_ms(at(word, &["end"])));
        // the monitor socket has no words as they grow
        let began_ms = seconds_ms(at(item, &["time_sec"]));
        let start_ms = start_ms.or(began_ms).unwrap_or(former_end);
        spoken.push(Spoken {
            party,
            text: text.to_owned(),
            is_final: true,
            start_ms,
            end_ms: end_ms.unwrap_or(start_ms).max(start_ms),
        });
    }
    if layer != Layer::Report
        && let Some(last) = spoken.last_mut()
    {
        last.is_final = false; // it may still grow
    }
    if spoken.is_empty() {
        return Said::Nothing;
    }
    Said::Whole { layer, spoken }
}

/// What is known once the call is over; the analysis comes later.
fn report(update: &mut CallUpdate, call: &Value, sent: Timestamp) {
    let word = str(call, &["disconnection_reason"]);
    let ended = time(at(call, &["end_timestamp"]), sent).or_else(|| {
        let start = update.started_at?;
        let lasted = at(call, &["duration_ms"])?.as_i64()?;
        let ended = start.unix_ms().saturating_add(lasted.max(0));
        Some(Timestamp::from_unix_ms(ended))
    });
    update.end = Some(End::of(ended, word, reason::retell));
    let said = first(&[
        at(call, &["transcript_object"]),
        at(call, &["transcript_with_tool_calls"]),
        at(call, &["scrubbed_transcript_with_tool_calls"]),
    ]);
    update.said = conversation(said, Layer::Report);
    let analysis = at(call, &["call_analysis"]).unwrap_or(&Value::Null);
    let custom = &analysis["custom_analysis_data"];
    let told = ["outcome", "call_outcome", "disposition"].map(|key| at(custom, &[key]));
    update.outcome = outcome(first(&told))
        .or_else(|| {
            let voicemail = at(analysis, &["in_voicemail"])?.as_bool()?;
            voicemail.then(|| "voicemail".to_owned())
        })
        .or_else(|| outcome(at(analysis, &["call_successful"])));
    for tags in [
        at(call, &["metadata", "tags"]),
        at(custom, &["tags"]),
        at(call, &["agent_tag"]),
    ] {
        update.tag(tags);
    }
    for (key, value) in [
        ("summary", at(analysis, &["call_summary"])),
        ("sentiment", at(analysis, &["user_sentiment"])),
        ("structuredData", at(analysis, &["custom_analysis_data"])),
        ("successEvaluation", at(analysis, &["call_successful"])),
        ("inVoicemail", at(analysis, &["in_voicemail"])),
        ("cost", at(call, &["call_cost", "combined_cost"])),
        ("costs", at(call, &["call_cost"])),
        ("latency", at(call, &["latency"])),
        ("tokenUsage", at(call, &["llm_token_usage"])),
        (
            "collectedVariables",
            at(call, &["collected_dynamic_variables"]),
        ),
        ("telephony", at(call, &["telephony_identifier"])),
        ("transferDestination", at(call, &["transfer_destination"])),
        ("vendorMetadata", at(call, &["metadata"])),
    ] {
        update.note(key, value);
    }
    let recording = first(&[
        at(call, &["recording_multi_channel_url"]),
        at(call, &["scrubbed_recording_multi_channel_url"]),
        at(call, &["recording_url"]),
        at(call, &["scrubbed_recording_url"]),
    ]);
    let recording = recording
        .and_then(Value::as_str)
        .filter(|url| !url.is_empty());
    update.recordings.extend(recording.map(SecretString::from));
}

#[cfg(test)]
mod tests;
