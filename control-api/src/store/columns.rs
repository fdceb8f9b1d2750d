//! Columns as this project's types, and statements with a variable number of conditions.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use sidetone_wire::Timestamp;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row as _};

use super::{Error, Result};

pub(super) trait Columns {
    fn text(&self, column: &str) -> Result<String>;
    fn opt_text(&self, column: &str) -> Result<Option<String>>;
    fn int(&self, column: &str) -> Result<i64>;
    fn opt_int(&self, column: &str) -> Result<Option<i64>>;

    fn parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T> {
        self.text(column)?
            .parse()
            .map_err(|error: T::Err| unreadable(column, &error))
    }

    fn opt_parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>> {
        self.opt_text(column)?
            .map(|text| {
                text.parse()
                    .map_err(|error: T::Err| unreadable(column, &error))
            })
            .transpose()
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        serde_json::from_str(&self.text(column)?).map_err(|error| unreadable(column, &error))
    }

    fn time(&self, column: &str) -> Result<Timestamp> {
        Ok(Timestamp::from_unix_ms(self.int(column)?))
    }

    fn opt_time(&self, column: &str) -> Result<Option<Timestamp>> {
        Ok(self.opt_int(column)?.map(Timestamp::from_unix_ms))
    }

    fn flag(&self, column: &str) -> Result<bool> {
        Ok(self.int(column)? != 0)
    }

    fn unsigned(&self, column: &str) -> Result<u64> {
        Ok(u64::try_from(self.int(column)?).unwrap_or(0))
    }
}

impl Columns for AnyRow {
    fn text(&self, column: &str) -> Result<String> {
        Ok(self.try_get(column)?)
    }

    fn opt_text(&self, column: &str) -> Result<Option<String>> {
        Ok(self.try_get(column)?)
    }

    fn int(&self, column: &str) -> Result<i64> {
        Ok(self.try_get(column)?)
    }

    fn opt_int(&self, column: &str) -> Result<Option<i64>> {
        Ok(self.try_get(column)?)
    }
}

fn unreadable(column: &str, why: &dyn Display) -> Error {
    Error::Column {
        column: column.to_owned(),
        why: why.to_string(),
    }
}

pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain data without maps of odd keys")
}

/// What is to become of a column that may be empty.
#[derive(Debug, Clone, Default)]
pub(crate) enum Edit<T> {
    /// It stays.
    #[default]
    Stays,
    /// It becomes that, or empty.
    Is(Option<T>),
}

impl<T: Clone> Edit<T> {
    /// 1 when it is to be changed.
    pub(super) const fn flag(&self) -> i64 {
        match self {
            Self::Stays => 0,
            Self::Is(_) => 1,
        }
    }

    /// What it becomes, if it is to be changed.
    pub(super) fn value(&self) -> Option<T> {
        match self {
            Self::Stays => None,
            Self::Is(value) => value.clone(),
        }
    }
}

/// A row's place in a list that is ordered by time and then by id.
pub(crate) type Moment = (Timestamp, uuid::Uuid);

enum Bind {
    Text(String),
    Int(i64),
    OptText(Option<String>),
    OptInt(Option<i64>),
}

/// A statement that grows with its conditions. Only constants of this crate become text of it;
/// values are bound.
pub(super) struct Statement {
    sql: String,
    binds: Vec<Bind>,
}

impl Statement {
    pub(super) fn new(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            binds: Vec::new(),
        }
    }

    pub(super) fn sql(&mut self, part: &str) -> &mut Self {
        self.sql.push_str(part);
        self
    }

    /// Appends a placeholder for a text.
    pub(super) fn text(&mut self, value: impl Into<String>) -> &mut Self {
        self.binds.push(Bind::Text(value.into()));
        self.placeholder()
    }

    /// Appends a placeholder for a number.
    pub(super) fn int(&mut self, value: i64) -> &mut Self {
        self.binds.push(Bind::Int(value));
        self.placeholder()
    }

    /// Appends placeholders for texts, divided by commas.
    pub(super) fn texts(&mut self, values: impl IntoIterator<Item = String>) -> &mut Self {
        for (n, value) in values.into_iter().enumerate() {
            if n > 0 {
                self.sql(", ");
            }
            self.text(value);
        }
        self
    }

    /// Appends a placeholder for a text that may be missing.
    pub(super) fn opt_text(&mut self, value: Option<String>) -> &mut Self {
        self.binds.push(Bind::OptText(value));
        self.placeholder()
    }

    /// Appends a placeholder for a number that may be missing.
    pub(super) fn opt_int(&mut self, value: Option<i64>) -> &mut Self {
        self.binds.push(Bind::OptInt(value));
        self.placeholder()
    }

    /// Appends rows of values, `(…), (…)`.
    pub(super) fn rows<T>(&mut self, rows: &[T], mut each: impl FnMut(&mut Self, &T)) {
        for (n, row) in rows.iter().enumerate() {
            self.sql(if n > 0 { ", (" } else { "(" });
            each(self, row);
            self.sql(")");
        }
    }

    /// Orders by a time and the id, the first first, and leaves out what is not after `after`.
    pub(super) fn after(&mut self, time: &str, after: Option<Moment>) {
        self.beyond(time, after, ">", "ASC");
    }

    /// The same with the last first: leaves out what is not before `before`.
    pub(super) fn before(&mut self, time: &str, before: Option<Moment>) {
        self.beyond(time, before, "<", "DESC");
    }

    fn beyond(&mut self, time: &str, place: Option<Moment>, beyond: &str, order: &str) {
        if let Some((at, id)) = place {
            let at = at.unix_ms();
            self.sql(" AND (").sql(time).sql(" ").sql(beyond).sql(" ");
            self.int(at).sql(" OR (").sql(time).sql(" = ").int(at);
            self.sql(" AND id ").sql(beyond).sql(" ");
            self.text(id.to_string()).sql("))");
        }
        let by = format!(" ORDER BY {time} {order}, id {order}");
        self.sql(&by);
    }

    /// At most so many rows.
    pub(super) fn limit(&mut self, limit: u32) {
        self.sql(" LIMIT ").int(i64::from(limit));
    }

    fn placeholder(&mut self) -> &mut Self {
        self.sql.push('$');
        self.sql.push_str(&self.binds.len().to_string());
        self
    }

    pub(super) fn query(self) -> Query<'static, Any, AnyArguments> {
        let mut query = sqlx::query(AssertSqlSafe(self.sql));
        for bind in self.binds {
            query = match bind {
                Bind::Text(value) => query.bind(value),
                Bind::Int(value) => query.bind(value),
                Bind::OptText(value) => query.bind(value),
                Bind::OptInt(value) => query.bind(value),
            };
        }
        query
    }
}

/// Rows in one statement, at most: below what either database lets be bound.
const ROWS: [usize; 5] = [256, 64, 16, 4, 1];

/// Rows divided into pieces of few sizes, so that few statements have to be prepared.
pub(super) fn batches<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = ROWS.into_iter().find(|size| *size <= rows.len())?;
        let (batch, rest) = rows.split_at(size);
        rows = rest;
        Some(batch)
    })
}

/// A pattern for `LIKE … ESCAPE '\'` that finds `text` anywhere.
pub(super) fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
