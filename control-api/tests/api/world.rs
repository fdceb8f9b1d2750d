//! One control plane per test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sidetone_fleet::ingress::Porter;
use sidetone_fleet::ledger::Ledger;
use sidetone_fleet::take::Guard;
use sidetone_fleet::{EventLog, Fleet};
use sidetone_service::config::Input;
use sidetone_service::ops::Readiness;
use sidetone_service::{Lifecycle, Settings, clock};
use sidetone_testkit::{Planted, database, watch_log};
use sidetone_vault::Keyring;
use sidetone_wire::{
    CallEvent, CallFacts, CallId, Capability, Command, CommandError, Direction, NodeId, Party,
    Reply, Timestamp, Upstream,
};
use tempfile::TempDir;

pub(crate) const ADMIN_PASSWORD: &str = "admin-password";
pub(crate) const API_KEY: &str = "devkey";
pub(crate) const API_SECRET: &str = "secret_that_is_at_least_32_chars_long_xx";
/// What no line of the log may hold in any test.
const PLANTED: Planted = Planted {
    secrets: &[
        ADMIN_PASSWORD,
        USER_PASSWORD,
        API_SECRET,
        "stk_",
        "sts_",
        "whsec_",
    ],
    private: &[CUSTOMER],
};
const USER_PASSWORD: &str = "user-password";
const CUSTOMER: &str = "Carla Customer";
/// Beyond it a condition that is waited for counts as missed.
const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct World {
    pub(crate) readiness: Readiness,
    pub(crate) url: String,
    pub(crate) fleet: Fleet,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) porter: Arc<dyn Porter>,
    pub(crate) objects: sidetone_vault::Store,
    pub(crate) keyring: Keyring,
    pub(crate) vendors: control_api::VendorRecordings,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) dir: TempDir,
    database: String,
    client: reqwest::Client,
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) token: String,
    pub(crate) id: String,
    url: String,
    client: reqwest::Client,
}

/// How the fake gateway answers.
type Answer = Box<dyn Fn(&Command) -> Result<Reply, CommandError> + Send>;

/// A gateway that holds calls, answers commands and notes them.
pub(crate) struct Gateway {
    fleet: Fleet,
    node: NodeId,
    commands: Arc<Mutex<Vec<Command>>>,
    answer: Arc<Mutex<Answer>>,
}

/// A call that a gateway holds.
pub(crate) struct Held {
    pub(crate) id: CallId,
    pub(crate) log: EventLog,
    pub(crate) facts: CallFacts,
    _route: Guard,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A control plane with further settings.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::start(dir, settings, Duration::from_secs(30)).await
    }

    /// A control plane over what a former one left.
    pub(crate) async fn start(dir: TempDir, more: &[(&str, &str)], refound: Duration) -> Self {
        Self::start_with(dir, more, refound, None).await
    }

    /// The same, with recordings in another store than the data folder.
    pub(crate) async fn start_with(
        dir: TempDir,
        more: &[(&str, &str)],
        refound: Duration,
        objects: Option<sidetone_vault::Store>,
    ) -> Self {
        watch_log(PLANTED);
        // another test may have been faster
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let data = dir.path().to_str().unwrap();
        let database = database(dir.path()).await;
        let base = [
            ("DATABASE_URL", &*database),
            ("SIDETONE_HTTP", "127.0.0.1:0"),
            ("SIDETONE_ENV", "test"),
            ("SIDETONE_DATA", data),
            ("SIDETONE_ADMIN_PASSWORD", ADMIN_PASSWORD),
            ("LIVEKIT_URL", "ws://127.0.0.1:7880"),
            ("LIVEKIT_API_KEY", API_KEY),
            ("LIVEKIT_API_SECRET", API_SECRET),
        ];
        let input = Input::from_vars(base.iter().chain(more).copied());
        let settings = Settings::load_from(&input).unwrap();
        let fleet = Fleet::in_process();
        let keyring = Keyring::from_base64(&settings.keys.recording_key).unwrap();
        let objects =
            objects.unwrap_or_else(|| sidetone_vault::Store::local(&settings.store_dir()).unwrap());
        let readiness = Readiness::new();
        let api = control_api::load_with(
            &settings,
            fleet.clone(),
            &readiness,
            objects.clone(),
            keyring.clone(),
            refound,
        );
        let api = api.await.unwrap();
        let ledger = api.ledger();
        let porter = api.porter();
        let vendors = api.vendor_recordings();
        let url = format!("http://{}", api.address().unwrap());
        let lifecycle = Lifecycle::new(Duration::from_secs(5));
        lifecycle.spawn_vital("control-api", api.run(lifecycle.clone()));
        Self {
            url,
            readiness,
            fleet,
            ledger,
            porter,
            objects,
            keyring,
            vendors,
            lifecycle,
            dir,
            database,
            client: reqwest::Client::new(),
        }
    }

    /// A further control plane over the same database, as a second process would be.
    pub(crate) async fn twin(&self, more: &[(&str, &str)]) -> Lifecycle {
        let data = self.dir.path().to_str().unwrap();
        let database = database(self.dir.path()).await;
        let base = [
            ("DATABASE_URL", &*database),
            ("SIDETONE_HTTP", "127.0.0.1:0"),
            ("SIDETONE_ENV", "test"),
            ("SIDETONE_DATA", data),
        ];
        let input = Input::from_vars(base.iter().chain(more).copied());
        let settings = Settings::load_from(&input).unwrap();
        let (objects, keyring) = (self.objects.clone(), self.keyring.clone());
        let (fleet, readiness) = (Fleet::in_process(), Readiness::new());
        let api = control_api::load(&settings, fleet, &readiness, objects, keyring);
        let api = api.await.unwrap();
        let lifecycle = Lifecycle::new(Duration::from_secs(5));
        lifecycle.spawn_vital("control-api", api.run(lifecycle.clone()));
        lifecycle
    }

    /// Ends the control plane as a signal would; gives what it leaves behind.
    pub(crate) async fn stop(self) -> TempDir {
        self.lifecycle.shut_down();
        self.lifecycle.run().await.expect("it ends in time");
        self.dir
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn try_login(&self, username: &str, password: &str) -> Response {
        self.request(Method::POST, "/api/auth/login")
            .json(&json!({"username": username, "password": password}))
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn login(&self, username: &str, password: &str) -> User {
        let response = self.try_login(username, password).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body: Value = response.json().await.unwrap();
        User {
            token: body["access_token"].as_str().unwrap().to_owned(),
            id: body["user"]["id"].as_str().unwrap().to_owned(),
            url: self.url.clone(),
            client: self.client.clone(),
        }
    }

    /// Whoever has that token or key.
    pub(crate) fn bearer(&self, token: &str) -> User {
        User {
            token: token.to_owned(),
            id: String::new(),
            url: self.url.clone(),
            client: self.client.clone(),
        }
    }

    /// The database behind its back.
    pub(crate) async fn database(&self) -> sqlx::AnyConnection {
        use sqlx::Connection as _;
        sqlx::any::install_default_drivers();
        sqlx::AnyConnection::connect(&self.database).await.unwrap()
    }

    pub(crate) async fn admin(&self) -> User {
        self.login("admin", ADMIN_PASSWORD).await
    }

    /// A new user of the default tenant, logged in.
    pub(crate) async fn user(&self, admin: &User, username: &str, role: &str) -> User {
        let body = json!({"username": username, "password": USER_PASSWORD, "role": role});
        let (status, _) = admin.post("/api/users", &body).await;
        assert_eq!(status, StatusCode::CREATED);
        self.login(username, USER_PASSWORD).await
    }

    /// A new tenant with an admin, logged in.
    pub(crate) async fn tenant(&self, admin: &User, slug: &str) -> User {
        let (status, client) = admin
            .post("/api/clients", &json!({"name": slug, "slug": slug}))
            .await;
        assert_eq!(status, StatusCode::CREATED, "{client}");
        let username = format!("{slug}-admin");
        let body = json!({"username": username, "password": USER_PASSWORD, "role": "admin",
            "clientId": client["id"]});
        let (status, answer) = admin.post("/api/users", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        self.login(&username, USER_PASSWORD).await
    }

    pub(crate) fn gateway(&self) -> Gateway {
        Gateway::new(&self.fleet, "gateway-1")
    }
}

impl User {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", self.token);
        headers.insert("authorization", HeaderValue::from_str(&bearer).unwrap());
        self.client
            .request(method, format!("{}{path}", self.url))
            .headers(headers)
    }

    pub(crate) async fn send(&self, method: Method, path: &str) -> (StatusCode, Value) {
        answer(self.request(method, path)).await
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path).await
    }

    /// A read that must succeed.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.request(Method::PUT, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.request(Method::PATCH, path).json(body)).await
    }

    /// Waits until a read gives what is expected.
    pub(crate) async fn eventually(&self, path: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = within(async || {
            let (_, body) = self.get(path).await;
            last = body;
            expected(&last)
        });
        let found = found.await;
        assert!(found, "{path} never came to be as expected: {last}");
        last
    }
}

/// Status and JSON body, `null` when there is none.
pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Tries until it is true or the deadline is over.
pub(crate) async fn within(mut condition: impl AsyncFnMut() -> bool) -> bool {
    let end = clock::now() + DEADLINE;
    while clock::now() < end {
        if condition().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

impl Gateway {
    pub(crate) fn new(fleet: &Fleet, name: &str) -> Self {
        let node = NodeId(name.to_owned());
        let mut incoming = fleet.serve(&node);
        let commands = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Box::new(usual)));
        let (noted, answers) = (commands.clone(), answer.clone());
        tokio::spawn(async move {
            while let Some(request) = incoming.recv().await {
                noted.lock().unwrap().push(request.command.clone());
                let reply = (answers.lock().unwrap())(&request.command);
                request.answer(reply);
            }
        });
        Self {
            fleet: fleet.clone(),
            node,
            commands,
            answer,
        }
    }

    /// Answers differently from now on.
    pub(crate) fn answers(
        &self,
        answer: impl Fn(&Command) -> Result<Reply, CommandError> + Send + 'static,
    ) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    pub(crate) fn commands(&self) -> Vec<Command> {
        self.commands.lock().unwrap().clone()
    }

    /// Waits for a command.
    pub(crate) async fn heard(&self, expected: impl Fn(&Command) -> bool) -> bool {
        within(async || self.commands().iter().any(&expected)).await
    }

    /// Holds a call in a room and reports it.
    pub(crate) fn hold(&self, room: &str, tenant: Option<&str>) -> Held {
        let at = Timestamp::from_unix_ms(clock::wall() - 5000);
        self.hold_since(room, tenant, at)
    }

    pub(crate) fn hold_since(&self, room: &str, tenant: Option<&str>, at: Timestamp) -> Held {
        let facts = facts(room, tenant, at);
        let id = CallId::of_upstream("livekit", &facts.upstream_call_id, at);
        let log = self.fleet.event_log(id, 1);
        log.send(CallEvent::Facts(facts.clone()));
        Held {
            id,
            log,
            facts,
            _route: self.fleet.route(id, &self.node),
        }
    }
}

impl Held {
    pub(crate) fn path(&self) -> String {
        format!("/api/calls/{}", self.id)
    }

    /// Waits until the call is known.
    pub(crate) async fn known_to(&self, user: &User) -> Value {
        let id = self.id.to_string();
        user.eventually(&self.path(), |call| call["id"] == id.as_str())
            .await
    }
}

pub(crate) fn facts(room: &str, tenant: Option<&str>, at: Timestamp) -> CallFacts {
    CallFacts {
        upstream: Upstream::Livekit,
        upstream_call_id: format!("RM_{room}"),
        tenant: tenant.map(str::to_owned),
        campaign: None,
        direction: Direction::Inbound,
        from: "+4930123456".into(),
        to: room.to_owned(),
        customer_name: Some(CUSTOMER.into()),
        agent_id: Some("agent-7".into()),
        agent_name: Some("Aria".into()),
        livekit_room_name: Some(room.to_owned()),
        started_at: at,
        answered_at: None,
        capabilities: vec![
            Capability::Listen,
            Capability::WhisperText,
            Capability::WhisperVoice,
            Capability::Barge,
            Capability::Takeover,
            Capability::HandBack,
            Capability::Transfer,
            Capability::MuteAgent,
            Capability::MuteCustomer,
            Capability::End,
        ],
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is one of many answers")]
fn usual(command: &Command) -> Result<Reply, CommandError> {
    match command {
        Command::Listen { call, .. } => Ok(Reply::Listening {
            tracks: vec![
                (format!("{call}/customer"), Party::Customer),
                (format!("{call}/agent"), Party::Agent),
            ],
        }),
        Command::Unlisten { .. }
        | Command::Feed { .. }
        | Command::Talk { .. }
        | Command::SetFloor { .. }
        | Command::Whisper { .. }
        | Command::EndCall { .. }
        | Command::UnlistenAll { .. }
        | Command::WatchLevels { .. }
        | Command::PauseRecording { .. }
        | Command::ResumeRecording { .. }
        | Command::StopRecording { .. }
        | Command::EraseTakes { .. }
        | Command::Hear(_)
        | Command::CallOver { .. }
        | Command::RoomChanged { .. } => Ok(Reply::Done),
    }
}
