//! What the API does is what its description says: asked by Schemathesis, which makes requests of
//! the description, right and wrong ones.

use std::process::Stdio;

use serde_json::json;
use sidetone_testkit::workspace_path;
use sidetone_wire::CallId;
use tokio::process::Command;

use crate::world::World;

/// Requests for each operation, at least; `SIDETONE_CONTRACT_CASES` asks for more (`make soak`).
const CASES: &str = "12";
/// Requests that must have been made in all.
const LEAST: u64 = 1000;

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";

#[tokio::test]
async fn every_answer_is_one_that_the_description_has() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let call = gateway.hold("room-1", None);
    call.known_to(&admin).await;
    let user = world.user(&admin, "to-be-changed", "agent").await;
    // real ids where there are some, so that more than refusals is answered
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("schemathesis.toml");
    let text = with_ids(&call.id, &user.id);
    std::fs::write(&config, text).unwrap();

    let cases = std::env::var("SIDETONE_CONTRACT_CASES").unwrap_or_else(|_| CASES.to_owned());
    let program = workspace_path(".tools/venv/bin/schemathesis");
    let run = Command::new(program)
        .arg("--config-file")
        .arg(&config)
        .args(["run", &format!("{}/api/openapi.json", world.url)])
        .args([
            "--header",
            &format!("Authorization: Bearer {}", admin.token),
        ])
        .args(["--phases", "coverage,fuzzing", "--checks", CHECKS])
        // a second worker meets a race of Python's own up to 3.11.7, when it reads its syntax trees
        .args(["--max-examples", &cases, "--seed", "1", "--workers", "1"])
        // these end the session or change the password that the others need
        .args(["--exclude-path-regex", "logout|/me/password|auth/switch"])
        .args(["--continue-on-failure", "--no-color", "--warnings", "off"])
        .args([
            "--suppress-health-check",
            "all",
            "--generation-database",
            "none",
        ])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let run = run.await.expect("`make tools-test` installs schemathesis");
    let said = String::from_utf8_lossy(&run.stdout);
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{errors}");
    let made = said.lines().find_map(|line| {
        let (count, _) = line.trim().split_once(" generated")?;
        count.replace(',', "").parse::<u64>().ok()
    });
    assert!(made.is_some_and(|made| made >= LEAST), "{made:?}:\n{said}");
}

/// Settings of Schemathesis.
fn with_ids(call: &CallId, user: &str) -> String {
    let ids = [
        ("^/api/calls/", call.to_string()),
        ("^/api/users/", user.to_owned()),
    ];
    let section = |(pattern, id): (&str, String)| {
        let (pattern, id) = (json!(pattern), json!(id));
        format!("[[operations]]\ninclude-path-regex = {pattern}\nparameters = {{ id = {id} }}\n\n")
    };
    ids.map(section).concat()
}
