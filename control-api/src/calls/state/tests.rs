use proptest::prelude::*;
use sidetone_service::clock;
use sidetone_wire::{
    CallId, Consent, Control, EndClass, Party, RecordingFlag, RecordingState, TenantId,
    TranscriptSegment, Upstream,
};

use super::*;
use crate::calls::transcript::arrange;
use crate::calls::{CallUpdate, End, Layer, Said, Spoken};

const START: i64 = 1_790_000_000_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(START + ms)
}

fn nobody() -> Call {
    Call {
        id: CallId(uuid::Uuid::nil()),
        client_id: TenantId(uuid::Uuid::nil()),
        branch_id: None,
        upstream: Upstream::Vapi,
        upstream_call_id: "v-1".to_owned(),
        direction: Direction::Inbound,
        from: String::new(),
        to: String::new(),
        customer_name: None,
        agent_id: None,
        agent_name: None,
        livekit_room_name: None,
        status: CallStatus::Connecting,
        end_reason: None,
        outcome: None,
        started_at: at(0),
        answered_at: None,
        ended_at: None,
        duration_seconds: 0,
        tags: Vec::new(),
        consent: Consent::Unknown,
        control: Control {
            holder: "agent".to_owned(),
            holder_name: None,
            since: at(0),
            version: 0,
        },
        recording: RecordingFlag {
            state: RecordingState::Off,
            started_at: None,
            paused_at: None,
            paused_by: None,
            resume_at: None,
        },
        transfer: None,
        muted: Vec::new(),
        watchers: Vec::new(),
        levels: None,
        current_speaker: None,
        campaign: None,
        capabilities: Vec::new(),
        incapable: BTreeMap::new(),
        degraded: None,
        listen_proxy_url: None,
        recording_stored_url: None,
    }
}

/// Takes updates one by one, as if each came in a batch of its own.
fn after(updates: &[CallUpdate]) -> (State, Call, Vec<TranscriptSegment>) {
    let (mut state, mut rows, mut call) = (State::default(), Rows::default(), nobody());
    for update in updates {
        let former = state.clone();
        state.absorb(update, &mut rows);
        state.project(&former, None, &mut call);
    }
    let floor = rows.floor;
    let kept = rows
        .put
        .into_values()
        .filter(|row| Some(row.layer) >= floor);
    let segments = arrange(kept.collect(), call.started_at);
    (state, call, segments)
}

fn phase(ms: i64, phase: CallStatus) -> CallUpdate {
    CallUpdate {
        phase: Some(phase),
        answered_at: (phase == CallStatus::Connected).then(|| at(ms)),
        ..CallUpdate::at(at(ms))
    }
}

fn ended(ms: i64, code: &str, cause: Cause) -> CallUpdate {
    CallUpdate {
        end: Some(End {
            at: None,
            cause,
            code: code.to_owned(),
        }),
        ..CallUpdate::at(at(ms))
    }
}

#[test]
fn a_call_goes_through_its_states_and_ends_once() {
    let mut updates = vec![phase(0, CallStatus::Connecting)];
    for (ms, next) in [
        (1000, CallStatus::Ringing),
        (5000, CallStatus::Connected),
        (20_000, CallStatus::OnHold),
        (25_000, CallStatus::Connected),
        (30_000, CallStatus::Transferring),
    ] {
        updates.push(phase(ms, next));
        assert_eq!(after(&updates).1.status, next);
    }
    updates.push(ended(40_000, "customer_ended_call", Cause::Completed));
    let (_, call, _) = after(&updates);
    assert_eq!(call.status, CallStatus::Ended);
    assert_eq!(
        (call.answered_at, call.ended_at),
        (Some(at(5000)), Some(at(40_000)))
    );
    assert_eq!(call.duration_seconds, 40);
    // nothing brings it back
    updates.push(phase(50_000, CallStatus::Connected));
    updates.push(ended(60_000, "ended", Cause::Unknown));
    assert_eq!(after(&updates).1, call);
    let reason = call.end_reason.unwrap();
    assert_eq!(
        (reason.class, reason.code.as_str()),
        (EndClass::Completed, "customer_ended_call")
    );
}

#[test]
fn durations_are_the_vendors_whatever_arrived_when() {
    let report = CallUpdate {
        created_at: Some(at(0)),
        started_at: Some(at(7000)),
        end: Some(End {
            at: Some(at(67_000)),
            cause: Cause::Completed,
            code: "assistant_ended_call".to_owned(),
        }),
        ..CallUpdate::at(at(90_000))
    };
    let (_, call, _) = after(&[phase(300, CallStatus::Connecting), report]);
    assert_eq!(
        (call.started_at, call.ended_at),
        (at(7000), Some(at(67_000)))
    );
    assert_eq!(call.duration_seconds, 60);
}

#[test]
fn a_tag_that_somebody_took_away_does_not_come_back() {
    let tagged = |ms, tags: &[&str]| CallUpdate {
        tags: tags.iter().map(ToString::to_string).collect(),
        ..CallUpdate::at(at(ms))
    };
    let (mut state, mut call) = (State::default(), nobody());
    let mut take = |update: &CallUpdate, call: &mut Call| {
        let former = state.clone();
        state.absorb(update, &mut Rows::default());
        state.project(&former, None, call);
    };
    take(&tagged(1, &["vip", "refund"]), &mut call);
    assert_eq!(call.tags, ["refund", "vip"]);
    call.tags.retain(|tag| tag != "vip");
    take(&tagged(2, &["vip", "late"]), &mut call);
    assert_eq!(call.tags, ["late", "refund"]);
}

#[test]
fn what_was_erased_is_not_said_again() {
    let report = CallUpdate {
        said: Said::Piece {
            party: Party::Customer,
            text: "my secret".to_owned(),
            is_final: true,
        },
        metadata: [("summary".to_owned(), "secret".into())]
            .into_iter()
            .collect(),
        ..CallUpdate::at(at(1))
    };
    let (mut state, mut rows) = (State::default(), Rows::default());
    state.absorb(&report, &mut rows);
    assert!(!rows.is_empty());
    state.silence();
    let mut rows = Rows::default();
    state.absorb(&report, &mut rows);
    assert!(rows.is_empty());
    assert_eq!(state.metadata(), serde_json::json!({}));
    // also after it was kept
    let text = serde_json::to_string(&state).unwrap();
    let mut again: State = serde_json::from_str(&text).unwrap();
    assert_eq!(again, state);
    again.absorb(&report, &mut rows);
    assert!(rows.is_empty());
}

#[test]
fn a_registration_gives_way_to_the_vendor() {
    let registered = CallUpdate {
        customer: Some("+4930".to_owned()),
        agent_name: Some("Aria".to_owned()),
        created_at: Some(at(500)),
        ..CallUpdate::at(Timestamp::default())
    };
    let vendor = CallUpdate {
        customer: Some("+4931".to_owned()),
        created_at: Some(at(0)),
        ..CallUpdate::at(at(10))
    };
    for updates in [[registered.clone(), vendor.clone()], [vendor, registered]] {
        let (_, call, _) = after(&updates);
        assert_eq!((call.from.as_str(), call.started_at), ("+4931", at(0)));
        assert_eq!(call.agent_name.as_deref(), Some("Aria"));
    }
}

fn said() -> impl Strategy<Value = Said> {
    let party = prop_oneof![Just(Party::Customer), Just(Party::Agent)];
    let piece = (party.clone(), "[a-d ]{0,4}", any::<bool>());
    let piece = piece.prop_map(|(party, text, is_final)| Said::Piece {
        party,
        text,
        is_final,
    });
    let layer = prop_oneof![Just(Layer::Conversation), Just(Layer::Report)];
    let spoken = (party, "[a-c]{1,2}", any::<bool>(), 0..5000_u64);
    let spoken = spoken.prop_map(|(party, text, is_final, start_ms)| Spoken {
        party,
        text,
        is_final,
        start_ms,
        end_ms: start_ms + 400,
    });
    let whole = (layer, proptest::collection::vec(spoken, 0..6));
    let whole = whole.prop_map(|(layer, spoken)| Said::Whole { layer, spoken });
    prop_oneof![Just(Said::Nothing), piece, whole]
}

fn update() -> impl Strategy<Value = CallUpdate> {
    let phase = prop_oneof![
        Just(CallStatus::Connecting),
        Just(CallStatus::Ringing),
        Just(CallStatus::Connected),
        Just(CallStatus::OnHold),
        Just(CallStatus::Transferring),
    ];
    let end = (
        proptest::option::of(0..20_i64),
        prop_oneof![
            Just(Cause::Unknown),
            Just(Cause::Completed),
            Just(Cause::Upstream)
        ],
        prop_oneof![Just("ended"), Just("a"), Just("b")],
    );
    let end = end.prop_map(|(ms, cause, code)| End {
        at: ms.map(at),
        cause,
        code: code.to_owned(),
    });
    let facts = (
        proptest::option::of("[xy]"),
        proptest::option::of("[xy]"),
        proptest::option::of(prop_oneof![
            Just(Direction::Inbound),
            Just(Direction::Outbound)
        ]),
        proptest::collection::vec("[tu]", 0..2),
        proptest::option::of(0..9_u8),
    );
    let times = proptest::array::uniform3(proptest::option::of(0..20_i64));
    (
        0..20_i64,
        proptest::option::of(phase),
        proptest::option::of(end),
        said(),
        facts,
        times,
    )
        .prop_map(
            |(ms, phase, end, said, (customer, name, direction, tags, cost), times)| {
                let [created, started, answered] = times.map(|ms| ms.map(at));
                CallUpdate {
                    phase,
                    end,
                    said,
                    customer,
                    customer_name: name,
                    direction,
                    tags,
                    created_at: created,
                    started_at: started,
                    answered_at: answered,
                    metadata: cost
                        .map(|cost| ("cost".to_owned(), cost.into()))
                        .into_iter()
                        .collect(),
                    ..CallUpdate::at(at(ms))
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// R33: whatever order they come in, and however often.
    #[test]
    fn any_order_with_duplicates_ends_in_one_state(
        updates in proptest::collection::vec(update(), 1..12),
        seed in any::<u64>(),
    ) {
        let expected = after(&updates);
        let mut shuffled = updates.clone();
        let mut random = seed | 1;
        let mut next = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as usize % below
        };
        for n in 0..=updates.len() / 2 {
            shuffled.push(updates[next(updates.len())].clone());
            let (a, b) = (next(shuffled.len()), n);
            shuffled.swap(a, b);
        }
        for n in (1..shuffled.len()).rev() {
            shuffled.swap(n, next(n + 1));
        }
        let found = after(&shuffled);
        prop_assert_eq!(&found.0, &expected.0);
        prop_assert_eq!(&found.1, &expected.1);
        prop_assert_eq!(&found.2, &expected.2);
    }

    /// The state is kept as text between batches.
    #[test]
    fn a_state_is_read_as_it_was_written(updates in proptest::collection::vec(update(), 0..12)) {
        let (state, _, _) = after(&updates);
        let text = serde_json::to_string(&state).unwrap();
        prop_assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }
}

#[test]
fn an_update_tells_a_log_nothing_of_who_called() {
    let update = CallUpdate {
        customer: Some("+4930123456".to_owned()),
        ..CallUpdate::at(Timestamp::from_unix_ms(clock::wall()))
    };
    assert!(!format!("{update:?}").contains("123456"));
}

#[test]
fn a_call_of_which_nothing_is_known_is_an_empty_object() {
    assert_eq!(
        serde_json::from_str::<State>("{}").unwrap(),
        State::default()
    );
}

#[test]
fn the_end_of_an_agents_part_is_kept_for_the_case_that_it_keeps_the_call() {
    let end = |code: &str| {
        let mut update = CallUpdate::at(at(9_000));
        update.end = Some(End::of(Some(at(8_000)), Some(code), reason::retell));
        update
    };
    let mut rows = Rows::default();
    for word in ["call_take_over", "ended"] {
        let mut state = State::default();
        state.hand_over();
        state.absorb(&end(word), &mut rows);
        assert!(state.is_handed_over() && state.status() != CallStatus::Ended);
        let held = state.keep().expect("somebody else was faster");
        assert_eq!((held.code.as_str(), held.at), (word, Some(at(8_000))));
        assert_eq!(state.keep(), None, "once");
        state.absorb(&end(word), &mut rows);
        assert_eq!(state.status(), CallStatus::Ended, "nobody takes it");
    }
    let mut state = State::default();
    state.hand_over();
    state.absorb(&end("user_hangup"), &mut rows);
    assert_eq!(state.status(), CallStatus::Ended, "that ends every part");
}
