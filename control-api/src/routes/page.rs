//! Lists: `{items, nextCursor}`, limits and cursors.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problem::Problem;

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
