//! An answer on its way in.

use std::time::Instant;

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, HeaderMap};

use super::error::DialError;
use super::policy::Limits;
use crate::clock;

/// An answer whose body is still to come, within the policy's limits.
#[derive(Debug)]
pub struct Answer {
    response: reqwest::Response,
    host: String,
    limits: Limits,
    began: Instant,
    body_began: Instant,
    received_bytes: u64,
}

impl Answer {
    /// Refuses one that says that it is too large.
    pub(super) fn new(
        response: reqwest::Response,
        host: String,
        limits: Limits,
        began: Instant,
    ) -> Result<Self, DialError> {
        let said = response.headers().get(CONTENT_LENGTH);
        let said = said.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let answer = Self {
            response,
            host,
            limits,
            began,
            body_began: clock::now(),
            received_bytes: 0,
        };
        if said.is_some_and(|bytes| bytes > limits.bytes) {
            return Err(answer.too_large());
        }
        Ok(answer)
    }

    /// The HTTP status. Redirects that were followed are not seen.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The body's next piece, `None` at its end.
    ///
    /// # Errors
    /// When it breaks off, or goes beyond a limit.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, DialError> {
        let left = self.limits.total.saturating_sub(clock::now() - self.began);
        let wait = left.min(self.limits.idle);
        let chunk = tokio::time::timeout(wait, self.response.chunk())
            .await
            .map_err(|_| self.too_slow(format!("nothing came for {wait:?}")))?
            .map_err(|error| DialError::Cut {
                host: self.host.clone(),
                why: super::root_cause(&error),
            })?;
        let Some(chunk) = chunk else {
            return Ok(None);
        };
        self.received_bytes += chunk.len() as u64;
        if self.received_bytes > self.limits.bytes {
            return Err(self.too_large());
        }
        self.flows()?;
        Ok(Some(chunk))
    }

    /// The whole body: for short answers, it is held in memory.
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub async fn whole(mut self) -> Result<Vec<u8>, DialError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Whether it took too long, or too little came for the time it took.
    fn flows(&self) -> Result<(), DialError> {
        let now = clock::now();
        if now - self.began > self.limits.total {
            let limit = self.limits.total;
            return Err(self.too_slow(format!("it takes longer than {limit:?}")));
        }
        let taken = now - self.body_began;
        let rate = self.limits.bytes_per_second;
        let due = taken.as_secs_f64() * rate as f64;
        if taken > self.limits.idle && (self.received_bytes as f64) < due {
            return Err(self.too_slow(format!("it sends less than {rate} bytes per second")));
        }
        Ok(())
    }

    fn too_slow(&self, why: String) -> DialError {
        DialError::TooSlow {
            host: self.host.clone(),
            why,
        }
    }

    fn too_large(&self) -> DialError {
        DialError::TooLarge {
            host: self.host.clone(),
            limit_bytes: self.limits.bytes,
        }
    }
}
