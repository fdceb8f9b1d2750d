use proptest::prelude::*;

use super::*;

fn supervisor(user: u8, browser: u8) -> Supervisor {
    Supervisor {
        user: UserId(Uuid::from_u128(u128::from(user) + 1)),
        session: Uuid::from_u128(u128::from(user) * 10 + u128::from(browser) + 100),
    }
}

/// Whom a call is transferred to.
fn target(n: u8) -> Uuid {
    Uuid::from_u128(u128::from(n) + 1000)
}

/// Something that may happen at any time.
#[derive(Debug, Clone, Copy)]
enum Event {
    Act(Act),
    /// Whoever carries the call is told of it and does as told.
    Told,
    /// Whoever carried the call is gone, and another one takes it: it knows nothing, and what was
    /// done to the agent stays done.
    GatewayGone,
    /// An answer comes late.
    LateAnswer,
}

fn act() -> impl Strategy<Value = Act> {
    let who = (0u8..3, 0u8..2).prop_map(|(user, browser)| supervisor(user, browser));
    prop_oneof![
        4 => who.clone().prop_map(Act::TakeOver),
        3 => (who.clone(), any::<bool>()).prop_map(|(who, any)| Act::HandBack { by: who.user, any }),
        2 => (who.clone(), 0u8..2)
            .prop_map(|(who, to)| Act::PassOn { by: who.user, to: target(to) }),
        2 => who.prop_map(|who| Act::Lost(Holder::Supervisor(who))),
        1 => (0u8..2).prop_map(|to| Act::Lost(Holder::Target(target(to)))),
        1 => Just(Act::End),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => act().prop_map(Event::Act),
        3 => Just(Event::Told),
        1 => Just(Event::GatewayGone),
        1 => Just(Event::LateAnswer),
    ];
    prop::collection::vec(event, 1..60)
}

/// Whoever carries the call, and the agent in it.
#[derive(Debug, Default)]
struct World {
    state: State,
    agent_is_silent: bool,
    answers: Vec<u64>,
    over: bool,
}

impl World {
    /// Tells the carrier what to do; it answers at some time.
    fn tell(&mut self) {
        match self.state.holder {
            Holder::Supervisor(_) | Holder::Target(_) => self.agent_is_silent = true,
            // nothing is undone that nobody says may have been done
            Holder::Agent if self.state.silenced => self.agent_is_silent = false,
            Holder::Agent => {}
        }
        self.answers.push(self.state.version);
    }

    fn answer(&mut self) {
        if let Some(version) = self.answers.pop() {
            self.state.handle(Act::Heard { version });
        }
    }

    fn act(&mut self, act: Act) {
        let before = self.state;
        let step = self.state.handle(act);
        let after = self.state;
        match step {
            Step::Changed => assert_eq!(after.version, before.version + 1),
            Step::Same => assert_eq!(
                (after.holder, after.version),
                (before.holder, before.version)
            ),
            Step::Refused => assert_eq!(after, before, "who is refused changes nothing"),
        }
        match (act, before.holder) {
            (Act::TakeOver(by), Holder::Supervisor(holder)) if by.user != holder.user => {
                assert_eq!(step, Step::Refused, "one holder");
            }
            (Act::TakeOver(_), Holder::Target(_)) => assert_eq!(step, Step::Refused),
            (Act::PassOn { by, .. }, Holder::Supervisor(holder)) if by != holder.user => {
                assert_eq!(step, Step::Refused, "nobody gives away what another has");
            }
            (Act::PassOn { to, .. }, Holder::Target(target)) if to != target => {
                assert_eq!(step, Step::Refused, "nor what it was given away to");
            }
            (Act::PassOn { to, .. }, _) => assert_eq!(after.holder, Holder::Target(to)),
            (Act::HandBack { .. }, Holder::Target(_)) => assert_eq!(after.holder, Holder::Agent),
            (Act::TakeOver(by), _) => assert_eq!(after.holder, Holder::Supervisor(by)),
            (Act::HandBack { by, any }, Holder::Supervisor(holder)) if any || by == holder.user => {
                assert_eq!(after.holder, Holder::Agent);
            }
            (Act::Lost(lost), holder) if lost != holder => {
                assert_eq!(after, before, "another browser's loss is nobody's");
            }
            (Act::End, _) => {
                assert_eq!(after.holder, Holder::Agent);
                self.over = true;
            }
            _ => {}
        }
        if after.holder != Holder::Agent {
            assert!(
                after.silenced,
                "what was done to the agent is not forgotten"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whatever_happens_there_is_one_holder_and_nobody_is_left_muted(events in events()) {
        let mut world = World::default();
        for event in events {
            match event {
                Event::Act(act) => world.act(act),
                Event::Told => {
                    world.tell();
                    world.answer();
                }
                Event::GatewayGone => world.answers.clear(),
                Event::LateAnswer => {
                    world.tell();
                    world.act(Act::TakeOver(supervisor(0, 0)));
                    world.answer();
                }
            }
            if world.over {
                return Ok(());
            }
            prop_assert!(!world.agent_is_silent || world.state.silenced,
                "an agent is silent and nobody owes it to be heard: {world:?}");
        }
        // everybody goes home, and whoever carries the call then is told
        world.act(Act::HandBack { by: supervisor(9, 0).user, any: true });
        world.tell();
        world.answer();
        prop_assert!(!world.agent_is_silent && !world.state.silenced, "{world:?}");
    }

    #[test]
    fn of_any_number_who_take_it_at_once_one_has_it(order in prop::collection::vec((0u8..5, 0u8..2), 2..20)) {
        let mut state = State::default();
        let (first, _) = order[0];
        for (user, browser) in order {
            let step = state.handle(Act::TakeOver(supervisor(user, browser)));
            prop_assert_eq!(step == Step::Refused, user != first);
        }
        let Holder::Supervisor(holder) = state.holder else { panic!("nobody has it") };
        prop_assert_eq!(holder.user, supervisor(first, 0).user);
    }
}

#[test]
fn a_holder_is_read_as_it_is_written() {
    let one = supervisor(1, 0);
    let target = Holder::Target(target(1));
    for holder in [Holder::Agent, Holder::Supervisor(one), target] {
        assert_eq!(Holder::read(&holder.word(), holder.session()), holder);
    }
    assert_eq!(
        Holder::read("supervisor:nobody", Some(one.session)),
        Holder::Agent
    );
    assert_eq!(
        Holder::read(&Holder::Supervisor(one).word(), None),
        Holder::Agent
    );
}
