//! Calls whose upstream dials us, judged by their sound.

use std::time::Duration;

use sidetone_simulate::listen::{Sound, Stall, Tones};
use sidetone_simulate::script::Side;
use sidetone_simulate::stream::{Dialect, Manner, Plan, Streaming};
use sidetone_testkit::{LivekitServer, wait_for, wait_some};
use sidetone_wire::{CallId, Command, Party, RecordingRule, Reply, Upstream};

use crate::door::TWILIO_KEY;
use crate::peers::Listener;
use crate::sockets::{is_told, says, says_apart, sound, stretch, told};
use crate::world::{DEADLINE, Taken, World, monitor_room};

const CUSTOMER: f64 = 440.0;
const AGENT: f64 = 1000.0;
const TONES: Tones = Tones {
    customer: CUSTOMER,
    agent: AGENT,
};
const MS: usize = 48;

/// A short tone at each whole second, on both sides.
pub(crate) struct Clicks;

/// How long one is: long enough to be heard whole by any codec.
const CLICK_SECONDS: f64 = 0.06;

impl Sound for Clicks {
    fn at(&self, side: Side, seconds: f64) -> f64 {
        if seconds.fract() < CLICK_SECONDS {
            TONES.at(side, seconds)
        } else {
            0.0
        }
    }
}

/// A call that a simulated vendor brings.
struct Brought {
    call: CallId,
    streaming: Streaming,
}

impl Brought {
    async fn start(world: &World, plan: Plan, sound: impl Sound) -> Self {
        let (vendor, id) = (plan.dialect, plan.upstream_call_id());
        let streaming = dial(world, plan, sound).await;
        let upstream = upstream(vendor);
        let call = wait_some("the call", DEADLINE, || async {
            world.porter.call(upstream, &id)
        })
        .await;
        Self { call, streaming }
    }

    /// Lets the call be heard for a while from its first recorded packet on.
    async fn talks(&self, world: &World, time: Duration) {
        wait_for("the first packet", DEADLINE, || async {
            let takes = world.takes.of(self.call);
            takes.first().is_some_and(|take| !take.kept.is_empty())
        })
        .await;
        tokio::time::sleep(time).await;
    }

    /// Ends the call as its vendor does; gives what was recorded of it.
    async fn ends(self, world: &World) -> Taken {
        drop(self.streaming.stop().await);
        ended(world, self.call).await
    }
}

fn word(dialect: Dialect) -> &'static str {
    let mut all = Dialect::ALL.into_iter();
    all.find(|(_, one)| *one == dialect).unwrap().0
}

fn upstream(dialect: Dialect) -> Upstream {
    word(dialect).parse().unwrap()
}

async fn dial(world: &World, mut plan: Plan, sound: impl Sound) -> Streaming {
    let (base, vendor) = (&world.streams, word(plan.dialect));
    let url = match plan.dialect {
        Dialect::Audiohook => format!("{base}/streams/audiohook"),
        Dialect::Audiosocket => world.audiosocket.clone(),
        _ => format!("{base}/streams/{vendor}/token"),
    };
    plan.secret = Some(TWILIO_KEY.to_owned());
    Streaming::dial(&url, plan, sound).await.unwrap()
}

async fn ended(world: &World, call: CallId) -> Taken {
    wait_some("the take's end", DEADLINE, || async {
        let take = world.takes.of(call).into_iter().next()?;
        take.ended_at.is_some().then_some(take)
    })
    .await
}

/// When a party's clicks begin, in milliseconds.
pub(crate) fn clicks(take: &Taken, party: Party) -> Vec<f64> {
    const STEP: usize = MS; // a millisecond
    let pcm = sound(take, party);
    let loud: Vec<bool> = pcm
        .chunks(STEP)
        .map(|slot| slot.iter().any(|sample| sample.unsigned_abs() > 2_000))
        .collect();
    let begins = (0..loud.len()).filter(|n| {
        let before = &loud[n.saturating_sub(300)..*n];
        loud[*n] && !before.contains(&true)
    });
    begins.map(|n| n as f64).collect()
}

/// Each click lies where it was made, give or take 20 ms, and those of both parties together.
fn aligned(take: &Taken, seconds: &[f64]) {
    let [customer, agent] = [Party::Customer, Party::Agent].map(|party| clicks(take, party));
    assert_eq!(customer.len(), seconds.len(), "{customer:?}");
    assert_eq!(agent.len(), seconds.len(), "{agent:?}");
    for heard in [&customer, &agent] {
        let first = heard[0] - seconds[0] * 1_000.0;
        for (at, second) in heard.iter().zip(seconds) {
            let off = at - first - second * 1_000.0;
            assert!(off.abs() <= 20.0, "{second} s is {off} ms off: {heard:?}");
        }
    }
    for (customer, agent) in customer.iter().zip(&agent) {
        let off = (customer - agent).abs();
        assert!(off <= 20.0, "the parties are {off} ms apart");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_vendors_stream_is_heard_at_its_pitch_with_the_parties_on_their_sides() {
    let world = World::start_alone();
    let mut brought = Vec::new();
    for (name, dialect) in Dialect::ALL {
        let plan = Plan::new(dialect, &format!("{name}-1"));
        brought.push((dialect, Brought::start(&world, plan, TONES).await));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    for (dialect, brought) in brought {
        let call = brought.call;
        brought.talks(&world, Duration::ZERO).await;
        let lasted_ms = brought.streaming.lasted().as_millis() as usize;
        let take = brought.ends(&world).await;
        let [customer, agent] = [Party::Customer, Party::Agent].map(|one| sound(&take, one));
        if dialect.is_mixed() {
            // two tones at once are no speech
            says_apart(&customer, CUSTOMER, 700.0, 30.0, 5.0);
            says_apart(&customer, AGENT, 700.0, 30.0, 5.0);
            assert!(agent.is_empty(), "everybody is on one track");
        } else {
            // G.711 is no better than that
            says_apart(&customer, CUSTOMER, AGENT, 30.0, 1.5);
            says_apart(&agent, AGENT, CUSTOMER, 30.0, 1.5);
            let apart = stretch(&customer).0.abs_diff(stretch(&agent).0);
            assert_eq!(apart / 20, 0, "{dialect:?}: {apart} ms apart");
        }
        let (from, to) = stretch(&customer);
        let heard_ms = to - from;
        // a machine that is busy is late
        assert!(
            heard_ms + 20 >= lasted_ms.min(3_000),
            "{heard_ms} of {lasted_ms} ms"
        );
        assert_eq!(told(&world, call), [], "{dialect:?}");
        let code = match dialect {
            // the end of the socket is the end
            Dialect::Vonage | Dialect::Jambonz => "completed/upstream_closed",
            _ => "completed/stream_stopped",
        };
        let endings = world.endings(call);
        let codes: Vec<&str> = endings.iter().map(|(_, code)| &**code).collect();
        assert_eq!(codes, [code], "{dialect:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_and_chunks_that_overtake_each_other_leave_a_recording_aligned_to_20_ms() {
    let world = World::start_alone();
    let stall = |lost| Stall {
        after: Duration::from_millis(2_200),
        lasts: Duration::from_millis(1_500),
        lost,
    };
    let mut gaps = Plan::new(Dialect::Twilio, "gaps");
    gaps.manner = Manner {
        stall: Some(stall(true)),
        drift_ppm: 200.0,
        jitter: Duration::from_millis(15),
        ..Manner::default()
    };
    let mut late = Plan::new(Dialect::Twilio, "late");
    late.manner = Manner {
        stall: Some(stall(false)),
        ..Manner::default()
    };
    let mut shuffled = Plan::new(Dialect::Telnyx, "shuffled");
    shuffled.manner = Manner {
        shuffled: 4,
        doubled: 50,
        jitter: Duration::from_millis(15),
        drift_ppm: -200.0,
        ..Manner::default()
    };
    let mut wide = Plan::new(Dialect::Telnyx, "wide");
    wide.wideband = true;
    wide.manner = Manner {
        stall: Some(stall(true)),
        shuffled: 2,
        ..Manner::default()
    };
    let whole = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let expected: [(Plan, Vec<f64>); 4] = [
        (gaps, vec![0.0, 1.0, 2.0, 4.0, 5.0, 6.0]),
        (late, whole.to_vec()),
        (shuffled, whole.to_vec()),
        (wide, vec![0.0, 1.0, 2.0, 4.0, 5.0, 6.0]),
    ];
    let mut brought = Vec::new();
    for (plan, clicks) in expected {
        brought.push((Brought::start(&world, plan, Clicks).await, clicks));
    }
    for (brought, clicks) in brought {
        let rest = Duration::from_millis(6_500).saturating_sub(brought.streaming.lasted());
        tokio::time::sleep(rest).await;
        let take = brought.ends(&world).await;
        let late = clicks.last().map_or(0.0, |last| last + 1.0);
        let mut clicks = clicks;
        // a busy machine stopped it later
        if take.ended_at.unwrap().ms() as f64 > late * 1_000.0 + 900.0 {
            clicks.push(late);
        }
        aligned(&take, &clicks);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_g722_is_kept_and_heard_beyond_what_a_telephone_hears() {
    const HIGH: f64 = 5_600.0;
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let mut plan = Plan::new(Dialect::Telnyx, "wide");
    plan.wideband = true;
    let tones = Tones {
        customer: CUSTOMER,
        agent: HIGH,
    };
    let brought = Brought::start(&world, plan, tones).await;
    let (call, monitor) = (brought.call, monitor_room(1));
    let supervisor = Listener::join(&server, &monitor.room, &monitor.listener).await;
    let granted = world.listen(call, &monitor).await;
    assert!(
        matches!(granted, Ok(Reply::Listening { .. })),
        "{granted:?}"
    );
    wait_for("the high tone", DEADLINE, || async {
        let levels = supervisor.levels(&format!("{call}/agent"), [HIGH, CUSTOMER]);
        levels.is_some_and(|[own, other]| own > -20.0 && other < own - 30.0)
    })
    .await;
    brought.talks(&world, Duration::from_secs(1)).await;
    let take = brought.ends(&world).await;
    let [customer, agent] = [Party::Customer, Party::Agent].map(|one| sound(&take, one));
    says_apart(&customer, CUSTOMER, HIGH, 30.0, 1.5);
    says_apart(&agent, HIGH, CUSTOMER, 30.0, 2.0);
    assert_eq!(told(&world, call), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_hears_the_parties_of_a_stream_apart() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let plan = Plan::new(Dialect::Twilio, "heard");
    let brought = Brought::start(&world, plan, TONES).await;
    brought.talks(&world, Duration::ZERO).await;
    let (call, monitor) = (brought.call, monitor_room(1));
    let supervisor = Listener::join(&server, &monitor.room, &monitor.listener).await;
    let granted = world.listen(call, &monitor).await;
    assert!(
        matches!(granted, Ok(Reply::Listening { .. })),
        "{granted:?}"
    );
    let [customer, agent] = ["customer", "agent"].map(|party| format!("{call}/{party}"));
    for (track, own, other) in [(&customer, CUSTOMER, AGENT), (&agent, AGENT, CUSTOMER)] {
        let [own, other] = wait_some("the tone", DEADLINE, || async {
            let levels = supervisor.levels(track, [own, other]);
            levels.filter(|[own, _]| *own > -20.0)
        })
        .await;
        assert!(other - own < -30.0, "crosstalk of {} dB", other - own);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_pauses_by_the_tenants_rule_and_is_told_to_nobody() {
    let world = World::start_alone();
    let rule = RecordingRule {
        pause_on_dtmf: true,
        ..RecordingRule::default()
    };
    for (name, dialect) in Dialect::ALL {
        let plan = Plan::new(dialect, &format!("{name}-key"));
        let id = plan.upstream_call_id();
        let call = world.porter.will_be(upstream(dialect), &id);
        world.ledger.set_rule(call, rule.clone());
        let brought = Brought::start(&world, plan, TONES).await;
        brought.talks(&world, Duration::from_millis(1_200)).await;
        brought.streaming.press('7').await;
        wait_for("the pause", DEADLINE, || async {
            world.takes.of(brought.call)[0].is_paused()
        })
        .await;
        let take = brought.ends(&world).await;
        assert_eq!(take.pauses[0].by, "rule:dtmf", "{dialect:?}");
    }
    let all = format!("{:?}", world.events());
    assert!(!all.contains("'7'") && !all.contains("\"7\""), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_is_waited_for_and_goes_on_in_the_same_recording() {
    let world = World::start_alone();
    let plan = Plan::new(Dialect::Telnyx, "again");
    let brought = Brought::start(&world, plan.clone(), TONES).await;
    brought.talks(&world, Duration::from_secs(2)).await;
    let call = brought.call;
    brought.streaming.vanish().await;
    is_told(&world, call, "closed the connection").await;
    let brought = Brought::start(&world, plan.clone(), TONES).await;
    assert_eq!(brought.call, call);
    wait_for("recovery", DEADLINE, || async {
        told(&world, call).last() == Some(&None)
    })
    .await;
    // and one that comes while the former is still there takes its place
    let third = dial(&world, plan, TONES).await;
    drop(brought.streaming.ended().await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let third = Brought {
        call,
        streaming: third,
    };
    let take = third.ends(&world).await;
    assert_eq!(world.takes.of(call).len(), 1, "one take over all of it");
    assert_eq!(take.gaps.len(), 2, "{:?}", take.gaps);
    says_apart(
        &sound(&take, Party::Agent)[..MS * 1_500],
        AGENT,
        CUSTOMER,
        30.0,
        6.0,
    );
    assert_eq!(world.endings(call).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_of_a_stream_is_told_within_five_seconds_and_disturbs_no_other() {
    let world = World::start_alone();
    let healthy = Brought::start(&world, Plan::new(Dialect::Jambonz, "well"), TONES).await;
    let manner = |manner| {
        let mut plan = Plan::new(Dialect::Twilio, "");
        plan.manner = manner;
        plan
    };
    let mut brought = Vec::new();
    for (n, (reason, plan)) in [
        (
            "does not answer",
            manner(Manner {
                mute: true,
                deaf: true,
                ..Manner::default()
            }),
        ),
        (
            "sends no sound",
            manner(Manner {
                mute: true,
                ..Manner::default()
            }),
        ),
        (
            "more than can have been spoken",
            manner(Manner {
                times: 100,
                ..Manner::default()
            }),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let plan = Plan {
            call_id: format!("trouble-{n}"),
            ..plan
        };
        brought.push((reason, Brought::start(&world, plan, TONES).await));
    }
    for (reason, one) in brought {
        is_told(&world, one.call, reason).await;
        // seen while the machine is busy; the life of a stream is timed by its own tests
        println!("{reason:?} was told within {:?}", one.streaming.lasted());
        let over = Command::CallOver { call: one.call };
        world.fleet.command_all(over).await;
    }
    let call = healthy.call;
    let take = healthy.ends(&world).await;
    says(&sound(&take, Party::Customer), CUSTOMER, AGENT);
    assert_eq!(told(&world, call), [], "nothing else is disturbed");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_token_or_no_signature_is_let_in_nowhere() {
    let world = World::start_alone();
    let refused = |url: String, secret: Option<&str>| {
        let mut plan = Plan::new(Dialect::Twilio, "nobody");
        plan.secret = secret.map(str::to_owned);
        async move {
            match Streaming::dial(&url, plan, TONES).await {
                Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                    answer.status().as_u16()
                }
                Err(error) => panic!("{error}"),
                Ok(_) => 101,
            }
        }
    };
    let base = format!("{}/streams", world.streams);
    let key = Some(TWILIO_KEY);
    assert_eq!(refused(format!("{base}/twilio/unknown"), key).await, 401);
    assert_eq!(refused(format!("{base}/twilio/unsigned"), key).await, 401);
    assert_eq!(refused(format!("{base}/twilio/away"), key).await, 503);
    assert_eq!(refused(format!("{base}/teams/token"), key).await, 404);
    // another vendor's address is no way around Twilio's signature
    let plan = Plan::new(Dialect::Twilio, "nobody");
    let url = format!("{base}/telnyx/telnyx");
    let streaming = Streaming::dial(&url, plan, TONES).await.unwrap();
    drop(streaming.ended().await);
    assert_eq!(world.porter.call(Upstream::Twilio, "nobody"), None);
    assert!(world.takes.all().is_empty());
}
