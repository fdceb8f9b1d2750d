//! The server messages of a call on Vapi.

use serde_json::{Value, json};

/// A call, of which messages tell.
#[derive(Debug, Clone)]
pub struct VapiCall {
    /// Its id at Vapi.
    pub id: String,
    /// The customer's number.
    pub customer: String,
    /// Their name.
    pub customer_name: String,
    /// The assistant's name.
    pub assistant: String,
    /// The number that was called, or that calls.
    pub line: String,
    /// Whether we call.
    pub outbound: bool,
    /// Where it is heard, if not at Vapi.
    pub listen_url: Option<String>,
    /// Where it takes orders, if not at Vapi.
    pub control_url: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// What is said in turn, the assistant first.
    pub lines: Vec<String>,
}

/// Between the making of the call and its answering.
const RINGS_MS: i64 = 4000;
/// How long a line takes.
const LINE_MS: i64 = 3000;

impl VapiCall {
    /// A short inbound call.
    pub fn new(id: &str, created_ms: i64) -> Self {
        Self {
            id: id.to_owned(),
            customer: "+4930123456".to_owned(),
            customer_name: "Carla Customer".to_owned(),
            assistant: "Aria".to_owned(),
            line: "+4930999999".to_owned(),
            outbound: false,
            listen_url: None,
            control_url: None,
            created_ms,
            lines: [
                "Hello, how can I help?",
                "My parcel is late.",
                "I am sorry.",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }

    /// When it was answered.
    pub fn started_ms(&self) -> i64 {
        self.created_ms + RINGS_MS
    }

    /// When it ends.
    pub fn ended_ms(&self) -> i64 {
        self.started_ms() + (self.lines.len() as i64 + 1) * LINE_MS
    }

    /// All messages in their order, with `transcript` messages as an assistant sends them that was
    /// told to.
    pub fn messages(&self) -> Vec<Value> {
        let mut messages = vec![
            self.status("queued", 0),
            self.status("ringing", 500),
            self.status("in-progress", RINGS_MS),
        ];
        for (n, line) in self.lines.iter().enumerate() {
            let role = role(n);
            let begins = RINGS_MS + n as i64 * LINE_MS;
            messages.push(self.speech("started", role, begins + 100));
            let half: String = line.chars().take(line.chars().count() / 2).collect();
            messages.push(self.transcript(role, "partial", &half, begins + 1000));
            messages.push(self.transcript(role, "final", line, begins + 2500));
            messages.push(self.speech("stopped", role, begins + 2600));
            messages.push(self.conversation(n + 1, begins + 2700));
        }
        let mut ended = self.status("ended", self.ended_ms() - self.created_ms);
        ended["message"]["endedReason"] = json!("customer-ended-call");
        messages.push(ended);
        messages.push(self.report(self.ended_ms() - self.created_ms + 5000));
        messages
    }

    /// A message of any type, `after_ms` after the call was made.
    pub fn message(&self, kind: &str, after_ms: i64, more: &Value) -> Value {
        let kind_of_call = if self.outbound {
            "outboundPhoneCall"
        } else {
            "inboundPhoneCall"
        };
        let host = "wss://phone-call-websocket.aws-us-west-2-backend-production1.vapi.ai";
        let listen_url = format!("{host}/{}/listen", self.id);
        let listen_url = self.listen_url.as_ref().unwrap_or(&listen_url);
        let control_url = format!("{}/{}/control", host.replace("wss", "https"), self.id);
        let control_url = self.control_url.as_ref().unwrap_or(&control_url);
        let mut message = json!({
            "type": kind,
            "timestamp": self.created_ms + after_ms,
            "call": {
                "id": self.id, "orgId": "org-1", "type": kind_of_call,
                "assistantId": "assistant-1", "createdAt": self.created_ms,
                "monitor": {
                    "listenUrl": listen_url,
                    "controlUrl": control_url,
                },
            },
            "assistant": {"name": self.assistant},
            "customer": {"number": self.customer, "name": self.customer_name},
            "phoneNumber": {"number": self.line},
        });
        if let (Some(message), Some(more)) = (message.as_object_mut(), more.as_object()) {
            message.extend(more.clone());
        }
        json!({ "message": message })
    }

    /// How it stands.
    pub fn status(&self, status: &str, after_ms: i64) -> Value {
        self.message("status-update", after_ms, &json!({ "status": status }))
    }

    fn speech(&self, status: &str, role: &str, after_ms: i64) -> Value {
        let more = json!({"status": status, "role": role});
        self.message("speech-update", after_ms, &more)
    }

    fn transcript(&self, role: &str, kind: &str, text: &str, after_ms: i64) -> Value {
        let more = json!({"role": role, "transcriptType": kind, "transcript": text});
        self.message("transcript", after_ms, &more)
    }

    fn items(&self, count: usize) -> Vec<Value> {
        let lines = self.lines.iter().take(count).enumerate();
        let item = |(n, line): (usize, &String)| {
            let role = if n % 2 == 0 { "bot" } else { "user" };
            let start = n as i64 * LINE_MS;
            json!({"role": role, "message": line, "time": self.started_ms() + start,
                "endTime": self.started_ms() + start + 2500, "duration": 2500,
                "secondsFromStart": start as f64 / 1000.0})
        };
        let system = json!({"role": "system", "message": "You are Aria.", "secondsFromStart": 0});
        std::iter::once(system).chain(lines.map(item)).collect()
    }

    fn conversation(&self, count: usize, after_ms: i64) -> Value {
        let more = json!({"messages": self.items(count), "messagesOpenAIFormatted": []});
        self.message("conversation-update", after_ms, &more)
    }

    /// The report after the call.
    pub fn report(&self, after_ms: i64) -> Value {
        let more = json!({
            "endedReason": "customer-ended-call",
            "startedAt": self.started_ms(), "endedAt": self.ended_ms(),
            "cost": 0.12, "costs": [{"type": "transport", "cost": 0.12}],
            "analysis": {
                "summary": "The parcel is late.", "successEvaluation": "true",
                "structuredData": {"outcome": "Refund promised", "tags": ["refund", "parcel"]},
            },
            "artifact": {
                "messages": self.items(self.lines.len()),
                "transcript": "AI: Hello, how can I help?",
                "recordingUrl": format!("https://storage.vapi.ai/{}-mono.wav", self.id),
                "stereoRecordingUrl": format!("https://storage.vapi.ai/{}-stereo.wav", self.id),
            },
        });
        self.message("end-of-call-report", after_ms, &more)
    }
}

const fn role(n: usize) -> &'static str {
    if n.is_multiple_of(2) {
        "assistant"
    } else {
        "user"
    }
}
