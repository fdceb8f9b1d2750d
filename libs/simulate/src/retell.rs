//! The webhooks of a call on Retell.

pub mod live;

use serde_json::{Value, json};

/// A call, of which webhooks tell.
#[derive(Debug, Clone)]
pub struct RetellCall {
    /// Its id at Retell.
    pub id: String,
    /// The customer's number.
    pub customer: String,
    /// Their name.
    pub customer_name: String,
    /// The agent's name.
    pub agent: String,
    /// The number that was called, or that calls.
    pub line: String,
    /// Whether we call.
    pub outbound: bool,
    /// When it began, in milliseconds since 1970.
    pub started_ms: i64,
    /// What is said in turn, the agent first.
    pub lines: Vec<String>,
}

/// How long a line takes.
const LINE_MS: i64 = 3000;

impl RetellCall {
    /// A short inbound call.
    pub fn new(id: &str, started_ms: i64) -> Self {
        Self {
            id: id.to_owned(),
            customer: "+4930123456".to_owned(),
            customer_name: "Karl Kunde".to_owned(),
            agent: "Ben".to_owned(),
            line: "+4930888888".to_owned(),
            outbound: false,
            started_ms,
            lines: ["Good morning.", "I want to cancel.", "That is done."]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    /// When it ends.
    pub fn ended_ms(&self) -> i64 {
        self.started_ms + (self.lines.len() as i64 + 1) * LINE_MS
    }

    /// All webhooks in their order, each with when it is sent.
    pub fn webhooks(&self) -> Vec<(i64, Value)> {
        let mut webhooks = vec![(self.started_ms, self.event("call_started", &json!({})))];
        for count in 1..=self.lines.len() {
            let more = json!({"transcript_with_tool_calls": self.items(count)});
            let mut updated = self.event("transcript_updated", &json!({}));
            if let (Some(updated), Some(more)) = (updated.as_object_mut(), more.as_object()) {
                updated.extend(more.clone());
            }
            webhooks.push((self.started_ms + count as i64 * LINE_MS, updated));
        }
        let ended = self.ended_ms();
        webhooks.push((ended, self.event("call_ended", &self.end())));
        let mut analysed = self.end();
        analysed["call_analysis"] = json!({
            "call_summary": "The customer cancelled.", "user_sentiment": "Negative",
            "call_successful": true, "in_voicemail": false,
            "custom_analysis_data": {"outcome": "Cancelled", "tags": ["churn"]},
        });
        webhooks.push((ended + 4000, self.event("call_analyzed", &analysed)));
        webhooks
    }

    /// An event with further fields of the call.
    pub fn event(&self, name: &str, more: &Value) -> Value {
        let (from, to, direction) = if self.outbound {
            (&self.line, &self.customer, "outbound")
        } else {
            (&self.customer, &self.line, "inbound")
        };
        let status = if more.get("end_timestamp").is_some() {
            "ended"
        } else {
            "ongoing"
        };
        let mut call = json!({
            "call_id": self.id, "call_type": "phone_call", "agent_id": "agent_1",
            "agent_name": self.agent, "call_status": status, "direction": direction,
            "from_number": from, "to_number": to, "start_timestamp": self.started_ms,
            "metadata": {"customer_name": self.customer_name},
        });
        if let (Some(call), Some(more)) = (call.as_object_mut(), more.as_object()) {
            call.extend(more.clone());
        }
        json!({"event": name, "call": call})
    }

    fn end(&self) -> Value {
        json!({
            "end_timestamp": self.ended_ms(), "duration_ms": self.ended_ms() - self.started_ms,
            "disconnection_reason": "user_hangup",
            "transcript_object": self.items(self.lines.len()),
            "recording_url": format!("https://dxc03zgurdly9.cloudfront.net/{}/recording.wav", self.id),
            "call_cost": {"combined_cost": 12.5, "total_duration_seconds": 12},
        })
    }

    fn items(&self, count: usize) -> Vec<Value> {
        let lines = self.lines.iter().take(count).enumerate();
        let item = |(n, line): (usize, &String)| {
            let start = (n as i64 * LINE_MS) as f64 / 1000.0;
            let role = if n % 2 == 0 { "agent" } else { "user" };
            json!({"role": role, "content": line, "words": [
                {"word": line, "start": start, "end": start + 2.5},
            ]})
        };
        lines.map(item).collect()
    }
}
