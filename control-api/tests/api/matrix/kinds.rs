//! What the ids in paths are: one real thing of the victim's for each kind.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::{CallEvent, RecordingId, Timestamp};

use crate::world::{User, World};

/// Kinds that are made by a `POST` to their collection, with its body.
fn posted(kind: &str) -> Option<(&'static str, Value)> {
    let made = match kind {
        "users" | "members" => {
            let name = format!("victim-{kind}");
            let body = json!({"username": name, "password": "user-password", "role": "agent"});
            ("/api/users", body)
        }
        "api-keys" => (
            "/api/api-keys",
            json!({"name": "victim-key", "role": "agent"}),
        ),
        "invites" => ("/api/invites", json!({"role": "agent"})),
        "branches" => ("/api/branches", json!({"name": "victim-branch"})),
        "phone-numbers" => ("/api/phone-numbers", json!({"number": "+493055500099"})),
        "connections" => {
            let webhook = json!({"scheme": "vapi_secret", "secret": "a secret of the victim's"});
            let body = json!({"kind": "vapi", "name": "victim-connection",
                "credentials": {"apiKey": "victim-api-key"}, "webhook": webhook});
            ("/api/connections", body)
        }
        "campaigns" => (
            "/api/campaigns",
            json!({"word": "victim-campaign", "name": "victim-campaign"}),
        ),
        "alert-rules" => {
            let condition = json!({"kind": "long_call", "threshold": 1});
            let body = json!({"name": "victim-rule", "condition": condition});
            ("/api/alert-rules", body)
        }
        "webhook-subscriptions" => {
            let body = json!({"url": "https://victim-hook.example.com/", "events": ["call.ended"]});
            ("/api/webhook-subscriptions", body)
        }
        _ => return None,
    };
    Some(made)
}

/// Kinds that are made otherwise; `active` are calls too, `client` is a tenant's slug.
const MADE: &[&str] = &[
    "calls",
    "active",
    "recordings",
    "clients",
    "client",
    "user_id",
    "alerts",
    "deliveries",
    "listen",
];

/// The word in a path that says what a parameter of it is.
pub(super) fn kind_of<'a>(path: &'a str, parameter: &'a str) -> &'a str {
    if ["client", "user_id"].contains(&parameter) {
        return parameter;
    }
    let named = format!("{{{parameter}}}");
    let mut parts = path.split('/').rev().skip_while(|part| *part != named);
    parts.nth(1).unwrap_or_default()
}

pub(super) fn is_known(kind: &str) -> bool {
    MADE.contains(&kind) || posted(kind).is_some()
}

fn parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// One thing of each kind that paths name.
#[derive(Debug, Clone, Default)]
pub(super) struct Things {
    ids: BTreeMap<String, String>,
}

impl Things {
    /// Makes a tenant's things for all these paths.
    pub(super) async fn make<'a>(
        world: &World,
        owner: &User,
        slug: &str,
        paths: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut things = Self::default();
        let gateway = world.gateway();
        let call = gateway.hold(&format!("{slug}-room"), Some(slug));
        call.known_to(owner).await;
        let recording = RecordingId(clock::new_id());
        call.log.send(CallEvent::RecordingStarted {
            recording,
            started_at: Timestamp::from_unix_ms(1_790_000_000_000),
        });
        let of_call = format!("{}/recordings", call.path());
        let there = |found: &Value| found["items"].as_array().is_some_and(|all| all.len() == 1);
        owner.eventually(&of_call, there).await;
        let me = owner.read("/api/me").await;
        things.set("calls", &call.id.to_string());
        things.set("active", &call.id.to_string());
        things.set("recordings", &recording.to_string());
        things.set("clients", me["clientId"].as_str().unwrap());
        things.set("client", slug);
        things.set("listen", "no-token");
        things.set("user_id", &owner.id);
        // the call has gone on for longer than a second, and nobody is at the hook
        things.set("alert-rules", &make(owner, "alert-rules", "").await);
        let fired = owner.eventually("/api/alerts", |all| all["items"][0]["id"].is_string());
        things.set("alerts", fired.await["items"][0]["id"].as_str().unwrap());
        let hook = make(owner, "webhook-subscriptions", "").await;
        let test = format!("/api/webhook-subscriptions/{hook}/test");
        let (_, sent) = owner.post(&test, &json!({})).await;
        things.set("webhook-subscriptions", &hook);
        things.set("deliveries", sent["id"].as_str().unwrap());
        // what it holds goes on while the matrix runs
        std::mem::forget(call);
        for path in paths {
            for parameter in parameters(path) {
                let kind = kind_of(path, parameter);
                if !things.ids.contains_key(kind) {
                    let id = make(owner, kind, path).await;
                    things.set(kind, &id);
                }
            }
        }
        things
    }

    pub(super) fn set(&mut self, kind: &str, id: &str) {
        self.ids.insert(kind.to_owned(), id.to_owned());
    }

    /// The same kinds, of which there is nothing.
    pub(super) fn nowhere(&self) -> Self {
        let ids = self.ids.keys().map(|kind| {
            let id = match kind.as_str() {
                "client" => "no-such-client".to_owned(),
                _ => clock::new_id().to_string(),
            };
            (kind.clone(), id)
        });
        Self { ids: ids.collect() }
    }

    /// A path with the things in it.
    pub(super) fn fill(&self, path: &str) -> String {
        let mut filled = path.to_owned();
        for parameter in parameters(path) {
            let id = &self.ids[kind_of(path, parameter)];
            filled = filled.replace(&format!("{{{parameter}}}"), id);
        }
        filled
    }

    /// What must be in no answer to somebody else.
    pub(super) fn marks(&self) -> impl Iterator<Item = &str> {
        let more = [
            "victim-room",
            "victim-admin",
            "victim-users",
            "victim-key",
            "victim-branch",
            "victim-connection",
            "victim-campaign",
            "victim-rule",
            "victim-hook",
            "victim-api-key",
            "+493055500099",
        ];
        let ids = self.ids.iter().filter(|(kind, _)| *kind != "client");
        ids.map(|(_, id)| id.as_str()).chain(more)
    }
}

async fn make(owner: &User, kind: &str, path: &str) -> String {
    let Some((collection, body)) = posted(kind) else {
        panic!(
            "nobody has said what `{kind}` in {path} is: add how one is made to \
             control-api/tests/api/matrix/kinds.rs"
        );
    };
    let request = owner.request(Method::POST, collection).json(&body);
    let (status, made) = crate::world::answer(request).await;
    assert!(
        [StatusCode::CREATED, StatusCode::OK].contains(&status),
        "{kind} of the victim cannot be made: {status} {made}"
    );
    made["id"]
        .as_str()
        .expect("what was made has an id")
        .to_owned()
}
