//! Looking after transfers: who answered, who left, and what is to be closed.
//!
//! Nothing here is remembered that the database does not know, but for how long somebody has been
//! missing: whichever process looks, it finds the same. Whoever begins a transfer also waits for
//! the telephone's answer, which comes sooner and says why.
//!
//! **Invariant**: the room in which two talked about a transfer is closed when it has ended, and
//! when whom the call was transferred to has it no more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sidetone_room::sip;
use sidetone_service::{Lifecycle, clock};
use sidetone_wire::{
    CallId, Command, CommandError, Timestamp, Transfer, TransferKind, TransferMode, TransferStage,
    TransferUpdate, UserId,
};
use tokio::time::MissedTickBehavior;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::app::{App, now};
use crate::control::{Act, Holder};
use crate::floors::Untold;
use crate::livekit::{Livekit, side_author, side_room};
use crate::settling::TICK;
use crate::store::{self, Actor, Controlled, Occurrence, Tended};
use crate::transfer::{Happening, Seen, Watch};

/// How long somebody is rung.
const RINGS: Duration = Duration::from_secs(30);
/// LiveKit says so much later at most that it rang in vain.
const SAID_AFTER_MS: i64 = 6_000;
/// Under which name people see whom a call was transferred to by number.
const TELEPHONE: &str = "Transferred call";
/// The rule under which things happen to transfers.
const RULE: &str = "transfer";

/// The participant's attribute that says where livekit-sip's call stands, and when it is answered.
const STATUS: &str = "sip.callStatus";
const ANSWERED: &str = "active";

type Watches = HashMap<CallId, (Uuid, Watch)>;

/// Until when somebody is rung from then on.
pub(crate) fn rings_until(at: Timestamp) -> Timestamp {
    let rings_ms = i64::try_from(RINGS.as_millis()).unwrap_or(0);
    Timestamp::from_unix_ms(at.unix_ms() + rings_ms)
}

/// Looks after transfers until the process drains.
pub(crate) async fn run(app: Arc<App>, lifecycle: Lifecycle) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watches = Watches::new();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = app.tending.notified() => {}
            () = lifecycle.draining() => return Ok(()),
        }
        if let Err(error) = look(&app, &mut watches).await {
            warn!(%error, "transfers could not be looked after; tried again in a second");
        }
    }
}

async fn look(app: &Arc<App>, watches: &mut Watches) -> store::Result<()> {
    let all = app.store.tended_transfers().await?;
    watches.retain(|call, _| all.iter().any(|tended| tended.call == *call));
    for tended in all {
        let fresh = || (tended.transfer.id, Watch::default());
        let watch = watches.entry(tended.call).or_insert_with(fresh);
        if watch.0 != tended.transfer.id {
            *watch = fresh();
        }
        tend(app, &tended, &mut watch.1).await?;
    }
    Ok(())
}

async fn tend(app: &Arc<App>, tended: &Tended, watch: &mut Watch) -> store::Result<()> {
    let stage = tended.transfer.stage;
    if tended.holds() && !tended.over {
        // a process may have ended between the two
        if stage == TransferStage::Talking {
            app.happens(tended, Happening::Completed, None).await?;
        }
        return keep(app, tended).await;
    }
    if !stage.is_open() {
        return close(app, tended).await;
    }
    if let Some((happening, reason)) = happened(app, tended, watch).await? {
        app.happens(tended, happening, reason).await?;
    } else if stage == TransferStage::Talking && tended.transfer.mode == TransferMode::Blind {
        // there is nobody who would talk to them first
        give(app, tended).await?;
    }
    Ok(())
}

/// Gives a call to whom nobody talks to before.
async fn give(app: &Arc<App>, tended: &Tended) -> store::Result<()> {
    let _turn = app.floors.turn(tended.call).await;
    // whoever has the call by now keeps it
    let by = UserId(tended.transfer.id);
    let reason = match app.pass_on(tended, by).await {
        Ok(Controlled::Changed(control)) => {
            app.happens(tended, Happening::Completed, None).await?;
            let (tenant, call) = (tended.tenant, tended.call);
            app.tell_control(tenant, call, control, "rule:transfer")
                .await;
            return Ok(());
        }
        Ok(Controlled::Same(_) | Controlled::NotLive) => return Ok(()), // the next look says so
        Ok(Controlled::Refused(_) | Controlled::SessionOver) => {
            "somebody else has the call".to_owned()
        }
        Err(Untold::Store(error)) => return Err(error),
        Err(error) => error.to_string(),
    };
    let failed = Happening::Failed;
    app.happens(tended, failed, Some(&reason)).await.map(drop)
}

/// What has happened to a transfer that goes on, and why.
async fn happened(
    app: &App,
    tended: &Tended,
    watch: &mut Watch,
) -> store::Result<Option<(Happening, Option<&'static str>)>> {
    let stage = tended.transfer.stage;
    let over = tended.over && stage != TransferStage::Referring;
    if over {
        return Ok(Some((Happening::CallOver, None)));
    }
    let at = now();
    let alone = tended.transfer.mode == TransferMode::Blind;
    if stage != TransferStage::Referring {
        if !alone && app.store.session(tended.session, at).await?.is_none() {
            let reason = "the session of whoever transferred it has ended";
            return Ok(Some((Happening::Returned, Some(reason))));
        }
        if let Some(target) = tended.target_session
            && app.store.session(target, at).await?.is_none()
        {
            return Ok(Some((Happening::Refused, Some("their session has ended"))));
        }
    }
    let late_ms = at.unix_ms() - tended.rings_until.unix_ms();
    let allowed_ms = match tended.transfer.user_id {
        Some(_) => 0,
        None => SAID_AFTER_MS,
    };
    let Some(mut seen) = seen(app, &tended.transfer).await else {
        return Ok(None); // the server does not answer now
    };
    seen.author |= alone;
    let happening = watch.look(stage, seen, late_ms >= allowed_ms, clock::now());
    Ok(happening.map(|happening| (happening, None)))
}

/// Who is in the room of a transfer.
async fn seen(app: &App, transfer: &Transfer) -> Option<Seen> {
    let livekit = app.livekit.as_ref()?;
    if transfer.stage == TransferStage::Referring {
        return Some(Seen::default());
    }
    let side = side_room(transfer.id);
    let author = side_author(transfer.id);
    let there = livekit.rooms.participants(&side.room).await;
    let there = there
        .inspect_err(|error| debug!(%error, "who is in a side room is not known"))
        .ok()?;
    let is_there = |identity: &str| there.iter().find(|who| who.identity == identity);
    let target = is_there(&side.listener).is_some_and(|target| {
        let status = target.attributes.get(STATUS);
        status.is_none_or(|status| status == ANSWERED)
    });
    Some(Seen {
        author: is_there(&author).is_some(),
        target,
    })
}

/// Whom a call was transferred to has it: they may be logged out.
async fn keep(app: &Arc<App>, tended: &Tended) -> store::Result<()> {
    let Some(session) = tended.target_session else {
        return Ok(());
    };
    if app.store.session(session, now()).await?.is_some() {
        return Ok(());
    }
    let tenant = app.store.tenant(tended.tenant);
    let lost = Act::Lost(tended.holder);
    if let Controlled::Changed(control) = tenant.hand_back(tended.call, lost, now()).await? {
        let by = "rule:session_over";
        app.tell_control(tended.tenant, tended.call, control, by)
            .await;
        app.set_floor_soon(tended.call);
        app.tending.notify_one();
    }
    Ok(())
}

/// Closes what a transfer that has ended left.
async fn close(app: &App, tended: &Tended) -> store::Result<()> {
    let monitor = side_room(tended.transfer.id);
    let (call, room) = (tended.call, monitor.room.clone());
    if !tended.over {
        let unlisten = Command::Unlisten { call, monitor };
        match app.fleet.command(call, unlisten).await {
            Ok(_) | Err(CommandError::NoHolder) => {}
            Err(error) => {
                debug!(%call, %error, "whom it was transferred to is withdrawn again later");
                return Ok(());
            }
        }
    }
    if !app.close_side(&room).await {
        return Ok(());
    }
    app.store
        .leave_transfer(tended.call, &tended.transfer)
        .await
}

impl App {
    /// Closes a room in which a transfer was talked about: a telephone in it is hung up.
    async fn close_side(&self, room: &str) -> bool {
        use sidetone_room::service::Error;
        let Some(livekit) = &self.livekit else {
            return true;
        };
        match livekit.rooms.delete_room(room).await {
            Ok(()) | Err(Error::NotFound(_)) => true,
            Err(error) => {
                warn!(room, %error, "a side room is not closed; tried again in a second");
                false
            }
        }
    }

    /// Gives a call to whom it is transferred to, on behalf of whoever does so; gives what that
    /// came to. The caller has the call's turn. An error: the agent has it.
    pub(crate) async fn pass_on(
        self: &Arc<Self>,
        tended: &Tended,
        by: UserId,
    ) -> Result<Controlled, Untold> {
        let Tended { call, transfer, .. } = tended;
        let act = Act::PassOn {
            by,
            to: transfer.id,
        };
        let name = match transfer.kind {
            TransferKind::User => transfer.name.as_deref().unwrap_or(TELEPHONE),
            TransferKind::Number | TransferKind::Sip => TELEPHONE,
        };
        let tenant = self.store.tenant(tended.tenant);
        let given = tenant.give(*call, act, Some(name), now()).await?;
        if let Controlled::Changed(_) = given
            && let Err(error) = self.set_floor(*call).await
        {
            // nobody would hear them
            let back = Act::Lost(Holder::Target(transfer.id));
            tenant.hand_back(*call, back, now()).await?;
            self.set_floor_soon(*call);
            return Err(error);
        }
        Ok(given)
    }

    /// Something happens to a transfer by itself.
    async fn happens(
        self: &Arc<Self>,
        tended: &Tended,
        happening: Happening,
        reason: Option<&str>,
    ) -> store::Result<bool> {
        let what = Occurrence {
            happening,
            actor: &Actor::rule(RULE),
            reason,
            session: None,
        };
        self.transfer_happens(tended.call, tended.transfer.id, what)
            .await
    }

    /// Something happens to a transfer; `true` if that changes where it stands.
    pub(crate) async fn transfer_happens(
        self: &Arc<Self>,
        call: CallId,
        id: Uuid,
        what: Occurrence<'_>,
    ) -> store::Result<bool> {
        let stepped = self.store.step_transfer(call, id, what, now()).await?;
        let Some(transfer) = stepped else {
            return Ok(false);
        };
        info!(%call, transfer = %id, stage = %transfer.stage, "a transfer stands elsewhere");
        if !transfer.stage.is_open() && transfer.mode == TransferMode::Attended {
            // whoever has the call speaks in it again
            self.set_floor_soon(call);
        }
        if let Some(tended) = self.store.tended_transfer(call).await? {
            self.tell_transfer(&tended).await;
        }
        self.tending.notify_one();
        Ok(true)
    }

    /// Tells a tenant's clients where a call's transfer stands.
    pub(crate) async fn tell_transfer(&self, tended: &Tended) {
        let update = TransferUpdate {
            call_id: tended.call,
            transfer: tended.transfer.clone(),
        };
        let event = "transfer-update";
        self.realtime.tell(tended.tenant, event, &update).await;
        self.tell_call(tended.tenant, tended.call).await;
    }

    /// Rings a telephone into the room of a transfer, and says what came of it.
    pub(crate) fn ring_soon(
        self: &Arc<Self>,
        call: CallId,
        id: Uuid,
        number: String,
        trunk: String,
    ) {
        let app = self.clone();
        tokio::spawn(async move {
            let Some(livekit) = &app.livekit else { return };
            let side = side_room(id);
            let ring = sip::Ring {
                trunk: &trunk,
                number: &number,
                room: &side.room,
                identity: &side.listener,
                name: "Transfer",
            };
            let rung = livekit.sip.ring(&ring, RINGS).await;
            let answered = rung.is_ok();
            app.said_by_telephone(call, id, Happening::Answered, rung)
                .await;
            let open = app.store.tended_transfer(call).await;
            let open = open.map(|open| open.is_some_and(|open| open.transfer.id == id));
            if answered && matches!(open, Ok(false)) {
                // it was taken back before it was in the room
                app.close_side(&side.room).await;
            }
        });
    }

    /// Sends a caller's telephone elsewhere, and says what came of it.
    pub(crate) fn refer_soon(
        self: &Arc<Self>,
        call: CallId,
        id: Uuid,
        (room, identity): (String, String),
        to: String,
    ) {
        let app = self.clone();
        tokio::spawn(async move {
            let Some(livekit) = &app.livekit else { return };
            let referred = livekit.sip.refer(&room, &identity, &to, RINGS).await;
            app.said_by_telephone(call, id, Happening::Completed, referred)
                .await;
        });
    }

    /// What a telephone's network answered.
    async fn said_by_telephone(
        self: &Arc<Self>,
        call: CallId,
        id: Uuid,
        done: Happening,
        answer: Result<(), sip::Error>,
    ) {
        let (happening, reason) = match answer {
            Ok(()) => (done, None),
            Err(error) => {
                let happening = match error {
                    sip::Error::Declined { .. } => Happening::Refused,
                    sip::Error::Unanswered => Happening::Late,
                    sip::Error::Gone | sip::Error::Missing(_) | sip::Error::Unreachable(_) => {
                        Happening::Failed
                    }
                };
                (happening, Some(error.to_string()))
            }
        };
        let what = Occurrence {
            happening,
            actor: &Actor::rule(RULE),
            reason: reason.as_deref(),
            session: None,
        };
        if let Err(error) = self.transfer_happens(call, id, what).await {
            // who looks after it finds the same a little later
            warn!(%call, %error, "what became of a transfer could not be written");
        }
    }
}

impl Livekit {
    /// Who of a call's room is the customer on a telephone that can be sent elsewhere.
    pub(crate) async fn caller(
        &self,
        room: &str,
    ) -> Result<Option<String>, sidetone_room::service::Error> {
        let there = self.rooms.participants(room).await?;
        let customers = there.into_iter().filter(|who| {
            let party = who.attributes.get("sidetone.party");
            who.kind == sidetone_room::Kind::Sip
                && party.is_none_or(|party| party == sidetone_wire::Party::Customer.as_str())
        });
        let first = customers.min_by_key(|who| (who.joined_unix_ms, who.identity.clone()));
        Ok(first.map(|who| who.identity))
    }
}
