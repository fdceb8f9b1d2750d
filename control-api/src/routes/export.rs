//! `GET /api/dashboard/export`: a tenant's calls as a file, however many they are.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use sidetone_wire::{Call, CallStatus, Direction, Timestamp, Upstream};
use utoipa::{IntoParams, ToSchema};

use super::calls::ListCalls;
use crate::app::now;
use crate::auth::Caller;
use crate::extract::Query;
use crate::numbers::{self, Hidden, Viewer};
use crate::problem::{Problem, ProblemBody};
use crate::sheet;
use crate::store::{CallFilter, Place, Subject, Tenant};

/// Calls that are read at once: what is in memory of an export.
const CHUNK: u32 = 100;

/// A column's name, and where it is found in the call object.
const COLUMNS: [(&str, &str); 23] = [
    ("id", "/id"),
    ("startedAt", "/startedAt"),
    ("answeredAt", "/answeredAt"),
    ("endedAt", "/endedAt"),
    ("durationSeconds", "/durationSeconds"),
    ("direction", "/direction"),
    ("status", "/status"),
    ("outcome", "/outcome"),
    ("endClass", "/endReason/class"),
    ("endCode", "/endReason/code"),
    ("from", "/from"),
    ("to", "/to"),
    ("customerName", "/customerName"),
    ("agentId", "/agentId"),
    ("agentName", "/agentName"),
    ("upstream", "/upstream"),
    ("upstreamCallId", "/upstreamCallId"),
    ("livekitRoomName", "/livekitRoomName"),
    ("branchId", "/branchId"),
    ("campaign", "/campaign"),
    ("tags", "/tags"),
    ("consent", "/consent"),
    ("recordingUrl", "/recordingStoredUrl"),
];

/// How the file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Csv,
    Json,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Default `csv`.
    #[param(inline)]
    format: Option<Format>,
    /// Exactly this state.
    status: Option<CallStatus>,
    direction: Option<Direction>,
    upstream: Option<Upstream>,
    /// The agent's id or name.
    agent: Option<String>,
    /// One of the call's tags.
    tag: Option<String>,
    /// Found anywhere in numbers, names, room or upstream id; at most 200 characters.
    q: Option<String>,
    /// Started then or later.
    from: Option<Timestamp>,
    /// Started then or earlier.
    to: Option<Timestamp>,
    /// Lasted at least that many seconds.
    min_duration: Option<u32>,
}

impl Asked {
    /// What the audit log keeps of it. What was searched for may be a number: that it was is enough.
    fn detail(&self, format: Format) -> Value {
        json!({
            "format": format.name(), "status": self.status, "direction": self.direction,
            "upstream": self.upstream, "agent": self.agent, "tag": self.tag,
            "searched": self.q.is_some(), "from": self.from, "to": self.to,
            "minDuration": self.min_duration,
        })
    }
}

/// An export that goes on.
struct Export {
    tenant: Tenant,
    viewer: Option<Viewer>,
    format: Format,
    filter: CallFilter,
    after: Option<Place>,
    /// How far it is.
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Beginning,
    Going,
    Done,
}

impl Export {
    /// The next part of the file; `None` at its end.
    async fn part(&mut self) -> Result<Option<Bytes>, crate::store::Error> {
        if self.stage == Stage::Done {
            return Ok(None);
        }
        let calls = self
            .tenant
            .calls(&self.filter, self.after, CHUNK, now())
            .await?;
        let mut part = Vec::new();
        let first = self.stage == Stage::Beginning;
        if first {
            self.begin(&mut part);
        }
        for (n, call) in calls.iter().enumerate() {
            self.write(call, first && n == 0, &mut part);
        }
        self.stage = Stage::Going;
        self.after = calls.last().map(|call| Place {
            started_at: call.started_at,
            id: call.id,
        });
        if calls.len() < CHUNK as usize {
            self.stage = Stage::Done;
            if self.format == Format::Json {
                part.extend_from_slice(b"]\n");
            }
        }
        Ok(Some(part.into()))
    }

    fn begin(&self, part: &mut Vec<u8>) {
        match self.format {
            Format::Csv => part.extend(sheet::line(COLUMNS.map(|(name, _)| name.to_owned()))),
            Format::Json => part.push(b'['),
        }
    }

    fn write(&self, call: &Call, first: bool, part: &mut Vec<u8>) {
        let mut call = serde_json::to_value(call).unwrap_or(Value::Null);
        if self.viewer.is_some() {
            numbers::hide(&mut call, self.viewer.as_ref());
        }
        match self.format {
            Format::Csv => {
                let cells = COLUMNS.map(|(_, place)| sheet::cell(&call, place));
                part.extend(sheet::line(cells));
            }
            Format::Json => {
                part.extend_from_slice(if first { b"\n" } else { b",\n" });
                part.extend(call.to_string().into_bytes());
            }
        }
    }
}

/// Export calls
///
/// All calls that fit, narrowed as their list is, newest first, as CSV (a line each, harmless for spreadsheets) or as a JSON
/// array of call objects. Noted in the audit log.
#[utoipa::path(
    get, path = "/api/dashboard/export", tag = "dashboard", params(Asked),
    responses(
        (status = 200, description = "The file", content((String = "text/csv"), (Vec<Call> = "application/json"))),
        (status = 422, description = "A parameter is unknown or wrong", body = ProblemBody),
    ),
)]
pub(crate) async fn export(
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let format = asked.format.unwrap_or_default();
    let detail = asked.detail(format);
    let list = ListCalls {
        status: asked.status,
        direction: asked.direction,
        upstream: asked.upstream,
        agent: asked.agent,
        tag: asked.tag,
        q: asked.q,
        from: asked.from,
        to: asked.to,
        min_duration: asked.min_duration,
        ..ListCalls::default()
    };
    let filter = list.filter(&caller)?;
    let subject = Subject::Client(caller.tenant.id());
    let actor = caller.actor();
    caller
        .tenant
        .note(&actor, "calls.exported", subject, &detail, now())
        .await?;
    let export = Export {
        viewer: Viewer::of(&caller.identity),
        tenant: caller.tenant,
        format,
        filter,
        after: None,
        stage: Stage::Beginning,
    };
    let parts = stream::try_unfold(export, async |mut export: Export| {
        let part = export.part().await?;
        Ok::<_, crate::store::Error>(part.map(|part| (part, export)))
    });
    let mut response = Body::from_stream(parts).into_response();
    response.extensions_mut().insert(Hidden);
    let headers = response.headers_mut();
    let (kind, disposition) = match format {
        Format::Csv => (
            "text/csv; charset=utf-8",
            "attachment; filename=\"calls.csv\"",
        ),
        Format::Json => ("application/json", "attachment; filename=\"calls.json\""),
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let disposition = HeaderValue::from_static(disposition);
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}
