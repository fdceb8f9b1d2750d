//! A control plane at the door that lets in whom the tests say.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use sidetone_fleet::ingress::{Introduction, Knock, Pass, Porter, Refused};
use sidetone_service::clock;
use sidetone_wire::{CallId, ConnectionKind, Direction, TenantId, Upstream};

/// What simulated Twilio signs with.
pub(crate) const TWILIO_KEY: &str = "auth-token";

/// Lets in whoever has the token `token`, as Twilio, or `telnyx`.
#[derive(Default)]
pub(crate) struct Calls(Mutex<HashMap<(Upstream, String), (CallId, bool)>>);

impl Calls {
    /// The call of that id, once it was introduced.
    pub(crate) fn call(&self, upstream: Upstream, id: &str) -> Option<CallId> {
        let calls = self.0.lock().unwrap();
        let found = calls.get(&(upstream, id.to_owned()));
        found.and_then(|(call, introduced)| introduced.then_some(*call))
    }

    /// The call that it will be.
    pub(crate) fn will_be(&self, upstream: Upstream, id: &str) -> CallId {
        let mut calls = self.0.lock().unwrap();
        let new = || (CallId(clock::new_id()), false);
        calls.entry((upstream, id.to_owned())).or_insert_with(new).0
    }
}

fn pass(kind: Option<ConnectionKind>) -> Pass {
    Pass {
        tenant: TenantId(clock::new_id()),
        slug: "default".to_owned(),
        direction: Direction::Inbound,
        kind,
        signed: kind == Some(ConnectionKind::Twilio),
    }
}

#[async_trait]
impl Porter for Calls {
    async fn admit(&self, knock: &Knock) -> Result<Pass, Refused> {
        let token = knock.token.as_ref().map(|token| token.0.as_str());
        let hooked = knock.header("x-api-key").is_some().then_some("audiohook");
        let kind = match token.or(hooked) {
            Some("audiohook") => ConnectionKind::Genesys,
            Some("token") => ConnectionKind::Twilio,
            Some("telnyx") => ConnectionKind::Telnyx,
            Some("unsigned") => return Err(Refused::Unsigned("it is not signed")),
            Some("away") => return Err(Refused::Away("for a while".to_owned())),
            _ => return Err(Refused::Unknown),
        };
        Ok(pass(Some(kind)))
    }

    async fn trusted(&self) -> Result<Pass, Refused> {
        Ok(pass(None))
    }

    async fn introduce(&self, _: &Pass, who: &Introduction) -> Result<CallId, Refused> {
        let call = self.will_be(who.upstream, &who.upstream_call_id);
        let key = (who.upstream, who.upstream_call_id.clone());
        self.0.lock().unwrap().insert(key, (call, true));
        Ok(call)
    }
}
