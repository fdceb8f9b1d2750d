//! Vendors that take orders for their calls, and check each against what they document.
//!
//! [`VapiLine`] is a call at Vapi: its socket sounds as its orders want it, so that a muted
//! assistant is silent there and whoever a call was transferred to is heard in its place.
//! [`RetellApi`] is Retell's API of live calls.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::{patch, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::listen::{Listening, Manner, Sound, Tones};
use crate::script::Side;

/// How orders are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// As it should be.
    Well,
    /// With this status, and nothing is done.
    Status(u16),
    /// Not at all.
    Never,
}

/// What orders made of a call.
#[derive(Debug, Clone)]
struct Orders {
    taken: Vec<Value>,
    answers: Answers,
    key: Option<String>,
    assistant_muted: bool,
    customer_muted: bool,
    transferred: Option<Value>,
    over: bool,
}

type Shared = Arc<Mutex<Orders>>;

fn lock(orders: &Shared) -> MutexGuard<'_, Orders> {
    orders.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Orders {
    fn new(key: Option<&str>) -> Shared {
        Arc::new(Mutex::new(Self {
            taken: Vec::new(),
            answers: Answers::Well,
            key: key.map(str::to_owned),
            assistant_muted: false,
            customer_muted: false,
            transferred: None,
            over: false,
        }))
    }
}

/// A server on this machine, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stopped: CancellationToken,
}

impl Server {
    pub(crate) async fn start(router: Router) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let stopped = CancellationToken::new();
        let stop = stopped.clone();
        tokio::spawn(async move {
            tokio::select! {
                // it ends with the test
                served = axum::serve(listener, router) => drop(served),
                () = stop.cancelled() => {}
            }
        });
        Ok(Self { address, stopped })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.cancel();
    }
}

/// Whether an order may be looked at: the vendor answers, and the key is the right one.
async fn admitted(orders: &Shared, headers: &HeaderMap) -> Result<(), StatusCode> {
    let (answers, key) = {
        let orders = lock(orders);
        (orders.answers, orders.key.clone())
    };
    match answers {
        Answers::Well => {}
        Answers::Status(status) => {
            return Err(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST));
        }
        Answers::Never => std::future::pending().await,
    }
    let shown = headers.get("authorization").map(HeaderValue::as_bytes);
    let fits = key.is_none_or(|key| shown == Some(format!("Bearer {key}").as_bytes()));
    if fits {
        Ok(())
    } else {
        Err(StatusCode::UNAUTHORIZED)
    }
}

/// An object with these keys, some of them needed.
fn has(value: &Value, needed: &[&str], others: &[&str]) -> Result<(), String> {
    let object = value
        .as_object()
        .ok_or_else(|| format!("no object: {value}"))?;
    if let Some(missing) = needed.iter().find(|key| !object.contains_key(**key)) {
        return Err(format!("{missing} is missing: {value}"));
    }
    let known = |key: &&String| needed.contains(&key.as_str()) || others.contains(&key.as_str());
    match object.keys().find(|key| !known(key)) {
        Some(unknown) => Err(format!("{unknown} is not known: {value}")),
        None => Ok(()),
    }
}

fn text(value: &Value, key: &str) -> Result<(), String> {
    let says = value[key].as_str().is_some_and(|text| !text.is_empty());
    says.then_some(())
        .ok_or_else(|| format!("{key} is no text: {value}"))
}

fn one_of(value: &Value, key: &str, words: &[&str]) -> Result<(), String> {
    let is = value[key]
        .as_str()
        .is_some_and(|word| words.contains(&word));
    is.then_some(())
        .ok_or_else(|| format!("{key} is none of {words:?}: {value}"))
}

fn flags(value: &Value, keys: &[&str]) -> Result<(), String> {
    let wrong = |key: &&&str| !value[**key].is_null() && !value[**key].is_boolean();
    match keys.iter().find(wrong) {
        Some(key) => Err(format!("{key} is neither true nor false: {value}")),
        None => Ok(()),
    }
}

/// Whether a control message is one that Vapi documents.
///
/// # Errors
/// What is wrong with it.
pub fn check_vapi(message: &Value) -> Result<(), String> {
    match message["type"].as_str() {
        Some("say") => {
            let options = [
                "endCallAfterSpoken",
                "interruptionsEnabled",
                "interruptAssistantEnabled",
            ];
            has(message, &["type", "content"], &options)?;
            flags(message, &options)?;
            text(message, "content")
        }
        Some("add-message") => {
            has(message, &["type", "message"], &["triggerResponseEnabled"])?;
            flags(message, &["triggerResponseEnabled"])?;
            let inner = &message["message"];
            has(inner, &["role", "content"], &[])?;
            let roles = ["system", "user", "assistant", "tool", "developer"];
            one_of(inner, "role", &roles)?;
            text(inner, "content")
        }
        Some("control") => {
            has(message, &["type", "control"], &[])?;
            let words = [
                "mute-assistant",
                "unmute-assistant",
                "mute-customer",
                "unmute-customer",
                "say-first-message",
            ];
            one_of(message, "control", &words)
        }
        Some("end-call") => has(message, &["type"], &[]),
        Some("transfer") => {
            has(message, &["type", "destination"], &["content"])?;
            check_destination(&message["destination"])
        }
        Some(_) | None => Err(format!("type is none that is known: {message}")),
    }
}

fn check_destination(destination: &Value) -> Result<(), String> {
    let both = ["message", "transferPlan"];
    match destination["type"].as_str() {
        Some("number") => {
            let others = ["extension", "callerId", "numberE164CheckEnabled"];
            has(
                destination,
                &["type", "number"],
                &[&both[..], &others].concat(),
            )?;
            let number = destination["number"].as_str().unwrap_or_default();
            let digits = number.strip_prefix('+').unwrap_or_default();
            let e164 = (7..=15).contains(&digits.len())
                && digits.chars().all(|digit| digit.is_ascii_digit());
            e164.then_some(())
                .ok_or_else(|| format!("number is not in E.164: {destination}"))
        }
        Some("sip") => {
            has(
                destination,
                &["type", "sipUri"],
                &[&both[..], &["sipHeaders"]].concat(),
            )?;
            let uri = destination["sipUri"].as_str().unwrap_or_default();
            let headers = destination["sipHeaders"].as_object();
            let named = headers.is_none_or(|headers| {
                let mut all = headers.iter();
                all.all(|(name, value)| name.starts_with("X-") && value.is_string())
            });
            (uri.starts_with("sip:") && named)
                .then_some(())
                .ok_or_else(|| format!("no SIP destination: {destination}"))
        }
        Some(_) | None => Err(format!("type is neither number nor sip: {destination}")),
    }
}

/// What is said on a line: as orders want it.
struct Obedient {
    tones: Tones,
    /// What whoever it is transferred to says.
    relief: Tones,
    orders: Shared,
}

impl Sound for Obedient {
    fn at(&self, side: Side, seconds: f64) -> f64 {
        let orders = lock(&self.orders);
        match side {
            Side::Customer if orders.customer_muted => 0.0,
            Side::Agent if orders.transferred.is_some() => self.relief.at(side, seconds),
            Side::Agent if orders.assistant_muted => 0.0,
            Side::Customer | Side::Agent => self.tones.at(side, seconds),
        }
    }
}

/// A call at Vapi that can be heard and takes orders.
pub struct VapiLine {
    listening: Listening,
    server: Server,
    orders: Shared,
}

impl VapiLine {
    /// A call in which each side says its tone, and whoever it is transferred to says `relief_hz`.
    /// `key`: the bearer token that orders must show.
    ///
    /// # Errors
    /// When there is no port on this machine.
    pub async fn start(tones: Tones, relief_hz: f64, key: Option<&str>) -> io::Result<Self> {
        let orders = Orders::new(key);
        let sound = Obedient {
            tones,
            relief: Tones {
                agent: relief_hz,
                ..tones
            },
            orders: orders.clone(),
        };
        let listening = Listening::start(sound, Manner::default()).await?;
        let line = (orders.clone(), listening.over());
        let router = Router::new()
            .route("/call/control", post(control))
            .with_state(line);
        Ok(Self {
            listening,
            server: Server::start(router).await?,
            orders,
        })
    }

    /// Where it is heard.
    pub fn listen_url(&self) -> String {
        self.listening.url()
    }

    /// Where it takes orders.
    pub fn control_url(&self) -> String {
        format!("http://{}/call/control", self.server.address)
    }

    /// How orders are answered from now on.
    pub fn answers(&self, answers: Answers) {
        lock(&self.orders).answers = answers;
    }

    /// The orders that it took, the first first.
    pub fn taken(&self) -> Vec<Value> {
        lock(&self.orders).taken.clone()
    }

    /// Where the customer was sent.
    pub fn transferred(&self) -> Option<Value> {
        lock(&self.orders).transferred.clone()
    }

    /// Whether it was ended by an order.
    pub fn is_over(&self) -> bool {
        lock(&self.orders).over
    }
}

async fn control(
    State((orders, over)): State<(Shared, CancellationToken)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, (StatusCode, String)> {
    let refused = |status: StatusCode| (status, String::new());
    admitted(&orders, &headers).await.map_err(refused)?;
    let wrong = |why: String| (StatusCode::BAD_REQUEST, why);
    let message: Value = serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
    check_vapi(&message).map_err(wrong)?;
    let mut orders = lock(&orders);
    if orders.over {
        return Err(refused(StatusCode::NOT_FOUND));
    }
    match (message["type"].as_str(), message["control"].as_str()) {
        (Some("control"), Some("mute-assistant")) => orders.assistant_muted = true,
        (Some("control"), Some("unmute-assistant")) => {
            orders.assistant_muted = false;
            orders.transferred = None;
        }
        (Some("control"), Some("mute-customer")) => orders.customer_muted = true,
        (Some("control"), Some("unmute-customer")) => orders.customer_muted = false,
        (Some("transfer"), _) => orders.transferred = Some(message["destination"].clone()),
        (Some("end-call"), _) => {
            orders.over = true;
            over.cancel();
        }
        (Some(_) | None, _) => {}
    }
    orders.taken.push(message);
    Ok(StatusCode::OK)
}

/// Retell's API of live calls.
pub struct RetellApi {
    server: Server,
    orders: Shared,
}

impl RetellApi {
    /// An API that asks for a key.
    ///
    /// # Errors
    /// When there is no port on this machine.
    pub async fn start(key: &str) -> io::Result<Self> {
        let orders = Orders::new(Some(key));
        let router = Router::new()
            .route("/v2/update-live-call/{id}", patch(update))
            .route("/v2/stop-call/{id}", post(stop))
            .with_state(orders.clone());
        Ok(Self {
            server: Server::start(router).await?,
            orders,
        })
    }

    /// What to put in the place of `https://api.retellai.com`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// How orders are answered from now on.
    pub fn answers(&self, answers: Answers) {
        lock(&self.orders).answers = answers;
    }

    /// The orders that it took, the first first: `{call, order, body}`.
    pub fn taken(&self) -> Vec<Value> {
        lock(&self.orders).taken.clone()
    }
}

async fn update(
    State(orders): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<String, (StatusCode, String)> {
    let order = "update-live-call";
    take(&orders, &headers, &id, order, &body, check_retell).await
}

/// Whether it is something that Retell lets be told to a live call's agent.
pub(crate) fn check_retell(body: &Value) -> Result<(), String> {
    has(body, &[], &["call_control", "fields_to_override"])?;
    let control = &body["call_control"];
    has(control, &["additional_context"], &["trigger_response"])?;
    flags(control, &["trigger_response"])?;
    text(control, "additional_context")
}

async fn stop(
    State(orders): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<String, (StatusCode, String)> {
    take(&orders, &headers, &id, "stop-call", &body, |body| {
        has(body, &[], &[])
    })
    .await
}

async fn take(
    orders: &Shared,
    headers: &HeaderMap,
    id: &str,
    order: &str,
    body: &[u8],
    check: impl Fn(&Value) -> Result<(), String>,
) -> Result<String, (StatusCode, String)> {
    let refused = |status: StatusCode| (status, String::new());
    admitted(orders, headers).await.map_err(refused)?;
    let wrong = |why: String| (StatusCode::BAD_REQUEST, why);
    let body: Value = serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?;
    check(&body).map_err(wrong)?;
    let mut orders = lock(orders);
    if orders.over {
        return Err(refused(StatusCode::NOT_FOUND));
    }
    orders.over = order == "stop-call";
    orders
        .taken
        .push(json!({"call": id, "order": order, "body": body}));
    Ok("{}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vapi_documents_is_taken_and_nothing_else() {
        let message = json!({"role": "system", "content": "Slow down."});
        for good in [
            json!({"type": "say", "content": "Hello.", "endCallAfterSpoken": false}),
            json!({"type": "add-message", "message": message, "triggerResponseEnabled": false}),
            json!({"type": "control", "control": "mute-assistant"}),
            json!({"type": "transfer", "destination": {"type": "number", "number": "+49301234567"}}),
            json!({"type": "transfer", "destination": {"type": "sip", "sipUri": "sip:a@b.example",
                "sipHeaders": {"X-Call": "1"}}}),
            json!({"type": "end-call"}),
        ] {
            assert_eq!(check_vapi(&good), Ok(()));
        }
        for bad in [
            json!({}),
            json!({"type": "sing"}),
            json!({"type": "say"}),
            json!({"type": "say", "content": 1}),
            json!({"type": "add-message", "message": {"role": "boss", "content": "x"}}),
            json!({"type": "add-message", "message": message, "trigger": false}),
            json!({"type": "control", "control": "mute"}),
            json!({"type": "transfer", "destination": {"type": "number", "number": "030 1234567"}}),
            json!({"type": "transfer", "destination": {"type": "sip", "sipUri": "a@b.example"}}),
            json!({"type": "end-call", "reason": "x"}),
        ] {
            assert!(check_vapi(&bad).is_err(), "{bad}");
        }
    }
}
