//! What becomes of a call whose supervisor is lost, beyond that the agent has it again.

use std::sync::Arc;

use serde_json::json;
use sidetone_service::clock;
use sidetone_wire::{
    Author, CallId, Command, Fallback, FallbackAct, TenantId, Transfer, TransferKind, TransferMode,
    TransferStage, UserId,
};
use tracing::{info, warn};

use crate::app::{App, now};
use crate::audit::{self, Outcome};
use crate::livekit::{SIDE, side_room};
use crate::store::{self, Actor, Begun, Subject};
use crate::tending::rings_until;

/// Names a user of the tenant.
pub(crate) const USER: &str = "user:";
/// The rule under which it is done.
const RULE: &str = "supervisor_lost";

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
enum Undone {
    #[error("LiveKit is not configured")]
    NoLivekit,
    #[error("no trunk rings telephones: LIVEKIT_SIP_TRUNK_ID is not set")]
    NoTrunk,
    #[error("the user who was to be rung is not there any more")]
    NoUser,
    #[error("the call has ended, is transferred already, or somebody else has it")]
    Elsewhere,
    #[error(transparent)]
    Command(#[from] sidetone_wire::CommandError),
    #[error(transparent)]
    Room(#[from] sidetone_room::service::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl App {
    /// A supervisor who had a call is lost: what the tenant wants is done, in the background.
    /// Whom a call was transferred to has hung up: that ends nothing and rings nobody.
    pub(crate) fn fall_back_soon(
        self: &Arc<Self>,
        tenant: TenantId,
        call: CallId,
        (user, room): (UserId, &str),
    ) {
        if room.starts_with(SIDE) {
            return;
        }
        let app = self.clone();
        tokio::spawn(async move {
            if let Err(error) = app.fall_back(tenant, call, user).await {
                warn!(%call, %error, "what is to become of a call whose supervisor is lost is not done: the agent has it");
            }
        });
    }

    async fn fall_back(
        self: &Arc<Self>,
        tenant: TenantId,
        call: CallId,
        user: UserId,
    ) -> Result<(), Undone> {
        let of = self.store.tenant(tenant);
        let Fallback { act, to } = of.fallback().await?;
        let action = match act {
            FallbackAct::HandBack => return Ok(()),
            FallbackAct::Transfer => "call.transfer",
            FallbackAct::End => "call.ended",
        };
        let (actor, subject) = (Actor::rule(RULE), Subject::Call(call));
        let detail = json!({ "from": user });
        let intent = audit::begin(&of, &actor, action, subject, &detail).await?;
        let done = match act {
            FallbackAct::Transfer => {
                self.ring_instead(tenant, call, user, &to.unwrap_or_default())
                    .await
            }
            FallbackAct::HandBack | FallbackAct::End => {
                let ended = self.fleet.command(call, Command::EndCall { call }).await;
                ended.map(drop).map_err(Undone::from)
            }
        };
        let (outcome, detail) = match &done {
            Ok(()) => (Outcome::Done, json!({})),
            Err(error) => (Outcome::Refused, json!({ "reason": error.to_string() })),
        };
        audit::result(&of, intent, outcome, detail).await;
        info!(%call, %act, "a supervisor is lost");
        done
    }

    /// Rings somebody who has the call when they answer: with nobody to talk to them before.
    async fn ring_instead(
        self: &Arc<Self>,
        tenant: TenantId,
        call: CallId,
        lost: UserId,
        to: &str,
    ) -> Result<(), Undone> {
        let livekit = self.livekit.as_ref().ok_or(Undone::NoLivekit)?;
        let of = self.store.tenant(tenant);
        let name = of.user(lost).await?;
        let name = name.map(|user| user.full_name.unwrap_or(user.username));
        let at = now();
        let id = clock::new_id();
        let blank = Transfer {
            id,
            mode: TransferMode::Blind,
            stage: TransferStage::Ringing,
            kind: TransferKind::Number,
            number: None,
            user_id: None,
            name: None,
            by: Author {
                user_id: lost,
                name: name.unwrap_or_default(),
            },
            since: at,
            reason: None,
        };
        let (transfer, trunk) = if let Some(user) = to.strip_prefix(USER) {
            let user = of.user_named(user).await?;
            let user = user.filter(|user| !user.disabled).ok_or(Undone::NoUser)?;
            let transfer = Transfer {
                kind: TransferKind::User,
                user_id: Some(user.id),
                name: Some(user.full_name.unwrap_or(user.username)),
                ..blank
            };
            (transfer, None)
        } else {
            let trunk = livekit.trunk.clone().ok_or(Undone::NoTrunk)?;
            let number = Some(to.to_owned());
            (Transfer { number, ..blank }, Some(trunk))
        };
        livekit.rooms.create_room(&side_room(id).room, "").await?;
        // nobody's session: the transfer ends by itself
        match of
            .begin_transfer(call, &transfer, id, rings_until(at), at)
            .await?
        {
            Begun::Done => {}
            Begun::Running(_) | Begun::Taken(_) | Begun::NotLive => {
                return Err(Undone::Elsewhere);
            }
        }
        if let Some(tended) = self.store.tended_transfer(call).await? {
            self.tell_transfer(&tended).await;
        }
        if let Some(trunk) = trunk {
            self.ring_soon(call, id, to.to_owned(), trunk);
        }
        Ok(())
    }
}
