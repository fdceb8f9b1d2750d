//! LiveKit's SIP API with telephones behind it: rings them into rooms, and sends callers elsewhere.
//!
//! It takes what livekit-server takes (`protobufs/livekit_sip.proto`, Twirp as JSON): tokens with
//! the grants that each method needs, fields that it knows, values that livekit-sip accepts. What
//! is said in the room is the business of whoever gave the telephones: [`Phones`].

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sidetone_room::service::RoomService;
use sidetone_room::token::{Credentials, Kind, Token};
use tokio::sync::Notify;

use crate::control::Server;

/// How a telephone answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phone {
    /// After it has rung for so long.
    Answers(Duration),
    /// With a status of SIP: 486 is busy, 603 a refusal.
    Declines(u16),
    /// Never.
    Rings,
}

/// What happens in rooms: done by the test or the demo that has the telephones.
pub trait Phones: Send + Sync + 'static {
    /// A telephone was answered: it joins the room with this token and is there from now on.
    fn joins(&self, token: Token) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// A caller's telephone leaves the room: it was sent elsewhere.
    fn leaves(&self, room: &str, identity: &str) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Something that was asked for and is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A telephone is rung.
    Ring {
        /// The number.
        number: String,
        /// The room.
        room: String,
        /// Who it is to be there.
        identity: String,
    },
    /// A caller is sent elsewhere.
    Refer {
        /// The room.
        room: String,
        /// Who.
        identity: String,
        /// `tel:` or `sip:`.
        to: String,
    },
}

struct Inner {
    key: String,
    secret: String,
    trunk: String,
    rooms: RoomService,
    phones: Arc<dyn Phones>,
    numbers: Mutex<HashMap<String, Phone>>,
    asked: Mutex<Vec<Asked>>,
    changed: Notify,
}

/// See the module. It answers until it is dropped.
pub struct SipApi {
    inner: Arc<Inner>,
    server: Server,
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error of Twirp: status, code, message, and what there is to say of it.
struct Refused(StatusCode, &'static str, String, Value);

fn invalid(message: impl Into<String>) -> Refused {
    let (status, code) = (StatusCode::BAD_REQUEST, "invalid_argument");
    Refused(status, code, message.into(), json!({}))
}

fn denied(message: &str) -> Refused {
    let (status, code) = (StatusCode::FORBIDDEN, "permission_denied");
    Refused(status, code, message.to_owned(), json!({}))
}

fn not_found(message: &str) -> Refused {
    let (status, code) = (StatusCode::NOT_FOUND, "not_found");
    Refused(status, code, message.to_owned(), json!({}))
}

/// What livekit-server makes of a final status of SIP.
fn declined(status: u16) -> Refused {
    let meta = json!({"sip_status_code": status.to_string(), "sip_status": "Declined",
        "error_details": "…"});
    let message = format!("INVITE failed: sip status: {status}");
    let (http, code) = (StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    Refused(http, code, message, meta)
}

fn rung_out() -> Refused {
    let (status, code) = (StatusCode::REQUEST_TIMEOUT, "deadline_exceeded");
    Refused(status, code, "ringing timeout".to_owned(), json!({}))
}

impl SipApi {
    /// Starts it beside a livekit-server whose key and secret these are, with one trunk.
    ///
    /// # Errors
    /// When there is no port on this machine.
    pub async fn start(
        livekit_url: &str,
        (key, secret): (&str, &str),
        trunk: &str,
        phones: impl Phones,
    ) -> io::Result<Self> {
        let inner = Arc::new(Inner {
            key: key.to_owned(),
            secret: secret.to_owned(),
            trunk: trunk.to_owned(),
            rooms: RoomService::new(livekit_url, &Credentials::new(key, secret)),
            phones: Arc::new(phones),
            numbers: Mutex::default(),
            asked: Mutex::default(),
            changed: Notify::new(),
        });
        let router = Router::new()
            .route("/twirp/livekit.SIP/{method}", post(take))
            .with_state(inner.clone());
        let server = Server::start(router).await?;
        Ok(Self { inner, server })
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// A number is there and answers so from now on. Others are unknown: 404.
    pub fn connect(&self, number: &str, phone: Phone) {
        lock(&self.inner.numbers).insert(number.to_owned(), phone);
        self.inner.changed.notify_waiters();
    }

    /// What was asked for so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.inner.asked).clone()
    }
}

async fn take(
    State(inner): State<Arc<Inner>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, axum::Json<Value>) {
    let answered = match method.as_str() {
        "CreateSIPParticipant" => inner.ring(&headers, &body).await,
        "TransferSIPParticipant" => inner.refer(&headers, &body).await,
        other => Err(Refused(
            StatusCode::NOT_FOUND,
            "bad_route",
            format!("no handler for {other}"),
            json!({}),
        )),
    };
    match answered {
        Ok(answer) => (StatusCode::OK, axum::Json(answer)),
        Err(Refused(status, code, msg, meta)) => {
            let body = json!({"code": code, "msg": msg, "meta": meta});
            (status, axum::Json(body))
        }
    }
}

/// The text of a field, which must be there.
fn text(body: &Value, field: &str) -> Result<String, Refused> {
    let text = body[field].as_str().filter(|text| !text.is_empty());
    let missing = || invalid(format!("missing {field}"));
    Ok(text.ok_or_else(missing)?.to_owned())
}

/// A duration as the JSON of protocol buffers has it.
fn seconds(body: &Value, field: &str) -> Result<Duration, Refused> {
    let text = text(body, field)?;
    let seconds = text.strip_suffix('s').and_then(|text| text.parse().ok());
    let wrong = || invalid(format!("{field}: {text} is no duration"));
    Ok(Duration::from_secs_f64(seconds.ok_or_else(wrong)?))
}

/// Fields of a message, as the Protocol Buffers of LiveKit name them.
fn only(body: &Bytes, fields: &[&str]) -> Result<Value, Refused> {
    let value: Value = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
    let object = value.as_object().ok_or_else(|| invalid("no message"))?;
    match object.keys().find(|key| !fields.contains(&key.as_str())) {
        Some(odd) => Err(invalid(format!("unknown field {odd}"))),
        None => Ok(value),
    }
}

impl Inner {
    /// The claims of a token that our secret signed and that is not over.
    fn claims(&self, headers: &HeaderMap) -> Result<Value, Refused> {
        let unauthenticated = |why: &str| {
            let (status, code) = (StatusCode::UNAUTHORIZED, "unauthenticated");
            Refused(status, code, why.to_owned(), json!({}))
        };
        let shown = headers.get("authorization");
        let shown = shown.and_then(|shown| shown.to_str().ok()?.strip_prefix("Bearer "));
        let shown = shown.ok_or_else(|| unauthenticated("no token"))?;
        let (signed, signature) = shown
            .rsplit_once('.')
            .ok_or_else(|| unauthenticated("no JWT"))?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        hmac::verify(&key, signed.as_bytes(), &decode(signature))
            .map_err(|_| unauthenticated("wrong signature"))?;
        let claims = signed.rsplit_once('.').map_or("", |(_, claims)| claims);
        let claims: Value = serde_json::from_slice(&decode(claims))
            .map_err(|_| unauthenticated("claims are no JSON"))?;
        let now_s = sidetone_service::clock::wall() / 1000;
        if claims["iss"] != self.key.as_str() || claims["exp"].as_i64().unwrap_or(0) < now_s {
            return Err(unauthenticated("another key, or over"));
        }
        if claims["sip"]["call"] != true {
            return Err(denied("the token has no sip.call"));
        }
        Ok(claims)
    }

    async fn ring(&self, headers: &HeaderMap, body: &Bytes) -> Result<Value, Refused> {
        self.claims(headers)?;
        let fields = [
            "sip_trunk_id",
            "sip_call_to",
            "room_name",
            "participant_identity",
            "participant_name",
            "hide_phone_number",
            "play_dialtone",
            "wait_until_answered",
            "ringing_timeout",
        ];
        let body = only(body, &fields)?;
        if text(&body, "sip_trunk_id")? != self.trunk {
            return Err(not_found("sip trunk not found"));
        }
        let number = text(&body, "sip_call_to")?;
        if number.contains('@') || number.contains(':') {
            let message = "SipCallTo should be a phone number or SIP user, not a full SIP URI";
            return Err(invalid(message));
        }
        let (room, identity) = (
            text(&body, "room_name")?,
            text(&body, "participant_identity")?,
        );
        let within = seconds(&body, "ringing_timeout")?;
        let asked = Asked::Ring {
            number: number.clone(),
            room: room.clone(),
            identity: identity.clone(),
        };
        lock(&self.asked).push(asked);
        self.rings(&number, within, Some(&room)).await?;
        let name = text(&body, "participant_name").unwrap_or_default();
        let call = format!("SCL_{number}");
        let token = Token::participant(&room, &identity)
            .name(&name)
            .kind(Kind::Sip)
            .attribute("sip.callID", &call)
            .attribute("sip.trunkID", &self.trunk)
            .attribute("sip.callStatus", "active");
        self.phones.joins(token).await;
        Ok(
            json!({"participant_id": "PA_sip", "participant_identity": identity,
            "room_name": room, "sip_call_id": call}),
        )
    }

    async fn refer(&self, headers: &HeaderMap, body: &Bytes) -> Result<Value, Refused> {
        let claims = self.claims(headers)?;
        let fields = [
            "room_name",
            "participant_identity",
            "transfer_to",
            "play_dialtone",
            "ringing_timeout",
        ];
        let body = only(body, &fields)?;
        let (room, identity) = (
            text(&body, "room_name")?,
            text(&body, "participant_identity")?,
        );
        if claims["video"]["roomAdmin"] != true || claims["video"]["room"] != room.as_str() {
            return Err(denied("the token does not manage that room"));
        }
        let to = text(&body, "transfer_to")?;
        let Some((scheme, number)) = to.split_once(':') else {
            return Err(invalid("transfer_to has no scheme"));
        };
        if !["tel", "sip", "sips"].contains(&scheme) {
            return Err(invalid("transfer_to is neither tel nor sip"));
        }
        let there = self.rooms.participants(&room).await.unwrap_or_default();
        let is_sip = |who: &sidetone_room::Participant| {
            who.identity == identity && who.attributes.contains_key("sip.callID")
        };
        if !there.iter().any(is_sip) {
            return Err(not_found("no such SIP participant"));
        }
        let within = seconds(&body, "ringing_timeout")?;
        let number = number.split('@').next().unwrap_or_default().to_owned();
        let asked = Asked::Refer {
            room: room.clone(),
            identity: identity.clone(),
            to,
        };
        lock(&self.asked).push(asked);
        self.rings(&number, within, None).await?;
        self.phones.leaves(&room, &identity).await;
        Ok(json!({}))
    }

    /// Waits until somebody answers. `into`: whoever closes that room hangs up.
    async fn rings(
        &self,
        number: &str,
        within: Duration,
        into: Option<&str>,
    ) -> Result<(), Refused> {
        let deadline = tokio::time::sleep(within);
        tokio::pin!(deadline);
        loop {
            let changed = self.changed.notified();
            let phone = lock(&self.numbers).get(number).copied();
            let answers = match phone {
                None => return Err(declined(404)),
                Some(Phone::Declines(status)) => return Err(declined(status)),
                Some(Phone::Answers(after)) => after,
                Some(Phone::Rings) => within,
            };
            tokio::select! {
                () = &mut deadline => return Err(rung_out()),
                () = tokio::time::sleep(answers), if phone != Some(Phone::Rings) => return Ok(()),
                () = changed => {}
                () = self.closed(into) => return Err(declined(487)),
            }
        }
    }

    /// Resolves when a room is closed.
    async fn closed(&self, room: Option<&str>) {
        let Some(room) = room else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if matches!(self.rooms.find_room(room).await, Ok(None)) {
                return;
            }
        }
    }
}
