//! Calls that are heard through a socket of their upstream, judged by their sound.

use std::collections::HashMap;
use std::time::Duration;

use sidetone_codec::OpusDecoder;
use sidetone_service::clock;
use sidetone_simulate::listen::{Encoding, Listening, Manner, Sound, Stall, Tones};
use sidetone_testkit::{LivekitServer, level_dbfs, wait_for, wait_some};
use sidetone_wire::{
    CallEvent, CallId, Command, Hidden, Party, Reply, Signal, Socket, Timestamp, Upstream,
};

use crate::peers::Listener;
use crate::streams::{Clicks, clicks};
use crate::world::{DEADLINE, Taken, World, monitor_room};

pub(crate) const CUSTOMER: f64 = 440.0;
pub(crate) const AGENT: f64 = 1000.0;
const TONES: Tones = Tones {
    customer: CUSTOMER,
    agent: AGENT,
};
/// The same where both are on one track. Beside the customer's tone libopus keeps this one, whatever
/// their phases; 1000 Hz it lets fade by up to 8 dB now and then, when it comes as µ-law.
const MIXED: Tones = Tones {
    customer: CUSTOMER,
    agent: 1500.0,
};
/// Samples of a millisecond.
const MS: usize = 48;

/// A call that a simulated vendor has.
pub(crate) struct Vendor {
    pub(crate) call: CallId,
    listening: Listening,
}

impl Vendor {
    pub(crate) async fn start(manner: Manner) -> Self {
        Self::saying(TONES, manner).await
    }

    pub(crate) async fn saying(sound: impl Sound, manner: Manner) -> Self {
        let listening = Listening::start(sound, manner).await.unwrap();
        Self {
            call: CallId(clock::new_id()),
            listening,
        }
    }

    fn socket(&self) -> Socket {
        Socket {
            call: self.call,
            upstream: Upstream::Vapi,
            tenant: "default".to_owned(),
            url: Hidden(self.listening.url()),
            takeover: None,
            bearer: None,
            customer_name: Some("Ada".to_owned()),
            agent_name: Some("Aria".to_owned()),
        }
    }

    pub(crate) async fn is_heard_by(&self, world: &World) {
        hear(world, self.socket()).await;
    }

    /// Lets the call be heard for a while from its first recorded packet on.
    async fn talks(&self, world: &World, time: Duration) {
        wait_for("the first packet", DEADLINE, || async {
            world
                .takes
                .of(self.call)
                .first()
                .is_some_and(|take| !take.kept.is_empty())
        })
        .await;
        tokio::time::sleep(time).await;
    }

    /// Ends the call as a vendor does; gives what was recorded of it.
    pub(crate) async fn ends(&self, world: &World) -> Taken {
        self.listening.end();
        over(world, self.call).await
    }
}

/// Offers a call until the gateway has it, as the control plane does.
pub(crate) async fn hear(world: &World, socket: Socket) {
    let key = format!("call:{}", socket.call);
    wait_for("a gateway", DEADLINE, || async {
        offer(world, socket.clone()).await;
        world.fleet.holder(&key, clock::now()).await.is_some()
    })
    .await;
}

async fn offer(world: &World, socket: Socket) {
    let hear = Command::Hear(Box::new(socket));
    world.fleet.command_all(hear).await;
}

/// Says that a call is over; gives what was recorded of it.
async fn over(world: &World, call: CallId) -> Taken {
    // what was under way when the vendor closed the socket arrives before our word
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.fleet.command_all(Command::CallOver { call }).await;
    wait_some("the take's end", DEADLINE, || async {
        let take = world.takes.of(call).into_iter().next()?;
        take.ended_at.is_some().then_some(take)
    })
    .await
}

/// What was told of how a call is heard.
pub(crate) fn told(world: &World, call: CallId) -> Vec<Option<String>> {
    let events = world
        .events()
        .into_iter()
        .filter(|event| event.call == call);
    let told = events.filter_map(|event| match event.event {
        CallEvent::Degraded { reason } => Some(reason),
        _ => None,
    });
    told.collect()
}

/// Waits until a reason was told, whatever was told since.
pub(crate) async fn is_told(world: &World, call: CallId, reason: &str) {
    wait_for(reason, DEADLINE, || async {
        let mut told = told(world, call).into_iter().flatten();
        told.any(|told| told.contains(reason))
    })
    .await;
}

/// A party's sound as it lies on the call's time, silence where nothing is.
pub(crate) fn sound(take: &Taken, party: Party) -> Vec<i16> {
    let mut decoder = OpusDecoder::new().unwrap();
    let mut pcm = Vec::new();
    for (_, at, payload) in take.heard_of.iter().filter(|(of, ..)| *of == party) {
        let at = at.samples() as usize;
        if pcm.len() < at {
            pcm.resize(at, 0);
        }
        pcm.truncate(at);
        pcm.extend_from_slice(decoder.decode(payload).unwrap());
    }
    pcm
}

/// Where a party's sound begins and ends, in milliseconds.
pub(crate) fn stretch(pcm: &[i16]) -> (usize, usize) {
    let loud = |slot: &[i16]| sidetone_codec::level(slot) > 0.05;
    let slots: Vec<bool> = pcm.chunks(10 * MS).map(loud).collect();
    let first = slots.iter().position(|loud| *loud).unwrap_or_default();
    let last = slots.iter().rposition(|loud| *loud).unwrap_or_default();
    (first * 10, (last + 1) * 10)
}

/// Every fifth of a second of it is the tone, at its pitch, and the other tone is nowhere in it.
pub(crate) fn says(pcm: &[i16], own: f64, other: f64) {
    says_apart(pcm, own, other, 50.0, 1.5);
}

pub(crate) fn says_apart(pcm: &[i16], own: f64, other: f64, apart_db: f64, off_db: f64) {
    let (from, to) = stretch(pcm);
    assert!(to - from > 1_000, "{own} Hz from {from} to {to} ms");
    for window in pcm[(from + 100) * MS..(to - 100) * MS].chunks_exact(200 * MS) {
        let (level, crosstalk) = (level_dbfs(window, own), level_dbfs(window, other));
        assert!((level + 12.0).abs() < off_db, "{own} Hz at {level} dBFS");
        assert!(
            level - crosstalk > apart_db,
            "{other} Hz at {crosstalk} dBFS"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_formats_are_heard_at_their_pitch_with_the_parties_on_their_sides() {
    let world = World::start_alone();
    let narrow = Manner {
        rate_hz: 8_000,
        stereo: false,
        ..Manner::default()
    };
    let manners = [
        Manner::default(),
        Manner {
            announced: true,
            odd_splits: true,
            ..Manner::default()
        },
        Manner {
            stereo: false,
            jitter: Duration::from_millis(15),
            ..Manner::default()
        },
        narrow.clone(),
        Manner {
            encoding: Encoding::Mulaw,
            ..narrow
        },
        // and one that says something wrong
        Manner {
            announced: true,
            announced_rate_hz: Some(8_000),
            ..Manner::default()
        },
    ];
    let mut vendors = Vec::new();
    for manner in manners {
        let tones = if manner.stereo { TONES } else { MIXED };
        let vendor = Vendor::saying(tones, manner.clone()).await;
        vendor.is_heard_by(&world).await;
        vendor.talks(&world, Duration::ZERO).await;
        let first = world.takes.of(vendor.call)[0].kept[0].0;
        // from the call's first sound to its being decided what it is, on a machine that is busy
        let decided = vendor.listening.lasted();
        assert!(
            first.ms() < 1_000 && decided.as_secs() < 5,
            "{first}, {decided:?}"
        );
        vendors.push((manner, vendor));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    for (manner, vendor) in vendors {
        let take = vendor.ends(&world).await;
        let [customer, agent] = [Party::Customer, Party::Agent].map(|one| sound(&take, one));
        if manner.stereo {
            says(&customer, CUSTOMER, AGENT);
            says(&agent, AGENT, CUSTOMER);
            assert_eq!(stretch(&customer).0.abs_diff(stretch(&agent).0) / 20, 0);
        } else {
            // two tones at once are no speech, and µ-law is no better than that
            says_apart(&customer, MIXED.customer, 700.0, 30.0, 5.0);
            says_apart(&customer, MIXED.agent, 700.0, 30.0, 5.0);
            assert!(agent.is_empty(), "everybody is on one track");
        }
        assert_eq!(take.names[&Party::Agent], "Aria");
        assert_eq!(told(&world, vendor.call), [], "{manner:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_as_long_as_the_call_with_what_is_late_in_its_place_and_what_is_lost_a_gap()
{
    let world = World::start_alone();
    for lost in [false, true] {
        let stall = Stall {
            after: Duration::from_secs(2),
            lasts: Duration::from_millis(1_500),
            lost,
        };
        let vendor = Vendor::start(Manner {
            stall: Some(stall),
            drift_ppm: 200.0,
            ..Manner::default()
        })
        .await;
        vendor.is_heard_by(&world).await;
        vendor.talks(&world, Duration::from_millis(5_500)).await;
        let take = vendor.ends(&world).await;
        let ended_ms = take.ended_at.unwrap().ms() as usize;
        for (party, own, other) in [
            (Party::Customer, CUSTOMER, AGENT),
            (Party::Agent, AGENT, CUSTOMER),
        ] {
            let pcm = sound(&take, party);
            let (from, to) = stretch(&pcm);
            assert!(
                ended_ms.abs_diff(to) <= 60,
                "sound to {to} of {ended_ms} ms"
            );
            let silent = pcm[from * MS..(to * MS).min(pcm.len())]
                .chunks_exact(20 * MS)
                .filter(|slot| sidetone_codec::level(slot) < 0.01)
                .count();
            let silent_ms = silent * 20;
            let expected = if lost { 1_500 } else { 0 };
            assert!(
                silent_ms.abs_diff(expected) <= 60,
                "{silent_ms} ms are silent"
            );
            let before = &pcm[(from + 100) * MS..(from + 1_500) * MS];
            assert!(level_dbfs(before, own) - level_dbfs(before, other) > 50.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_late_or_lost_on_a_socket_leaves_a_recording_aligned_to_20_ms() {
    let world = World::start_alone();
    let mut vendors = Vec::new();
    for lost in [false, true] {
        let stall = Stall {
            after: Duration::from_millis(2_200),
            lasts: Duration::from_millis(1_500),
            lost,
        };
        let manner = Manner {
            stall: Some(stall),
            drift_ppm: 200.0,
            jitter: Duration::from_millis(15),
            ..Manner::default()
        };
        let vendor = Vendor {
            call: CallId(clock::new_id()),
            listening: Listening::start(Clicks, manner).await.unwrap(),
        };
        vendor.is_heard_by(&world).await;
        vendors.push(vendor);
    }
    for vendor in vendors {
        vendor.talks(&world, Duration::from_millis(6_500)).await;
        let take = vendor.ends(&world).await;
        // whoever comes into a click hears its end first
        let whole = |party| {
            let clicks = clicks(&take, party).into_iter();
            clicks.filter(|at| *at > 200.0).collect::<Vec<_>>()
        };
        let [customer, agent] = [Party::Customer, Party::Agent].map(whole);
        assert!(customer.len() >= 4, "{customer:?}");
        assert_eq!(customer.len(), agent.len(), "{customer:?} {agent:?}");
        for (customer, agent) in customer.iter().zip(&agent) {
            // a click of another tone is as loud a little sooner
            assert!((customer - agent).abs() <= 3.0, "{customer} and {agent} ms");
        }
        for at in &customer {
            let since = at - customer[0];
            let off = since - (since / 1_000.0).round() * 1_000.0;
            assert!(off.abs() <= 20.0, "{off} ms off: {customer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_hears_the_parties_of_a_socket_apart_and_their_levels_are_told() {
    let server = LivekitServer::start().await.unwrap();
    let world = World::start(&server);
    let vendor = Vendor::start(Manner::default()).await;
    vendor.is_heard_by(&world).await;
    vendor.talks(&world, Duration::ZERO).await;
    let (call, monitor) = (vendor.call, monitor_room(1));
    let supervisor = Listener::join(&server, &monitor.room, &monitor.listener).await;
    assert!(matches!(
        world.listen(call, &monitor).await,
        Ok(Reply::Listening { .. })
    ));
    let [customer, agent] = ["customer", "agent"].map(|party| format!("{call}/{party}"));
    for (track, own, other) in [(&customer, CUSTOMER, AGENT), (&agent, AGENT, CUSTOMER)] {
        let [own, other] = wait_some("the tone", DEADLINE, || async {
            let levels = supervisor.levels(track, [own, other]);
            levels.filter(|[own, _]| *own > -20.0)
        })
        .await;
        assert!(other - own < -50.0, "crosstalk of {} dB", other - own);
    }
    let mut signals = world.fleet.signals();
    let watch = Command::WatchLevels { call };
    assert_eq!(world.command(call, watch).await, Ok(Reply::Done));
    let levels = async {
        loop {
            if let Ok(Signal::Levels { levels, .. }) = signals.recv().await
                && levels.customer > 0.1
                && levels.agent > 0.1
            {
                return;
            }
        }
    };
    let told = tokio::time::timeout(DEADLINE, levels).await;
    told.expect("both parties are loud");
    world.unlisten(call, &monitor).await;
    wait_for("silence", DEADLINE, || async {
        supervisor.silent_for(&agent) > Duration::from_millis(300)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_is_told_within_five_seconds_and_ends_when_the_upstream_recovers() {
    let world = World::start_alone();
    let healthy = Vendor::start(Manner::default()).await;
    healthy.is_heard_by(&world).await;
    let well = Manner::default;
    let closed = |code| Manner {
        closed: Some((Duration::from_millis(500), code)),
        ..well()
    };
    let troubles: Vec<(&str, Manner)> = vec![
        (
            "does not answer",
            Manner {
                mute: true,
                deaf: true,
                ..well()
            },
        ),
        (
            "sends no sound",
            Manner {
                mute: true,
                ..well()
            },
        ),
        (
            "status 401",
            Manner {
                bearer: Some("public-key".into()),
                ..well()
            },
        ),
        ("1011", closed(1011)),
        ("4404", closed(4404)),
        (
            "more than can have been spoken",
            Manner {
                times: 100,
                ..well()
            },
        ),
    ];
    let mut vendors = HashMap::new();
    for (reason, manner) in troubles {
        let vendor = Vendor::start(manner).await;
        vendor.is_heard_by(&world).await;
        vendors.insert(reason, (vendor, clock::now()));
    }
    for (reason, (vendor, since)) in &vendors {
        is_told(&world, vendor.call, reason).await;
        // seen while the machine is busy; the life of a socket is timed by its own tests
        println!("{reason:?} was told within {:?}", since.elapsed());
        vendor.listening.behave(Manner::default());
    }
    for (vendor, _) in vendors.values() {
        wait_for("recovery", DEADLINE, || async {
            told(&world, vendor.call).last() == Some(&None)
        })
        .await;
        vendor.talks(&world, Duration::from_millis(1_500)).await;
        let take = vendor.ends(&world).await;
        assert_eq!(
            world.takes.of(vendor.call).len(),
            1,
            "one take over all of it"
        );
        // a second or two of a file that is silent for as long as the trouble lasted
        assert!(level_dbfs(&sound(&take, Party::Agent), AGENT) > -60.0);
    }
    let take = healthy.ends(&world).await;
    says(&sound(&take, Party::Customer), CUSTOMER, AGENT);
    assert_eq!(told(&world, healthy.call), [], "nothing else is disturbed");
    assert_eq!(healthy.listening.dialled(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_vendors_own_hosts_are_dialled() {
    let world = World::start_guarded();
    let canary = Vendor::start(Manner::default()).await;
    let port = canary
        .listening
        .url()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let mut calls = Vec::new();
    for url in [
        canary.listening.url(),
        format!("wss://localhost:{port}"),
        format!("wss://vapi.ai.localhost:{port}"),
        format!("wss://127.0.0.1:{port}#.vapi.ai"),
        format!("wss://x.vapi.ai@127.0.0.1:{port}"),
        format!("wss://[::ffff:127.0.0.1]:{port}"),
        format!("wss://2130706433:{port}"),
        "file:///etc/passwd".to_owned(),
    ] {
        let call = CallId(clock::new_id());
        let socket = Socket {
            call,
            url: Hidden(url),
            takeover: None,
            ..canary.socket()
        };
        hear(&world, socket).await;
        calls.push(call);
    }
    for call in calls {
        is_told(&world, call, "cannot be reached").await;
        world.fleet.command_all(Command::CallOver { call }).await;
    }
    assert_eq!(canary.listening.dialled(), 0);
    // what is no upstream with a socket is not dialled either
    let socket = Socket {
        upstream: Upstream::Twilio,
        ..canary.socket()
    };
    offer(&world, socket).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(canary.listening.dialled(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_heard_by_one_gateway_and_goes_on_with_another() {
    let mut world = World::start_alone();
    let vendor = Vendor::start(Manner::default()).await;
    vendor.is_heard_by(&world).await;
    vendor.is_heard_by(&world).await;
    vendor.talks(&world, Duration::from_millis(500)).await;
    vendor.is_heard_by(&world).await;
    assert_eq!(vendor.listening.dialled(), 1);
    let key = format!("call:{}", vendor.call);
    assert!(world.fleet.holder(&key, clock::now()).await.is_some());
    world.drain().await;
    let take = &world.takes.of(vendor.call)[0];
    assert!(take.ended_at.is_some(), "what there is of it is kept");
    assert_eq!(
        world.endings(vendor.call),
        Vec::<(Timestamp, String)>::new()
    );
    wait_for("the lease to be free", DEADLINE, || async {
        world.fleet.holder(&key, clock::now()).await.is_none()
    })
    .await;
}
