//! Socket.IO clients that nobody here wrote, running the examples of docs/realtime.md.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use sidetone_service::clock;
use sidetone_testkit::workspace_path;
use sidetone_wire::{CallEvent, EndClass, EndReason, Timestamp};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::world::World;

/// How long a client may take: starting Python on a busy machine is the longest.
const DEADLINE: Duration = Duration::from_mins(2);

/// The example in that language.
fn example(language: &str) -> String {
    let page = std::fs::read_to_string(workspace_path("docs/realtime.md")).unwrap();
    let (_, example) = page.split_once(&format!("```{language}\n")).unwrap();
    example.split_once("```").unwrap().0.to_owned()
}

/// What runs an example: Python with python-socketio, or node beside the dashboard's modules.
fn program(world: &World, language: &str) -> Command {
    let text = example(language);
    let (program, file) = if language == "python" {
        let python = std::env::var_os("SIDETONE_PYTHON").map(PathBuf::from);
        let python = python.unwrap_or_else(|| workspace_path(".tools/venv/bin/python"));
        (python, world.dir.path().join("example.py"))
    } else {
        let modules = workspace_path("dashboard/node_modules");
        assert!(
            modules.exists(),
            "build the dashboard first: `make e2e` does"
        );
        let link = world.dir.path().join("node_modules");
        std::os::unix::fs::symlink(modules, link).unwrap();
        ("node".into(), world.dir.path().join("example.mjs"))
    };
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command.arg(file);
    command
}

async fn runs(language: &str, transport: &str) {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let first = gateway.hold("first", None);
    first.known_to(&admin).await;
    let mut client = program(&world, language)
        .env("SIDETONE_URL", &world.url)
        .env("SIDETONE_TOKEN", &admin.token)
        .env("TRANSPORT", transport)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let story = async {
        let mut next = async || lines.next_line().await.unwrap().expect("it goes on");
        assert_eq!(next().await, "active: 1");
        assert!(next().await.starts_with("pong 20"));
        let call = gateway.hold("second", None);
        assert_eq!(next().await, format!("call_started {}", call.id));
        let at = Timestamp::from_unix_ms(clock::wall());
        let reason = EndReason::new(EndClass::Completed, "participants_left");
        call.log.send(CallEvent::Ended { at, reason });
        loop {
            let line = next().await;
            if line == format!("call_ended {}", call.id) {
                break;
            }
            assert!(line.starts_with("call_"), "{line}");
        }
        assert!(client.wait().await.unwrap().success());
    };
    let told = tokio::time::timeout(DEADLINE, story).await;
    told.unwrap_or_else(|_| panic!("{language} over {transport} does not get on"));
}

#[tokio::test]
async fn python_socketio_runs_the_pages_example_over_websocket() {
    runs("python", "websocket").await;
}

#[tokio::test]
async fn python_socketio_runs_the_pages_example_over_polling() {
    runs("python", "polling").await;
}

#[tokio::test]
async fn the_javascript_client_runs_the_pages_example_over_websocket() {
    runs("js", "websocket").await;
}

#[tokio::test]
async fn the_javascript_client_runs_the_pages_example_over_polling() {
    runs("js", "polling").await;
}
