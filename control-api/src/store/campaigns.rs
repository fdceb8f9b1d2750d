//! Campaigns, and which calls belong to them.
//!
//! A call has the campaign's word, which may also come with the call itself: a word that no
//! campaign has stays what it is.

use std::collections::HashMap;

use serde_json::json;
use sidetone_wire::{Call, CallId, Campaign, Direction, Timestamp};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Edit, Statement};
use super::effects::Change;
use super::{Result, Tenant, Tx};

const CAMPAIGN: &str = "SELECT id, word, name, description, active, created_at, updated_at \
    FROM campaigns WHERE client_id = ";

/// What is to be changed of a campaign; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub(crate) struct CampaignChange {
    pub(crate) name: Option<String>,
    pub(crate) description: Edit<String>,
    pub(crate) numbers: Option<Vec<String>>,
    pub(crate) active: Option<bool>,
}

/// A campaign without its numbers.
fn campaign(row: &AnyRow) -> Result<Campaign> {
    Ok(Campaign {
        id: row.parsed("id")?,
        word: row.text("word")?,
        name: row.text("name")?,
        description: row.opt_text("description")?,
        numbers: Vec::new(),
        active: row.flag("active")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// A number as it is compared: without what people put between its digits.
pub(crate) fn dialled(number: &str) -> String {
    let between = |c: char| c.is_whitespace() || matches!(c, '-' | '(' | ')' | '/');
    if number.contains('@') {
        return number.trim().to_lowercase(); // a SIP address
    }
    number.chars().filter(|c| !between(*c)).collect()
}

/// The number of ours in a call.
fn our_number(call: &Call) -> String {
    dialled(match call.direction {
        Direction::Outbound => &call.from,
        Direction::Inbound | Direction::Web => &call.to,
    })
}

/// Puts new calls into the campaigns of their numbers, unless they came with one.
pub(super) async fn assign(tx: &mut Tx, changes: &mut [Change]) -> Result<()> {
    let is_new = |change: &Change| change.before.is_none() && change.after.campaign.is_none();
    let mut statement = Statement::new(
        "SELECT n.client_id, n.number, c.word FROM campaign_numbers n \
         JOIN campaigns c ON c.id = n.campaign_id WHERE c.active = 1 AND n.number IN (",
    );
    let mut asked = false;
    for change in changes.iter().filter(|change| is_new(change)) {
        if asked {
            statement.sql(", ");
        }
        asked = true;
        statement.text(our_number(&change.after));
    }
    if !asked {
        return Ok(());
    }
    statement.sql(")");
    let mut words: HashMap<(String, String), String> = HashMap::new();
    for row in statement.query().fetch_all(&mut **tx).await? {
        let key = (row.text("client_id")?, row.text("number")?);
        words.insert(key, row.text("word")?);
    }
    if words.is_empty() {
        return Ok(());
    }
    for change in changes.iter_mut().filter(|change| is_new(change)) {
        let call = &mut change.after;
        let key = (call.client_id.to_string(), our_number(call));
        if let Some(word) = words.get(&key) {
            named(tx, call.id, word).await?;
            call.campaign = Some(word.clone());
        }
    }
    Ok(())
}

/// Says which campaign a call belongs to, unless it has one.
pub(super) async fn named(tx: &mut Tx, call: CallId, word: &str) -> Result<()> {
    sqlx::query("UPDATE calls SET campaign = $1 WHERE id = $2 AND campaign IS NULL")
        .bind(word)
        .bind(call.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

impl Tenant {
    /// Campaigns by word, those after `after`.
    pub(crate) async fn campaigns(&self, after: Option<&str>, limit: u32) -> Result<Vec<Campaign>> {
        let mut statement = Statement::new(CAMPAIGN);
        statement.text(self.key());
        if let Some(after) = after {
            statement.sql(" AND word > ").text(after);
        }
        statement.sql(" ORDER BY word").limit(limit);
        let rows = statement.query().fetch_all(self.pool()).await?;
        let mut campaigns: Vec<Campaign> = rows.iter().map(campaign).collect::<Result<_>>()?;
        for campaign in &mut campaigns {
            campaign.numbers = self.campaign_numbers(campaign.id).await?;
        }
        Ok(campaigns)
    }

    pub(crate) async fn campaign(&self, id: Uuid) -> Result<Option<Campaign>> {
        let mut statement = Statement::new(CAMPAIGN);
        statement.text(self.key());
        statement.sql(" AND id = ").text(id.to_string());
        let row = statement.query().fetch_optional(self.pool()).await?;
        let Some(row) = row else { return Ok(None) };
        let mut found = campaign(&row)?;
        found.numbers = self.campaign_numbers(id).await?;
        Ok(Some(found))
    }

    /// Whether a campaign has that word.
    pub(crate) async fn has_campaign(&self, word: &str) -> Result<bool> {
        let row =
            sqlx::query("SELECT COUNT(*) AS n FROM campaigns WHERE client_id = $1 AND word = $2")
                .bind(self.key())
                .bind(word)
                .fetch_one(self.pool())
                .await?;
        Ok(row.int("n")? > 0)
    }

    async fn campaign_numbers(&self, id: Uuid) -> Result<Vec<String>> {
        let rows = sqlx::query(
            "SELECT number FROM campaign_numbers WHERE client_id = $1 AND campaign_id = $2 \
             ORDER BY number",
        )
        .bind(self.key())
        .bind(id.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|row| row.text("number")).collect()
    }

    /// Adds a campaign. A word or number that is taken is a duplicate.
    pub(crate) async fn add_campaign(&self, new: &Campaign, actor: &Actor) -> Result<()> {
        let mut tx = self.store.write().await?;
        sqlx::query(
            "INSERT INTO campaigns (id, client_id, word, name, description, active, created_at, \
             updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
        )
        .bind(new.id.to_string())
        .bind(self.key())
        .bind(&new.word)
        .bind(&new.name)
        .bind(new.description.clone())
        .bind(i64::from(new.active))
        .bind(new.created_at.unix_ms())
        .execute(&mut *tx)
        .await?;
        self.put_numbers(&mut tx, new.id, &new.numbers).await?;
        let detail = json!({"word": new.word, "numbers": new.numbers.len()});
        let (action, subject) = ("campaign.added", Subject::Other("campaign", new.id));
        let at = new.created_at;
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn put_numbers(&self, tx: &mut Tx, id: Uuid, numbers: &[String]) -> Result<()> {
        for number in numbers {
            sqlx::query(
                "INSERT INTO campaign_numbers (client_id, number, campaign_id) VALUES ($1, $2, $3)",
            )
            .bind(self.key())
            .bind(number)
            .bind(id.to_string())
            .execute(&mut **tx)
            .await?;
        }
        Ok(())
    }

    async fn drop_numbers(&self, tx: &mut Tx, id: Uuid) -> Result<()> {
        sqlx::query("DELETE FROM campaign_numbers WHERE client_id = $1 AND campaign_id = $2")
            .bind(self.key())
            .bind(id.to_string())
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Changes a campaign; gives whether there is one. A number that is taken is a duplicate.
    pub(crate) async fn change_campaign(
        &self,
        id: Uuid,
        change: &CampaignChange,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        let done = sqlx::query(
            "UPDATE campaigns SET name = COALESCE($1, name), active = COALESCE($2, active), \
             description = CASE WHEN $3 = 1 THEN $4 ELSE description END, updated_at = $5 \
             WHERE id = $6 AND client_id = $7",
        )
        .bind(change.name.clone())
        .bind(change.active.map(i64::from))
        .bind(change.description.flag())
        .bind(change.description.value())
        .bind(at.unix_ms())
        .bind(id.to_string())
        .bind(self.key())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        if let Some(numbers) = &change.numbers {
            self.drop_numbers(&mut tx, id).await?;
            self.put_numbers(&mut tx, id, numbers).await?;
        }
        let detail = json!({"name": change.name, "active": change.active,
            "numbers": change.numbers.as_ref().map(Vec::len)});
        let (action, subject) = ("campaign.changed", Subject::Other("campaign", id));
        audit::note(&mut tx, self.id, actor, action, subject, &detail, at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Removes a campaign; gives whether there was one. Its calls keep its word.
    pub(crate) async fn remove_campaign(
        &self,
        id: Uuid,
        actor: &Actor,
        at: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.store.write().await?;
        self.drop_numbers(&mut tx, id).await?;
        let done = sqlx::query("DELETE FROM campaigns WHERE id = $1 AND client_id = $2")
            .bind(id.to_string())
            .bind(self.key())
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let (action, subject) = ("campaign.removed", Subject::Other("campaign", id));
        audit::note(&mut tx, self.id, actor, action, subject, &json!({}), at).await?;
        tx.commit().await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        assert_eq!(dialled("+49 (30) 123-456"), "+4930123456");
        assert_eq!(dialled("+4930123456"), "+4930123456");
        assert_eq!(dialled(" sip:Sales@Example.com "), "sip:sales@example.com");
    }
}
