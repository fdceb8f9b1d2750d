//! Lists: `{items, nextCursor}`, limits and cursors.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sidetone_wire::Timestamp;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::problem::Problem;
use crate::store::Moment;

/// Items of a page unless asked otherwise.
const DEFAULT_LIMIT: u32 = 50;
/// Items of a page at most.
const MAX_LIMIT: u32 = 100;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// Send it as `cursor` to get the next page; `null` on the last one.
    pub(crate) next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The page of the first `limit` of `items`, which holds one more when there is a next page.
    pub(crate) fn cut(mut items: Vec<T>, limit: u32, place: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next_cursor = items
            .last()
            .filter(|_| more)
            .map(|last| URL_SAFE_NO_PAD.encode(place(last)));
        Self { items, next_cursor }
    }

    /// A list that is always whole.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        Self {
            items,
            next_cursor: None,
        }
    }
}

/// How many items were asked for.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::invalid_field("limit", "is not between 1 and 100")),
    }
}

/// What a cursor of ours says.
pub(crate) fn place(cursor: &str) -> Result<String, Problem> {
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(wrong_cursor)
}

/// What a cursor of ours says when a list is in the order of ids.
pub(crate) fn id(cursor: &str) -> Result<Uuid, Problem> {
    place(cursor)?.parse().map_err(|_| wrong_cursor())
}

pub(crate) fn wrong_cursor() -> Problem {
    Problem::invalid_field("cursor", "is none that this list gave")
}

/// The place of what lists by time have.
pub(crate) fn moment(at: Timestamp, id: Uuid) -> String {
    format!("{}.{id}", at.unix_ms())
}

/// Reads what [`moment`] wrote.
pub(crate) fn read_moment(cursor: &str) -> Result<Moment, Problem> {
    let text = place(cursor)?;
    let (at, id) = text.split_once('.').ok_or_else(wrong_cursor)?;
    Ok((
        Timestamp::from_unix_ms(at.parse().map_err(|_| wrong_cursor())?),
        id.parse().map_err(|_| wrong_cursor())?,
    ))
}

/// A list's page, for lists without conditions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// 1 to 100, default 50.
    pub(crate) limit: Option<u32>,
    /// `nextCursor` of the page before.
    pub(crate) cursor: Option<String>,
}

impl Paging {
    /// How many are asked for, and after which moment.
    pub(crate) fn moments(&self) -> Result<(u32, Option<Moment>), Problem> {
        let after = self.cursor.as_deref().map(read_moment).transpose()?;
        Ok((limit(self.limit)?, after))
    }

    /// How many are asked for, and after which word.
    pub(crate) fn words(&self) -> Result<(u32, Option<String>), Problem> {
        let after = self.cursor.as_deref().map(place).transpose()?;
        Ok((limit(self.limit)?, after))
    }
}
