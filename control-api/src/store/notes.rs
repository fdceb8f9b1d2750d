//! What people write about calls: annotations, feedback, tags, and what supervisors did.
//!
//! An erasure of a call's recordings leaves all of this: it is what people said about the call, not
//! the call.

use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::socket::CallEventType;
use sidetone_wire::{
    ActionKind, Annotation, AnnotationKind, Author, CallId, Feedback, SupervisorAction, TenantId,
    Timestamp, WebhookEventType,
};
use sqlx::any::AnyRow;

use super::columns::{Columns as _, Moment, Statement, json as text};
use super::effects::{self, Change};
use super::{Result, Tenant, Tx, calls, outbox};

/// Annotations of one call: more than anybody reads.
const ANNOTATIONS_MAX: i64 = 2000;

/// Something to be written about a call.
#[derive(Debug, Clone)]
pub(crate) struct NewAnnotation {
    pub(crate) kind: AnnotationKind,
    pub(crate) text: String,
    pub(crate) at_ms: Option<u64>,
}

/// What writing came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Written {
    Annotation(Annotation),
    UnknownCall,
    TooMany,
}

/// A judgement of a call.
#[derive(Debug, Clone)]
pub(crate) struct NewFeedback {
    pub(crate) rating: u8,
    pub(crate) comment: Option<String>,
}

fn author(row: &AnyRow) -> Result<Author> {
    Ok(Author {
        user_id: row.parsed("user_id")?,
        name: row.text("user_name")?,
    })
}

fn annotation(row: &AnyRow) -> Result<Annotation> {
    Ok(Annotation {
        id: row.parsed("id")?,
        call_id: row.parsed("call_id")?,
        kind: row.parsed("kind")?,
        text: row.text("body")?,
        at_ms: row
            .opt_int("at_ms")?
            .and_then(|at_ms| u64::try_from(at_ms).ok()),
        by: author(row)?,
        created_at: row.time("created_at")?,
    })
}

fn feedback(row: &AnyRow) -> Result<Feedback> {
    Ok(Feedback {
        id: row.parsed("id")?,
        call_id: row.parsed("call_id")?,
        rating: u8::try_from(row.int("rating")?).unwrap_or(1),
        comment: row.opt_text("remark")?,
        by: author(row)?,
        created_at: row.time("created_at")?,
    })
}

fn action(row: &AnyRow) -> Result<SupervisorAction> {
    Ok(SupervisorAction {
        id: row.parsed("id")?,
        call_id: row.parsed("call_id")?,
        kind: row.parsed("kind")?,
        by: author(row)?,
        at: row.time("at")?,
        detail: row.json("detail")?,
    })
}

/// Notes what a supervisor did to or about a call, in the transaction of the act.
pub(super) async fn acted(
    tx: &mut Tx,
    tenant: TenantId,
    call: CallId,
    kind: ActionKind,
    by: &Author,
    detail: &Value,
    at: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO supervisor_actions (id, client_id, call_id, kind, user_id, user_name, at, \
         detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(clock::new_id().to_string())
    .bind(tenant.to_string())
    .bind(call.to_string())
    .bind(kind.as_str())
    .bind(by.user_id.to_string())
    .bind(&by.name)
    .bind(at.unix_ms())
    .bind(text(detail))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What writing an annotation is among the acts of supervisors.
const fn act_of(kind: AnnotationKind) -> ActionKind {
    match kind {
        AnnotationKind::WhisperPill => ActionKind::CoachAgent,
        AnnotationKind::Note => ActionKind::AddNote,
        AnnotationKind::Bookmark => ActionKind::BookmarkMoment,
        AnnotationKind::Flag => ActionKind::FlagForReview,
    }
}

impl Tenant {
    /// Whether a call is there, as the transaction sees it.
    async fn has_call(&self, tx: &mut Tx, call: CallId) -> Result<bool> {
        let row = sqlx::query("SELECT COUNT(*) AS n FROM calls WHERE id = $1 AND client_id = $2")
            .bind(call.to_string())
            .bind(self.key())
            .fetch_one(&mut **tx)
            .await?;
        Ok(row.int("n")? > 0)
    }

    /// Writes something about a call. `supervises`: its author's doing is noted as a supervisor's.
    pub(crate) async fn annotate(
        &self,
        call: CallId,
        new: &NewAnnotation,
        by: &Author,
        supervises: bool,
        now: Timestamp,
    ) -> Result<Written> {
        let mut tx = self.store.write().await?;
        if !self.has_call(&mut tx, call).await? {
            return Ok(Written::UnknownCall);
        }
        let row = sqlx::query("SELECT COUNT(*) AS n FROM annotations WHERE call_id = $1")
            .bind(call.to_string())
            .fetch_one(&mut *tx)
            .await?;
        if row.int("n")? >= ANNOTATIONS_MAX {
            return Ok(Written::TooMany);
        }
        let written = Annotation {
            id: clock::new_id(),
            call_id: call,
            kind: new.kind,
            text: new.text.clone(),
            at_ms: new.at_ms,
            by: by.clone(),
            created_at: now,
        };
        sqlx::query(
            "INSERT INTO annotations (id, client_id, call_id, kind, body, at_ms, user_id, \
             user_name, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(written.id.to_string())
        .bind(self.key())
        .bind(call.to_string())
        .bind(written.kind.as_str())
        .bind(&written.text)
        .bind(written.at_ms.map(u64::cast_signed))
        .bind(by.user_id.to_string())
        .bind(&by.name)
        .bind(now.unix_ms())
        .execute(&mut *tx)
        .await?;
        if supervises {
            let detail = json!({"annotationId": written.id});
            let kind = act_of(new.kind);
            acted(&mut tx, self.id, call, kind, by, &detail, now).await?;
        }
        let kind = WebhookEventType::AnnotationCreated;
        outbox::owe(&mut tx, self.id, kind, &written, now).await?;
        tx.commit().await?;
        Ok(Written::Annotation(written))
    }

    /// What was written about a call, the first first, those after `after`.
    pub(crate) async fn annotations(
        &self,
        call: CallId,
        after: Option<Moment>,
        limit: u32,
    ) -> Result<Vec<Annotation>> {
        let statement = Statement::new(
            "SELECT id, call_id, kind, body, at_ms, user_id, user_name, created_at \
             FROM annotations WHERE client_id = ",
        );
        let rows = self.of_call(statement, call, "created_at", after, limit);
        rows.await?.iter().map(annotation).collect()
    }

    /// Puts somebody's judgement of a call in place of their former one; gives it, and whether it
    /// is their first one. `None`: there is no such call.
    pub(crate) async fn judge(
        &self,
        call: CallId,
        new: &NewFeedback,
        by: &Author,
        now: Timestamp,
    ) -> Result<Option<(Feedback, bool)>> {
        let mut tx = self.store.write().await?;
        if !self.has_call(&mut tx, call).await? {
            return Ok(None);
        }
        let id = clock::new_id();
        let row = sqlx::query(
            "INSERT INTO feedback (id, client_id, call_id, rating, remark, user_id, user_name, \
             created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (call_id, user_id) DO UPDATE SET client_id = excluded.client_id, \
             rating = excluded.rating, remark = excluded.remark, user_name = excluded.user_name, \
             created_at = excluded.created_at \
             RETURNING id, call_id, rating, remark, user_id, user_name, created_at",
        )
        .bind(id.to_string())
        .bind(self.key())
        .bind(call.to_string())
        .bind(i64::from(new.rating))
        .bind(new.comment.clone())
        .bind(by.user_id.to_string())
        .bind(&by.name)
        .bind(now.unix_ms())
        .fetch_one(&mut *tx)
        .await?;
        let judged = feedback(&row)?;
        let kind = WebhookEventType::FeedbackCreated;
        outbox::owe(&mut tx, self.id, kind, &judged, now).await?;
        tx.commit().await?;
        let first = judged.id == id;
        Ok(Some((judged, first)))
    }

    /// How people judge a call, the first first, those after `after`.
    pub(crate) async fn feedback(
        &self,
        call: CallId,
        after: Option<Moment>,
        limit: u32,
    ) -> Result<Vec<Feedback>> {
        let statement = Statement::new(
            "SELECT id, call_id, rating, remark, user_id, user_name, created_at \
             FROM feedback WHERE client_id = ",
        );
        let rows = self.of_call(statement, call, "created_at", after, limit);
        rows.await?.iter().map(feedback).collect()
    }

    /// What supervisors did to or about a call, the first first, those after `after`.
    pub(crate) async fn actions(
        &self,
        call: CallId,
        after: Option<Moment>,
        limit: u32,
    ) -> Result<Vec<SupervisorAction>> {
        let statement = Statement::new(
            "SELECT id, call_id, kind, user_id, user_name, at, detail \
             FROM supervisor_actions WHERE client_id = ",
        );
        let rows = self.of_call(statement, call, "at", after, limit);
        rows.await?.iter().map(action).collect()
    }

    async fn of_call(
        &self,
        mut statement: Statement,
        call: CallId,
        time: &'static str,
        after: Option<Moment>,
        limit: u32,
    ) -> Result<Vec<AnyRow>> {
        statement.text(self.key());
        statement.sql(" AND call_id = ").text(call.to_string());
        statement.after(time, after);
        statement.limit(limit);
        Ok(statement.query().fetch_all(self.pool()).await?)
    }

    /// Puts tags in place of a call's; gives whether that changed something, `None` if there is no
    /// such call.
    pub(crate) async fn set_tags(
        &self,
        call: CallId,
        tags: &[String],
        now: Timestamp,
    ) -> Result<Option<bool>> {
        self.edit_call(call, now, "tags", Some(text(&tags))).await
    }

    /// Puts a call into a campaign, or takes it out of its own; gives as [`Self::set_tags`] does.
    pub(crate) async fn set_campaign(
        &self,
        call: CallId,
        word: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<bool>> {
        self.edit_call(call, now, "campaign", word.map(str::to_owned))
            .await
    }

    async fn edit_call(
        &self,
        call: CallId,
        now: Timestamp,
        column: &'static str,
        value: Option<String>,
    ) -> Result<Option<bool>> {
        let mut tx = self.store.write().await?;
        if !self.has_call(&mut tx, call).await? {
            return Ok(None);
        }
        let before = calls::for_change(&mut tx, call, now).await?;
        let sql = format!("UPDATE calls SET {column} = $1 WHERE id = $2 AND client_id = $3");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(value)
            .bind(call.to_string())
            .bind(self.key())
            .execute(&mut *tx)
            .await?;
        let after = calls::in_transaction(&mut tx, call, now).await?;
        if before == after {
            return Ok(Some(false));
        }
        let Some(after) = after else { return Ok(None) };
        let change = Change {
            kind: CallEventType::Updated,
            before,
            after,
        };
        effects::follow(&mut tx, &[change], now).await?;
        tx.commit().await?;
        Ok(Some(true))
    }
}
