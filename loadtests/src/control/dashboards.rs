//! Thousands of dashboards on Socket.IO beside calls that all change every second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sidetone_service::{clock, files};
use sidetone_testkit::{PostgresOptions, PostgresServer};
use sidetone_wire::{CallId, Timestamp};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::http::Client;
use super::percentile;
use super::plane::{Running, moment_in};
use crate::child::{Child, questions, say};
use crate::process::Usage;

const TENANTS: usize = 50;
const CALLS: usize = 500;
const MESSAGES_TARGET: f64 = 1.0;
const CORES_TARGET: f64 = 0.25;
const P99_TARGET_MS: f64 = 500.0;
const KIB_TARGET: f64 = 40.0;
/// Clients that connect at the same time.
const AT_ONCE: usize = 100;
const SETTLE: Duration = Duration::from_secs(5);
const CONNECTED_WITHIN: Duration = Duration::from_mins(3);

/// Part of the scenario: the clients, in a process of their own.
#[derive(Args)]
pub(crate) struct Dashboards {
    #[arg(long)]
    url: String,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Question {
    /// Connects so many clients with each token. Answered with their number.
    Connect { tokens: Vec<String>, each: usize },
    /// Counts anew from now on.
    Reset,
    /// [`Counted`].
    Counted,
    /// Connects a client that reads along in these calls. Answered with how many do.
    Read { token: String, calls: Vec<CallId> },
    /// [`Read`].
    HasRead,
}

/// How late those who read along got what was said.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Read {
    pub(super) versions_ms: Vec<f64>,
    pub(super) finals_ms: Vec<f64>,
}

/// What all clients together were sent.
#[derive(Default, Serialize, Deserialize)]
struct Counted {
    connected: usize,
    messages: u64,
    bytes: u64,
    /// From a message's time to its arrival.
    late_ms: Vec<f64>,
    read: Read,
}

type Shared = Arc<Mutex<Counted>>;

pub(super) async fn run(clients: usize, seconds: u64) -> Result<()> {
    let server = PostgresServer::start_with(PostgresOptions {
        durable: true,
        ..PostgresOptions::default()
    });
    let server = server.await?;
    let database = server.database("dashboards").await?;
    let data = tempfile::tempdir()?;
    let mut plane = Running::start(&database, data.path()).await?;
    let (slugs, tokens) = tenants(&plane.client).await?;
    plane.change(&slugs, CALLS)?;
    tokio::time::sleep(SETTLE).await;
    let pid = plane.child.pid();
    let alone = cores(pid, seconds)?;
    let before = Usage::of(pid)?.resident_kib;

    let mut load = Child::start(
        "dashboards",
        &["--url".to_owned(), plane.client.url.clone()],
    )?;
    let each = clients / TENANTS;
    load.tell(&serde_json::to_string(&Question::Connect { tokens, each })?)?;
    let connected: usize = load.answer(CONNECTED_WITHIN)?;
    tokio::time::sleep(SETTLE).await;
    let resident = Usage::of(pid)?.resident_kib;
    let _: usize = load.ask(&serde_json::to_string(&Question::Reset)?)?;
    let with = cores(pid, seconds)?;
    let mut counted: Counted = load.ask(&serde_json::to_string(&Question::Counted)?)?;
    let per_client = counted.messages as f64 / connected as f64 / seconds as f64;
    let kib = resident.saturating_sub(before) as f64 / connected as f64;
    let (p50, p99) = (
        percentile(&mut counted.late_ms, 0.5),
        percentile(&mut counted.late_ms, 0.99),
    );
    let verdict = json!({
        "scenario": "dashboards", "clients": connected, "still_connected": counted.connected,
        "tenants": TENANTS, "calls_changing_each_second": CALLS,
        "messages_per_s_and_client": per_client, "messages_target": MESSAGES_TARGET,
        "kib_per_s_and_client": counted.bytes as f64 / 1024.0 / connected as f64 / seconds as f64,
        "cores_without_clients": alone, "cores": with, "cores_for_clients": with - alone,
        "cores_target": CORES_TARGET,
        "late_p50_ms": p50, "late_p99_ms": p99, "late_target_ms": P99_TARGET_MS,
        "kib_per_connection": kib, "kib_target": KIB_TARGET,
        "passed": counted.connected == clients && per_client > 0.5
            && per_client <= MESSAGES_TARGET * 1.02 && with - alone <= CORES_TARGET
            && p99 <= P99_TARGET_MS && kib <= KIB_TARGET,
    });
    say(&verdict.to_string());
    Ok(())
}

fn cores(pid: u32, seconds: u64) -> Result<f64> {
    let (before, begun) = (Usage::of(pid)?, clock::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let cpu = Usage::of(pid)?.since(&before).cpu();
    Ok(cpu.as_secs_f64() / (clock::now() - begun).as_secs_f64())
}

/// Tenants with a supervisor each: their slugs and sessions.
async fn tenants(admin: &Client) -> Result<(Vec<String>, Vec<String>)> {
    let (mut slugs, mut tokens) = (Vec::new(), Vec::new());
    for n in 0..TENANTS {
        let slug = format!("tenant-{n}");
        let body = json!({"name": slug, "slug": slug});
        let tenant = admin.post("/api/clients", &body).await?;
        let (username, password) = (format!("supervisor-{n}"), "password-of-the-bench");
        let body = json!({"username": username, "password": password, "role": "supervisor",
            "clientId": tenant["id"]});
        admin.post("/api/users", &body).await?;
        tokens.push(Client::login(&admin.url, &username, password).await?.token);
        slugs.push(slug);
    }
    Ok((slugs, tokens))
}

impl Dashboards {
    pub(crate) fn run(self) -> Result<()> {
        files::raise_limit();
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(self.serve())
    }

    async fn serve(self) -> Result<()> {
        let address = self.url.trim_start_matches("http://").to_owned();
        let shared = Shared::default();
        let mut questions = questions();
        while let Some(question) = questions.recv().await {
            let answer = match serde_json::from_str(&question)? {
                Question::Connect { tokens, each } => {
                    connect(&address, &tokens, each, &shared).await?.to_string()
                }
                Question::Reset => {
                    let mut counted = lock(&shared);
                    let connected = counted.connected;
                    *counted = Counted {
                        connected,
                        ..Counted::default()
                    };
                    connected.to_string()
                }
                Question::Counted => serde_json::to_string(&*lock(&shared))?,
                Question::Read { token, calls } => {
                    let mut socket = greet(&address, &token).await?;
                    for call in calls {
                        let stream = json!({"stream": format!("call:{call}")});
                        let subscribe = format!("42{}", json!(["subscribe", stream]));
                        socket.send(Message::text(subscribe)).await?;
                    }
                    lock(&shared).connected += 1;
                    tokio::spawn(read(socket, shared.clone()));
                    lock(&shared).connected.to_string()
                }
                Question::HasRead => serde_json::to_string(&lock(&shared).read)?,
            };
            say(&answer);
        }
        Ok(())
    }
}

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Counted> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connect(address: &str, tokens: &[String], each: usize, shared: &Shared) -> Result<usize> {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut connecting = tokio::task::JoinSet::new();
    for token in tokens
        .iter()
        .flat_map(|token| std::iter::repeat_n(token, each))
    {
        let (address, token) = (address.to_owned(), token.clone());
        let (slots, shared) = (slots.clone(), shared.clone());
        connecting.spawn(async move {
            let _slot = slots.acquire().await?;
            let socket = greet(&address, &token).await?;
            lock(&shared).connected += 1;
            tokio::spawn(listen(socket, shared));
            anyhow::Ok(())
        });
    }
    let mut connected = 0;
    while let Some(done) = connecting.join_next().await {
        done??;
        connected += 1;
    }
    Ok(connected)
}

/// Connects and waits for the snapshot.
async fn greet(address: &str, token: &str) -> Result<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0);
    let (mut socket, _) = client_async_with_config(url, stream, Some(config)).await?;
    let hello = format!("40{}", json!({"token": token}));
    let subscribe = format!(
        "42{}",
        json!(["subscribe", {"stream": "calls", "batch": true}])
    );
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else {
            continue;
        };
        if text.starts_with('0') {
            socket.send(Message::text(hello.clone())).await?;
        } else if text.starts_with("44") {
            bail!("refused: {text}");
        } else if text.starts_with("42[\"initial_state\"") {
            socket.send(Message::text(subscribe)).await?;
            return Ok(socket);
        }
    }
    bail!("closed before the snapshot")
}

/// Counts until the connection ends.
async fn listen(mut socket: WebSocketStream<TcpStream>, shared: Shared) {
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        if text.as_str() == "2" {
            if socket.send(Message::text("3")).await.is_err() {
                break;
            }
        } else if text.starts_with("42") {
            let late = sent_at(&text).map(|at| (clock::wall() - at.unix_ms()) as f64);
            let mut counted = lock(&shared);
            counted.messages += 1;
            counted.bytes += text.len() as u64;
            counted.late_ms.extend(late.ok());
        }
    }
    lock(&shared).connected -= 1;
}

/// Reads along until the connection ends.
async fn read(mut socket: WebSocketStream<TcpStream>, shared: Shared) {
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        if text.as_str() == "2" {
            if socket.send(Message::text("3")).await.is_err() {
                break;
            }
        } else if text.starts_with("42[\"transcript-update\"")
            && let Some(at) = moment_in(&text)
        {
            let late_ms = (clock::wall() - at) as f64;
            let read = &mut lock(&shared).read;
            if text.contains("\"final\":false") {
                read.versions_ms.push(late_ms);
            } else {
                read.finals_ms.push(late_ms);
            }
        }
    }
    lock(&shared).connected -= 1;
}

/// When a message was made: the last time in it.
fn sent_at(text: &str) -> Result<Timestamp> {
    let (_, rest) = text.rsplit_once("\"timestamp\":").context("a time")?;
    let end = rest.find(['}', ',']).context("its end")?;
    Ok(serde_json::from_str(&rest[..end])?)
}
