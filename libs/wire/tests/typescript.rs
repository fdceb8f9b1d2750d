//! The dashboard's types are these types: `dashboard/src/wire/` is generated, and this test fails
//! when it drifts. `UPDATE_WIRE=1 cargo test -p sidetone-wire` rewrites it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sidetone_wire::{
    Agent, Alert, AlertPreview, AlertRule, Annotation, Backlog, Branch, BranchPulse, Call,
    Campaign, Connection, ConnectionTest, ControlAnswer, Fallback, Feedback, ListenGrant,
    LiveIntelligence, LiveUpdate, Me, PhoneNumber, Preferences, Recording, SupervisorAction,
    Talking, Transcript, TranscriptFormat, TranscriptUpdate, TransferSeat, TransferUpdate,
    WebhookDelivery, WebhookSubscription, WhisperPill,
};
use sidetone_wire::{
    ApiKey, AuditRow, AuditVerdict, Client, Invite, Member, NewApiKey, NewInvite, User,
};
use sidetone_wire::{analytics, socket};
use ts_rs::{Config, TS};

/// What the dashboard reads; whatever these types contain comes along.
fn export(directory: &Path) {
    let config = Config::new().with_out_dir(directory);
    Call::export_all(&config).expect("the type can be written");
    Recording::export_all(&config).expect("the type can be written");
    Backlog::export_all(&config).expect("the type can be written");
    ListenGrant::export_all(&config).expect("the type can be written");
    ControlAnswer::export_all(&config).expect("the type can be written");
    Talking::export_all(&config).expect("the type can be written");
    TransferSeat::export_all(&config).expect("the type can be written");
    Fallback::export_all(&config).expect("the type can be written");
    Me::export_all(&config).expect("the type can be written");
    Transcript::export_all(&config).expect("the type can be written");
    TranscriptFormat::export_all(&config).expect("the type can be written");
    TranscriptUpdate::export_all(&config).expect("the type can be written");
    Branch::export_all(&config).expect("the type can be written");
    BranchPulse::export_all(&config).expect("the type can be written");
    PhoneNumber::export_all(&config).expect("the type can be written");
    Connection::export_all(&config).expect("the type can be written");
    ConnectionTest::export_all(&config).expect("the type can be written");
    people(&config);
    annotated(&config);
    watched(&config);
    sockets(&config).expect("the types can be written");
    reports(&config).expect("the types can be written");
}

/// Who may do what, and what they did.
fn people(config: &Config) {
    User::export_all(config).expect("the type can be written");
    Client::export_all(config).expect("the type can be written");
    Member::export_all(config).expect("the type can be written");
    ApiKey::export_all(config).expect("the type can be written");
    NewApiKey::export_all(config).expect("the type can be written");
    Invite::export_all(config).expect("the type can be written");
    NewInvite::export_all(config).expect("the type can be written");
    AuditRow::export_all(config).expect("the type can be written");
    AuditVerdict::export_all(config).expect("the type can be written");
}

/// What people write about calls, and how they like to see them.
fn annotated(config: &Config) {
    Annotation::export_all(config).expect("the type can be written");
    Feedback::export_all(config).expect("the type can be written");
    SupervisorAction::export_all(config).expect("the type can be written");
    WhisperPill::export_all(config).expect("the type can be written");
    Campaign::export_all(config).expect("the type can be written");
    Preferences::export_all(config).expect("the type can be written");
}

/// What is watched, and who is told.
fn watched(config: &Config) {
    Agent::export_all(config).expect("the type can be written");
    LiveIntelligence::export_all(config).expect("the type can be written");
    LiveUpdate::export_all(config).expect("the type can be written");
    AlertRule::export_all(config).expect("the type can be written");
    Alert::export_all(config).expect("the type can be written");
    AlertPreview::export_all(config).expect("the type can be written");
    WebhookSubscription::export_all(config).expect("the type can be written");
    WebhookDelivery::export_all(config).expect("the type can be written");
}

/// What goes over the real-time connection.
fn sockets(config: &Config) -> Result<(), ts_rs::ExportError> {
    socket::CallEventMessage::export_all(config)?;
    socket::LevelsMessage::export_all(config)?;
    socket::StreamMessage::export_all(config)?;
    socket::SubscribeError::export_all(config)?;
    socket::Connected::export_all(config)?;
    socket::InitialState::export_all(config)?;
    socket::MetricsUpdate::export_all(config)?;
    socket::ActiveCallsUpdate::export_all(config)?;
    socket::CallsUpdate::export_all(config)?;
    socket::Pong::export_all(config)?;
    socket::ControlChange::export_all(config)?;
    TransferUpdate::export_all(config)?;
    socket::IncomingCall::export_all(config)?;
    socket::CallEnded::export_all(config)?;
    socket::RoomUpdate::export_all(config)
}

/// Figures.
fn reports(config: &Config) -> Result<(), ts_rs::ExportError> {
    analytics::AgentPerformance::export_all(config)?;
    analytics::DurationReport::export_all(config)?;
    analytics::PeaksReport::export_all(config)?;
    analytics::ConcurrencyReport::export_all(config)?;
    analytics::UtilizationReport::export_all(config)?;
    analytics::TagsReport::export_all(config)?;
    analytics::FeedbackReport::export_all(config)
}

/// File name to text, for every TypeScript file of a folder.
fn read(directory: &Path) -> BTreeMap<String, String> {
    std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ts"))
        .map(|path| {
            let name = path
                .file_name()
                .expect("it is a file")
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read_to_string(&path).expect("it is text"))
        })
        .collect()
}

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboard/src/wire")
}

#[test]
fn the_dashboards_types_are_the_types_of_this_crate() {
    let scratch = tempfile::tempdir().unwrap();
    export(scratch.path());
    let wanted = read(scratch.path());
    assert!(wanted.contains_key("Call.ts"), "nothing was generated");

    let committed = committed();
    if std::env::var_os("UPDATE_WIRE").is_some() {
        std::fs::create_dir_all(&committed).unwrap();
        for name in read(&committed).keys() {
            std::fs::remove_file(committed.join(name)).unwrap();
        }
        for (name, text) in &wanted {
            std::fs::write(committed.join(name), text).unwrap();
        }
    }

    let found = read(&committed);
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    let hint = "run UPDATE_WIRE=1 cargo test -p sidetone-wire";
    assert_eq!(names(&found), names(&wanted), "{hint}");
    for (name, text) in &wanted {
        assert_eq!(&found[name], text, "{name}: {hint}");
    }
}
