//! A peer that we did not write: the LiveKit Python SDK (libwebrtc), driven line by line.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

use crate::{tools, wait_some, workspace_path};

/// How long one command may take. Starting Python with its native library is the longest.
const COMMAND_DEADLINE: Duration = Duration::from_mins(1);
/// Events kept for the test to look at: a test that makes more is not read to its end by anyone.
/// The oldest is dropped.
const EVENTS_KEPT: usize = 10_000;
/// Answers not yet taken: there is one per command, and commands wait for theirs.
const ANSWERS_PENDING: usize = 4;

/// How often a peer is asked what it hears.
const LISTEN_EVERY: Duration = Duration::from_millis(50);

/// What a peer hears on one subscribed track.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Who publishes it.
    pub identity: String,
    /// The track's name.
    pub name: String,
    /// The track's sid.
    pub sid: String,
    /// Asked frequencies in Hz with their level in dBFS, over the last 400 ms.
    pub levels: Vec<(f64, f64)>,
    /// Loudness of everything heard over the last 400 ms, in dBFS; -200 is nothing.
    pub rms_dbfs: f64,
    /// Milliseconds of sound received so far.
    pub received_ms: u64,
}

impl Heard {
    /// How far the tone of `unwanted_hz` lies below that of `wanted_hz`, in dB (negative).
    pub fn crosstalk_db(&self, wanted_hz: f64, unwanted_hz: f64) -> f64 {
        self.level_dbfs(unwanted_hz) - self.level_dbfs(wanted_hz)
    }

    /// Level of `hz` in dBFS, -200 if it was not asked for.
    pub fn level_dbfs(&self, hz: f64) -> f64 {
        self.levels
            .iter()
            .find(|(asked, _)| (asked - hz).abs() < 0.5)
            .map_or(-200.0, |(_, level)| *level)
    }
}

/// A Python program in a process of its own, speaking JSON lines; killed on drop.
pub struct PythonPeer {
    child: Child,
    stdin: ChildStdin,
    answers: mpsc::Receiver<Value>,
    events: Arc<Mutex<VecDeque<Value>>>,
    next_id: u64,
}

impl PythonPeer {
    /// A plain participant (`tests/peers/peer.py`), not yet in a room.
    ///
    /// # Errors
    /// When the Python environment is missing: says how to get it.
    pub async fn start() -> Result<Self> {
        Self::spawn("tests/peers/peer.py").await
    }

    /// An agent of the livekit-agents package in a session without models
    /// (`tests/peers/agent.py`), not yet in a room. [`PythonPeer::linked`] says whom it serves.
    ///
    /// # Errors
    /// As [`PythonPeer::start`].
    pub async fn start_agent() -> Result<Self> {
        Self::spawn("tests/peers/agent.py").await
    }

    /// The example agent (`tests/peers/example.py`), not yet in a room.
    ///
    /// # Errors
    /// As [`PythonPeer::start`].
    pub async fn start_example() -> Result<Self> {
        Self::spawn("tests/peers/example.py").await
    }

    async fn spawn(program: &str) -> Result<Self> {
        let python = tools::find("SIDETONE_PYTHON", ".tools/venv/bin/python")?;
        let mut child = Command::new(python)
            .arg("-u")
            .arg(workspace_path(program))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let events = Arc::new(Mutex::new(VecDeque::new()));
        let (answered, answers) = mpsc::channel(ANSWERS_PENDING);
        tokio::spawn(read_lines(stdout, answered, Arc::clone(&events)));
        let mut peer = Self {
            child,
            stdin,
            answers,
            events,
            next_id: 0,
        };
        peer.call(json!({"do": "hello"})).await?;
        Ok(peer)
    }

    /// Sends one command (`{"do": …}`, see the program) and returns its answer.
    ///
    /// # Errors
    /// With what the program said, or when it is gone.
    pub async fn call(&mut self, mut command: Value) -> Result<Value> {
        self.next_id += 1;
        let id = self.next_id;
        command["id"] = json!(id);
        self.stdin
            .write_all(format!("{command}\n").as_bytes())
            .await
            .context("the Python peer is gone")?;
        let answer = tokio::time::timeout(COMMAND_DEADLINE, async {
            loop {
                match self.answers.recv().await {
                    Some(answer) if answer["answer"] == id => return Some(answer),
                    // an answer to a command whose caller gave up
                    Some(_) => {}
                    None => return None,
                }
            }
        })
        .await
        .map_err(|_| anyhow!("the Python peer did not answer {command} in time"))?
        .ok_or_else(|| anyhow!("the Python peer ended before it answered {command}"))?;
        match answer.get("error") {
            Some(error) => bail!("the Python peer failed at {}: {error}", command["do"]),
            None => Ok(answer),
        }
    }

    /// Joins a room and subscribes to everything in it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn join(&mut self, url: &str, token: &str) -> Result<()> {
        self.call(json!({"do": "join", "url": url, "token": token}))
            .await
            .map(drop)
    }

    /// Publishes a steady tone as a microphone track and returns its sid.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn publish_tone(&mut self, name: &str, hz: f64, level_dbfs: f64) -> Result<String> {
        let command = json!({"do": "publish_tone", "name": name, "hz": hz, "level": level_dbfs});
        let answer = self.call(command).await?;
        Ok(answer["sid"].as_str().unwrap_or_default().to_owned())
    }

    /// Presses a key: LiveKit's DTMF message, as a telephone's keys make it.
    ///
    /// # Errors
    /// When it is no key, or the program is gone.
    pub async fn press(&mut self, digit: char) -> Result<()> {
        let command = json!({"do": "press", "digit": digit});
        self.call(command).await.map(drop)
    }

    /// What is heard on each subscribed track, at the frequencies asked for.
    ///
    /// # Errors
    /// When the program is gone.
    pub async fn heard(&mut self, candidates_hz: &[f64]) -> Result<Vec<Heard>> {
        let answer = self
            .call(json!({"do": "heard", "hz": candidates_hz}))
            .await?;
        let tracks = answer["tracks"].as_array().cloned().unwrap_or_default();
        Ok(tracks.iter().map(heard_track).collect())
    }

    /// Waits until a track is heard that `matches`, looking at the frequencies given.
    ///
    /// # Panics
    /// With `what` and the last that was heard, when there is none within `deadline`.
    pub async fn wait_heard(
        &mut self,
        what: &str,
        deadline: Duration,
        candidates_hz: &[f64],
        matches: impl Fn(&Heard) -> bool,
    ) -> Heard {
        let mut last = Vec::new();
        let listening = async {
            loop {
                last = self
                    .heard(candidates_hz)
                    .await
                    .expect("the Python peer answers");
                if let Some(found) = last.iter().find(|track| matches(track)) {
                    return found.clone();
                }
                tokio::time::sleep(LISTEN_EVERY).await;
            }
        };
        let found = tokio::time::timeout(deadline, listening).await;
        found.unwrap_or_else(|_| panic!("waited {deadline:?} in vain for: {what}; heard {last:?}"))
    }

    /// Identities of the others in the room, as this peer knows them.
    ///
    /// # Errors
    /// When the program is gone.
    pub async fn participants(&mut self) -> Result<Vec<String>> {
        let answer = self.call(json!({"do": "participants"})).await?;
        let others = answer["participants"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        Ok(others
            .iter()
            .filter_map(|p| p["identity"].as_str().map(str::to_owned))
            .collect())
    }

    /// Whom the agent serves (its room input is linked to), if anybody.
    ///
    /// # Errors
    /// When the program is gone or is no agent.
    pub async fn linked(&mut self) -> Result<Option<String>> {
        let answer = self.call(json!({"do": "linked"})).await?;
        Ok(answer["identity"].as_str().map(str::to_owned))
    }

    /// Everything that happened so far, oldest first: `{"event": …}`.
    pub fn events(&self) -> Vec<Value> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// Waits for an event that `matches`, past ones included.
    ///
    /// # Panics
    /// With `what` when there is none within `deadline`.
    pub async fn wait_event(
        &self,
        what: &str,
        deadline: Duration,
        matches: impl Fn(&Value) -> bool,
    ) -> Value {
        wait_some(what, deadline, || async {
            self.events().into_iter().find(|event| matches(event))
        })
        .await
    }

    /// Leaves the room and ends the program.
    ///
    /// # Errors
    /// When it does not end in time (it is killed then).
    pub async fn leave(mut self) -> Result<()> {
        self.call(json!({"do": "leave"})).await?;
        drop(self.stdin);
        tokio::time::timeout(COMMAND_DEADLINE, self.child.wait())
            .await
            .context("the Python peer does not end")??;
        Ok(())
    }
}

async fn read_lines(
    stdout: ChildStdout,
    answered: mpsc::Sender<Value>,
    events: Arc<Mutex<VecDeque<Value>>>,
) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // libraries print there too; what is not a JSON object is not ours
        let Ok(value) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if value.get("answer").is_some() {
            if answered.send(value).await.is_err() {
                return;
            }
        } else if value.get("event").is_some() {
            let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
            if events.len() == EVENTS_KEPT {
                events.pop_front();
            }
            events.push_back(value);
        }
    }
}

fn heard_track(track: &Value) -> Heard {
    let text = |key: &str| track[key].as_str().unwrap_or_default().to_owned();
    let levels = track["levels"].as_array().cloned().unwrap_or_default();
    Heard {
        identity: text("identity"),
        name: text("name"),
        sid: text("sid"),
        levels: levels
            .iter()
            .filter_map(|pair| Some((pair[0].as_f64()?, pair[1].as_f64()?)))
            .collect(),
        rms_dbfs: track["rms"].as_f64().unwrap_or(-200.0),
        received_ms: track["received_ms"].as_u64().unwrap_or_default(),
    }
}
