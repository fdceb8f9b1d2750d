//! Settings as an operator meets them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use secrecy::ExposeSecret as _;
use sidetone_service::config::{self, Env, Input, Settings};

fn problems(input: &Input) -> Vec<String> {
    let report = config::check_with(input);
    report.problems.iter().map(ToString::to_string).collect()
}

fn with_file(text: &str) -> Input {
    Input {
        file: Some((PathBuf::from("sidetone.toml"), text.to_owned())),
        ..Input::default()
    }
}

#[test]
fn the_documentation_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, config::markdown()).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        page,
        config::markdown(),
        "run UPDATE_DOCS=1 cargo test -p sidetone-service"
    );
}

#[test]
fn without_any_setting_the_defaults_are_those_of_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let settings = Settings::load_from(&Input::from_vars([(
        "SIDETONE_DATA",
        data.to_str().unwrap(),
    )]))
    .unwrap();
    assert_eq!(settings.server.http.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.server.ops.to_string(), "127.0.0.1:9090");
    assert_eq!(settings.server.public_url, "http://127.0.0.1:8080");
    assert_eq!(settings.server.env, Env::Dev);
    assert_eq!(settings.session.minutes, 480);
    assert!(settings.livekit.access().is_none());
    assert!(!settings.upstreams.allow_loopback);
    let url = settings.database_url();
    assert_eq!(
        url.expose_secret(),
        format!("sqlite://{}/sidetone.db", data.display())
    );
}

#[test]
fn the_environment_wins_over_the_file_and_both_names_work_there() {
    let mut input = with_file(
        "SIDETONE_HTTP = '127.0.0.1:1000'\nSIDETONE_SESSION_MINUTES = 30\n[server]\nops = '127.0.0.1:2000'\ncors_origins = ['https://a.example']\n",
    );
    input
        .vars
        .insert("SIDETONE_HTTP".into(), "127.0.0.1:3000".into());
    let dir = tempfile::tempdir().unwrap();
    input
        .vars
        .insert("SIDETONE_DATA".into(), dir.path().display().to_string());
    let settings = Settings::load_from(&input).unwrap();
    assert_eq!(settings.server.http.port(), 3000);
    assert_eq!(settings.server.ops.port(), 2000);
    assert_eq!(settings.session.minutes, 30);
    assert_eq!(settings.server.cors_origins, ["https://a.example"]);
}

#[test]
fn everything_wrong_is_told_at_once_with_its_name() {
    let found = problems(&Input::from_vars([
        ("SIDETONE_HTTP", "localhost"),
        ("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "maybe"),
        ("SIDETONE_HTPP", "127.0.0.1:1"),
        ("SIDETONE_ENV", "production"),
        ("LIVEKIT_SIP_URL", "sip.example"),
        ("LIVEKIT_URL", "ws://127.0.0.1:7880"),
        ("UNRELATED", "is left alone"),
    ]));
    let all = found.join("\n");
    for expected in [
        "SIDETONE_HTTP: ",
        "SIDETONE_ALLOW_LOOPBACK_UPSTREAMS: \"maybe\" is neither true nor false",
        "SIDETONE_HTPP: is no setting; did you mean SIDETONE_HTTP?",
        "SIDETONE_ENV: ",
        "LIVEKIT_SIP_URL: \"sip.example\" begins with none of",
        "LIVEKIT_API_KEY: is missing",
        "LIVEKIT_API_SECRET: is missing",
    ] {
        assert!(all.contains(expected), "{expected:?} is not in\n{all}");
    }
    assert_eq!(found.len(), 7, "{all}");
}

#[test]
fn redis_is_named_by_its_address() {
    let found = problems(&Input::from_vars([("REDIS_URL", "localhost:6379")]));
    assert_eq!(
        found,
        ["REDIS_URL: begins with none of redis://, rediss://"]
    );
}

#[test]
fn the_store_of_recordings_is_a_bucket_or_nothing() {
    let found = problems(&Input::from_vars([
        ("S3_ENDPOINT", "127.0.0.1:9000"),
        ("S3_PREFIX", "/up/../there"),
        ("S3_SSE", "rot13"),
        ("SIDETONE_SPOOL_MIB", "1"),
    ]));
    let all = found.join("\n");
    for expected in [
        "S3_ENDPOINT: is of no use without S3_BUCKET",
        "S3_ENDPOINT: \"127.0.0.1:9000\" is not http(s)://",
        "S3_PREFIX: \"/up/../there\" begins with / or holds ..",
        "S3_SSE: \"rot13\" is none of",
        "SIDETONE_SPOOL_MIB: 1 is less than 64",
    ] {
        assert!(all.contains(expected), "{expected:?} is not in\n{all}");
    }
}

#[test]
fn unknown_keys_of_the_file_are_errors() {
    let found = problems(&with_file("colour = 1\n[server]\nhtpp = 'x'\n"));
    assert_eq!(
        found,
        [
            "colour: is no setting",
            "server.htpp: is no setting; did you mean server.http?"
        ]
    );
    assert!(problems(&with_file("= broken"))[0].starts_with("sidetone.toml: is not TOML"));
}

#[test]
fn prod_refuses_generated_secrets_and_loopback() {
    let found = problems(&Input::from_vars([
        ("SIDETONE_ENV", "prod"),
        ("SIDETONE_ALLOW_LOOPBACK_UPSTREAMS", "true"),
    ]));
    assert_eq!(
        found,
        [
            "SECRET_KEY: is required with SIDETONE_ENV=prod",
            "RECORDING_KEY: is required with SIDETONE_ENV=prod",
            "SIDETONE_ALLOW_LOOPBACK_UPSTREAMS: is refused with SIDETONE_ENV=prod",
        ]
    );
}

#[test]
fn weak_secrets_are_refused_and_never_quoted() {
    let found = problems(&Input::from_vars([
        ("SECRET_KEY", "hunter2"),
        ("RECORDING_KEY", "hunter2"),
        ("SIDETONE_ADMIN_PASSWORD", "hunter2"),
    ]));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|text| !text.contains("hunter2")));
}

#[test]
fn the_report_shows_no_secret() {
    let report = config::check_with(&Input::from_vars([
        ("LIVEKIT_URL", "http://127.0.0.1:7880"),
        ("LIVEKIT_API_KEY", "devkey"),
        ("LIVEKIT_API_SECRET", "livekit-own-secret"),
        ("SECRET_KEY", "0123456789012345678901234567890123456789"),
        ("DATABASE_URL", "postgres://me:dbpassword@db/x"),
        ("SIDETONE_ADMIN_PASSWORD", "adminpassword"),
    ]));
    let text = report.to_string();
    assert!(report.problems.is_empty(), "{text}");
    assert!(text.contains("LIVEKIT_API_SECRET=[set]  # environment"));
    assert!(text.contains("LIVEKIT_WS_URL=ws://127.0.0.1:7880"));
    assert!(text.contains("SIDETONE_HTTP=127.0.0.1:8080  # default"));
    for secret in [
        "livekit-own-secret",
        "0123456789",
        "dbpassword",
        "adminpassword",
    ] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn generated_secrets_stay_the_same_and_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let input = Input::from_vars([("SIDETONE_DATA", dir.path().to_str().unwrap())]);
    let first = Settings::load_from(&input).unwrap();
    let second = Settings::load_from(&input).unwrap();
    assert_eq!(
        first.keys.secret_key.expose_secret(),
        second.keys.secret_key.expose_secret()
    );
    assert_ne!(
        first.keys.secret_key.expose_secret(),
        first.keys.recording_key.expose_secret()
    );
    let mut names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
            entry.file_name().into_string().unwrap()
        })
        .collect();
    names.sort();
    assert_eq!(names, ["recording.key", "secret.key"]);

    std::fs::write(dir.path().join("secret.key"), "short").unwrap();
    let error = Settings::load_from(&input).unwrap_err().to_string();
    assert!(error.contains("SECRET_KEY") && error.contains("holds no valid key"));
}
