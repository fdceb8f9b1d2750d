//! The credential matrix: every operation of the API's description with every bad credential, with
//! every role that is too small, and with another tenant's ids.
//!
//! Operations are picked up from the description: a new route needs nothing here, unless its path
//! names a kind of thing that nobody has named yet (`kinds.rs`), or its body has rules that its
//! schema does not tell (`BODIES`). Both fail with words that say so.

mod credentials;
mod kinds;
mod schema;

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::socket::Socket;
use crate::world::{User, World, answer};
use credentials::Bad;
use kinds::Things;

/// Requests at once.
const AT_ONCE: usize = 8;

pub(crate) const SECRET_KEY: &str = "the matrix signs with this key, as the server does";

/// Operations that ask for nothing, each for its reason: a way to get in, or a description.
const PUBLIC: &[(&str, &str)] = &[
    ("post", "/api/auth/login"),
    ("post", "/api/login"),
    ("post", "/api/register"),
    ("get", "/api/openapi.json"),
    ("get", "/api/docs"),
    ("get", "/api/docs/page.js"),
    ("get", "/api/dashboard/health"),
    // the token in its path is the credential
    ("get", "/listen/{token}"),
];

/// Bodies of operations whose schema does not tell enough.
fn body_of(operation: &Operation) -> Option<Value> {
    let body = match (operation.method.as_str(), operation.path.as_str()) {
        ("PUT", "/api/recordings/{id}/hold") => json!({"held": true, "reason": "a test"}),
        ("POST", "/api/calls/{id}/transfer") => json!({"to": "+49301234567", "mode": "blind"}),
        ("POST", "/api/clients/{id}/members") => json!({"username": "nobody", "role": "agent"}),
        _ => return None,
    };
    Some(body)
}

/// Somebody else proves a webhook: its sender, by a signature. No credential of ours is one.
const SIGNED: &str = "webhooks";

/// An operation of the description.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    method: Method,
    path: String,
    /// Who may; `None`: every role.
    roles: Option<BTreeSet<String>>,
    public: bool,
    signed: bool,
    body: Option<Value>,
    /// The parameters of the query that must be there.
    query: String,
}

impl Operation {
    fn all(api: &Value) -> Vec<Self> {
        let mut all = Vec::new();
        for (path, methods) in api["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                all.push(Self::new(api, path, method, operation));
            }
        }
        all
    }

    fn new(api: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let roles = operation["x-role"].as_array().map(|roles| {
            let names = roles.iter().map(|role| role.as_str().unwrap().to_owned());
            names.collect()
        });
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let query = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
            .map(|parameter| {
                let value = schema::example(api, &parameter["schema"]);
                let text = value.as_str().map_or(value.to_string(), str::to_owned);
                format!("{}={text}", parameter["name"].as_str().unwrap())
            })
            .collect::<Vec<_>>()
            .join("&");
        let mut new = Self {
            method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
            path: path.to_owned(),
            roles,
            public: operation["security"] == json!([{}]),
            signed: operation["tags"][0] == SIGNED,
            body: (!schema.is_null()).then(|| schema::example(api, schema)),
            query,
        };
        if let Some(body) = body_of(&new) {
            new.body = Some(body);
        }
        new
    }

    /// A request with these things in its path.
    fn request(&self, user: &User, things: &Things) -> reqwest::RequestBuilder {
        let mut path = things.fill(&self.path);
        if !self.query.is_empty() {
            path = format!("{path}?{}", self.query);
        }
        let request = user.request(self.method.clone(), &path);
        match &self.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    fn has_ids(&self) -> bool {
        self.path.contains('{')
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// A control plane with two tenants that know nothing of each other.
struct Matrix {
    world: World,
    operations: Vec<Operation>,
    /// Whose things are asked for.
    victim: User,
    things: Things,
    /// An admin of another tenant.
    other: User,
}

impl Matrix {
    async fn new() -> Self {
        let settings = [
            ("SECRET_KEY", SECRET_KEY),
            ("SIDETONE_REGISTRATION", "invite"),
        ];
        let world = World::with(&settings).await;
        let admin = world.admin().await;
        let victim = world.tenant(&admin, "victim").await;
        let other = world.tenant(&admin, "other").await;
        let (_, api) = answer(world.request(Method::GET, "/api/openapi.json")).await;
        let operations = Operation::all(&api);
        let paths = operations.iter().map(|operation| operation.path.as_str());
        let things = Things::make(&world, &victim, "victim", paths).await;
        Self {
            world,
            operations,
            victim,
            things,
            other,
        }
    }

    fn guarded(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| !operation.public)
    }

    /// Nothing of the victim's is in an answer.
    fn assert_no_foreign_byte(&self, what: &str, body: &str) {
        for mark in self.things.marks() {
            assert!(!body.contains(mark), "{what} tells {mark}: {body}");
        }
    }
}

/// Sends a request; gives the status and the body as it came.
async fn send(request: reqwest::RequestBuilder) -> (StatusCode, String) {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.text().await.unwrap_or_default())
}

fn code(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    body["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_operation_refuses_every_bad_credential() {
    let matrix = Matrix::new().await;
    let bad = Bad::all(&matrix.world, &matrix.victim).await;
    let cells: Vec<(&Operation, &Bad)> = matrix
        .guarded()
        .flat_map(|operation| bad.iter().map(move |bad| (operation, bad)))
        .collect();
    assert!(cells.len() > 500, "{} cells", cells.len());
    let matrix = &matrix;
    stream::iter(cells)
        .for_each_concurrent(AT_ONCE, |(operation, bad)| async move {
            let what = format!("{operation} with {}", bad.name);
            let request = operation.request(&bad.user, &matrix.things);
            let (status, body) = send(bad.shown(request)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}: {body}");
            if operation.method != Method::HEAD {
                assert_eq!(code(&body), "unauthenticated", "{what}: {body}");
            }
            matrix.assert_no_foreign_byte(&what, &body);
        })
        .await;
    for bad in &bad {
        if let Some(token) = &bad.token {
            let connected =
                Socket::try_connect(&matrix.world, json!({ "token": token }), &[]).await;
            assert!(connected.is_err(), "a socket opens with {}", bad.name);
        }
    }
    let me = matrix.victim.read("/api/me").await;
    assert_eq!(me["clientName"], "victim", "the good session is still good");
}

#[tokio::test]
async fn what_needs_no_credential_is_a_short_list_and_the_rest_is_signed() {
    let matrix = Matrix::new().await;
    let public: BTreeSet<(String, &str)> = matrix
        .operations
        .iter()
        .filter(|operation| operation.public && !operation.signed)
        .map(|operation| {
            let method = operation.method.as_str().to_lowercase();
            (method, operation.path.as_str())
        })
        .collect();
    let expected = PUBLIC
        .iter()
        .map(|(method, path)| ((*method).to_owned(), *path));
    assert_eq!(public, expected.collect());
    for operation in &matrix.operations {
        if !operation.signed {
            continue;
        }
        assert!(
            operation.public,
            "{operation} is a webhook that asks for a session"
        );
        // not even the victim's own session stands in for the sender's signature
        let request = operation.request(&matrix.victim, &matrix.things);
        let (status, body) = send(request).await;
        assert!(status.is_client_error(), "{operation}: {status} {body}");
        matrix.assert_no_foreign_byte(&operation.to_string(), &body);
    }
}

#[tokio::test]
async fn every_operation_refuses_the_roles_that_it_says_it_does_and_no_others() {
    let matrix = Matrix::new().await;
    for role in ["admin", "supervisor", "agent", "auditor"] {
        // keys, because they act for a role and cannot be logged out by what is tried
        let new = json!({ "name": role, "role": role });
        let (status, key) = matrix.victim.post("/api/api-keys", &new).await;
        assert_eq!(status, StatusCode::CREATED, "{key}");
        let user = &matrix.world.bearer(key["key"].as_str().unwrap());
        let mut nothing = matrix.things.nowhere();
        nothing.set("client", "victim");
        nothing.set("user_id", key["id"].as_str().unwrap());
        let nothing = &nothing;
        stream::iter(matrix.guarded())
            .for_each_concurrent(AT_ONCE, |operation| async move {
                let may = operation
                    .roles
                    .as_ref()
                    .is_none_or(|roles| roles.contains(role));
                let (status, body) = send(operation.request(user, nothing)).await;
                assert_ne!(
                    status,
                    StatusCode::UNAUTHORIZED,
                    "{operation} as {role}: {body}"
                );
                if operation.method == Method::HEAD {
                    return; // it has no body that says why
                }
                let refused = code(&body) == "role_required";
                assert_eq!(
                    refused, !may,
                    "{operation} as {role}: {status} {body}; its 403 must say `Needs the role …`"
                );
            })
            .await;
    }
}

#[tokio::test]
async fn what_is_not_ones_own_is_answered_as_what_is_not_there() {
    let matrix = Matrix::new().await;
    let nothing = matrix.things.nowhere();
    let (matrix, nothing) = (&matrix, &nothing);
    stream::iter(matrix.guarded().filter(|operation| operation.has_ids()))
        .for_each_concurrent(AT_ONCE, |operation| async move {
            let (status, body) = send(operation.request(&matrix.other, &matrix.things)).await;
            let refused = [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&status);
            assert!(
                refused,
                "{operation} with another tenant's ids: {status} {body}; if its body has rules \
                 that the schema does not tell, give it one in `body_of`"
            );
            matrix.assert_no_foreign_byte(&operation.to_string(), &body);
            let (not_there, nobody) = send(operation.request(&matrix.other, nothing)).await;
            assert_eq!((status, body), (not_there, nobody), "{operation}");
        })
        .await;
}

#[tokio::test]
async fn lists_and_figures_hold_nothing_of_another_tenant() {
    let matrix = Matrix::new().await;
    for operation in matrix.guarded() {
        if operation.method == Method::GET && !operation.has_ids() {
            let (status, body) = send(operation.request(&matrix.other, &matrix.things)).await;
            assert!(!status.is_server_error(), "{operation}: {status} {body}");
            matrix.assert_no_foreign_byte(&operation.to_string(), &body);
        }
    }
}

#[test]
fn a_kind_of_thing_that_nobody_named_is_noticed() {
    assert_eq!(kinds::kind_of("/api/teapots/{id}/spouts", "id"), "teapots");
    assert!(!kinds::is_known("teapots"));
    assert_eq!(kinds::kind_of("/api/calls/active/{id}", "id"), "active");
    assert!(kinds::is_known("active"));
}
