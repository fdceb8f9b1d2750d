//! Branches, and the phone numbers by which calls are a tenant's and a branch's.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use sidetone_wire::{Branch, BranchId, PhoneNumber, PhoneNumberId, TenantId, Timestamp};
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Statement};
use super::{Result, Store, Tenant, Tx};

const BRANCH: &str = "SELECT b.id, b.client_id, b.name, b.timezone, b.created_at, \
    (SELECT COUNT(*) FROM calls c WHERE c.branch_id = b.id AND c.ended_at IS NULL) \
    AS active_calls FROM branches b WHERE b.client_id = ";

const NUMBER: &str = "SELECT id, client_id, branch_id, number, label, created_at FROM phone_numbers \
     WHERE client_id = ";

/// What became of removing a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BranchRemoval {
    Done,
    /// Numbers belong to it.
    HasNumbers,
    Unknown,
}

/// Where a number leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) tenant: TenantId,
    pub(super) branch: Option<BranchId>,
}

fn branch(row: &AnyRow) -> Result<Branch> {
    Ok(Branch {
        id: row.parsed("id")?,
        client_id: row.parsed("client_id")?,
        name: row.text("name")?,
        timezone: row.opt_text("timezone")?,
        active_calls: row.unsigned("active_calls")?,
        created_at: row.time("created_at")?,
    })
}

fn number(row: &AnyRow) -> Result<PhoneNumber> {
    Ok(PhoneNumber {
        id: row.parsed("id")?,
        client_id: row.parsed("client_id")?,
        number: row.text("number")?,
        branch_id: row.opt_parsed("branch_id")?,
        label: row.opt_text("label")?,
        created_at: row.time("created_at")?,
    })
}

/// How a branch reads in the audit log.
fn shown_branch(branch: &Branch) -> Value {
    json!({ "name": branch.name, "timezone": branch.timezone })
}

fn shown_number(number: &PhoneNumber) -> Value {
    json!({ "number": number.number, "branchId": number.branch_id, "label": number.label })
}

impl Tenant {
    /// Branches by name, those after `after`.
    pub(crate) async fn branches(&self, after: Option<&str>, limit: u32) -> Result<Vec<Branch>> {
        let mut statement = Statement::new(BRANCH);
        statement.text(self.key());
        if let Some(after) = after {
            statement.sql(" AND b.name > ").text(after);
        }
        statement
            .sql(" ORDER BY b.name LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(branch).collect()
    }

    pub(crate) async fn branch(&self, id: BranchId) -> Result<Option<Branch>> {
        let mut statement = Statement::new(BRANCH);
        statement.text(self.key());
        statement.sql(" AND b.id = ").text(id.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.as_ref().map(branch).transpose()
    }

    /// Adds a branch. A name that is taken is a duplicate.
    pub(crate) async fn add_branch(&self, new: &Branch, actor: &Actor) -> Result<()> {
        let mut tx = self.store.write().await?;
        sqlx::query(
            "INSERT INTO branches (id, client_id, name, timezone, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $5)",
        )
        .bind(new.id.to_string())
        .bind(self.key())
        .bind(&new.name)
        .bind(new.timezone.clone())
        .bind(new.created_at.unix_ms())
        .execute(&mut *tx)
        .await?;
        let (subject, detail) = (Subject::Branch(new.id), shown_branch(new));
        let at = new.created_at;
        audit::note(
            &mut tx,
            self.id,
            actor,
            "branch.added",
            subject,
            &detail,
            at,
        )
        .await?;
        tx.commit().await
    }

    /// Puts a branch in the place of what it was; `false` when there is none.
    pub(crate) async fn change_branch(
        &self,
        branch: &Branch,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        let done = sqlx::query(
            "UPDATE branches SET name = $1, timezone = $2, updated_at = $3 \
             WHERE id = $4 AND client_id = $5",
        )
        .bind(&branch.name)
        .bind(branch.timezone.clone())
        .bind(at.unix_ms())
        .bind(branch.id.to_string())
        .bind(self.key())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let (subject, detail) = (Subject::Branch(branch.id), shown_branch(branch));
        audit::note(
            &mut tx,
            self.id,
            actor,
            "branch.changed",
            subject,
            &detail,
            at,
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes a branch that no number leads to. Its calls stay the tenant's.
    pub(crate) async fn remove_branch(
        &self,
        id: BranchId,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<BranchRemoval> {
        let mut tx = self.store.write().await?;
        let known = sqlx::query(
            "SELECT name, (SELECT COUNT(*) FROM phone_numbers p WHERE p.branch_id = branches.id) \
             AS numbers FROM branches WHERE id = $1 AND client_id = $2",
        )
        .bind(id.to_string())
        .bind(self.key())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(known) = known else {
            return Ok(BranchRemoval::Unknown);
        };
        if known.int("numbers")? > 0 {
            return Ok(BranchRemoval::HasNumbers);
        }
        sqlx::query("UPDATE calls SET branch_id = NULL WHERE branch_id = $1")
            .bind(id.to_string())
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM branches WHERE id = $1")
            .bind(id.to_string())
            .execute(&mut *tx)
            .await?;
        let (subject, detail) = (Subject::Branch(id), json!({ "name": known.text("name")? }));
        audit::note(
            &mut tx,
            self.id,
            actor,
            "branch.removed",
            subject,
            &detail,
            at,
        )
        .await?;
        tx.commit().await?;
        Ok(BranchRemoval::Done)
    }

    /// Phone numbers in their order, those after `after`.
    pub(crate) async fn phone_numbers(
        &self,
        branch: Option<BranchId>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<PhoneNumber>> {
        let mut statement = Statement::new(NUMBER);
        statement.text(self.key());
        if let Some(branch) = branch {
            statement.sql(" AND branch_id = ").text(branch.to_string());
        }
        if let Some(after) = after {
            statement.sql(" AND number > ").text(after);
        }
        statement
            .sql(" ORDER BY number LIMIT ")
            .int(i64::from(limit));
        let rows = statement.query().fetch_all(self.pool()).await?;
        rows.iter().map(number).collect()
    }

    pub(crate) async fn phone_number(&self, id: PhoneNumberId) -> Result<Option<PhoneNumber>> {
        let mut statement = Statement::new(NUMBER);
        statement.text(self.key());
        statement.sql(" AND id = ").text(id.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        row.as_ref().map(number).transpose()
    }

    /// Adds a number. One that any tenant has is a duplicate.
    pub(crate) async fn add_phone_number(&self, new: &PhoneNumber, actor: &Actor) -> Result<()> {
        let mut tx = self.store.write().await?;
        sqlx::query(
            "INSERT INTO phone_numbers (id, client_id, branch_id, number, label, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(new.id.to_string())
        .bind(self.key())
        .bind(new.branch_id.map(|id| id.to_string()))
        .bind(&new.number)
        .bind(new.label.clone())
        .bind(new.created_at.unix_ms())
        .execute(&mut *tx)
        .await?;
        let (subject, detail) = (Subject::PhoneNumber(new.id), shown_number(new));
        let (action, at) = ("phone_number.added", new.created_at);
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await
    }

    /// Gives a number another branch or label; `false` when there is none.
    pub(crate) async fn change_phone_number(
        &self,
        number: &PhoneNumber,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        let done = sqlx::query(
            "UPDATE phone_numbers SET branch_id = $1, label = $2 WHERE id = $3 AND client_id = $4",
        )
        .bind(number.branch_id.map(|id| id.to_string()))
        .bind(number.label.clone())
        .bind(number.id.to_string())
        .bind(self.key())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let (subject, detail) = (Subject::PhoneNumber(number.id), shown_number(number));
        let action = "phone_number.changed";
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes a number; `false` when there is none.
    pub(crate) async fn remove_phone_number(
        &self,
        number: &PhoneNumber,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        let done = sqlx::query("DELETE FROM phone_numbers WHERE id = $1 AND client_id = $2")
            .bind(number.id.to_string())
            .bind(self.key())
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let (subject, detail) = (Subject::PhoneNumber(number.id), shown_number(number));
        let action = "phone_number.removed";
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await?;
        Ok(true)
    }
}

impl Store {
    /// How many calls that have not ended each of these branches has.
    pub(crate) async fn branch_counts(
        &self,
        branches: &[BranchId],
    ) -> Result<HashMap<BranchId, u64>> {
        let mut counts: HashMap<BranchId, u64> = branches.iter().map(|id| (*id, 0)).collect();
        if branches.is_empty() {
            return Ok(counts);
        }
        let mut statement = Statement::new(
            "SELECT branch_id, COUNT(*) AS n FROM calls WHERE ended_at IS NULL AND branch_id IN (",
        );
        statement.texts(branches.iter().map(BranchId::to_string));
        statement.sql(") GROUP BY branch_id");
        for row in &statement.query().fetch_all(&self.pool).await? {
            counts.insert(row.parsed("branch_id")?, row.unsigned("n")?);
        }
        Ok(counts)
    }
}

/// Where numbers lead that are known.
pub(super) async fn lines(tx: &mut Tx, numbers: &HashSet<String>) -> Result<HashMap<String, Line>> {
    if numbers.is_empty() {
        return Ok(HashMap::new());
    }
    let mut statement =
        Statement::new("SELECT number, client_id, branch_id FROM phone_numbers WHERE number IN (");
    statement.texts(numbers.iter().cloned()).sql(")");
    let rows = statement.query().fetch_all(&mut **tx).await?;
    let line = |row: &AnyRow| {
        let line = Line {
            tenant: row.parsed("client_id")?,
            branch: row.opt_parsed("branch_id")?,
        };
        Ok((row.text("number")?, line))
    };
    rows.iter().map(line).collect()
}
