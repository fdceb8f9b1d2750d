//! Reads ranges of objects.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::{Stream, stream};
use sidetone_service::clock;

use super::failure::{Failure, chain};
use super::{Patience, S3};
use crate::store::StoreError;

impl S3 {
    /// The bytes of a range as they come from the server; no more of them are under way than a
    /// socket holds.
    pub(super) async fn read(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Bytes, StoreError>> + use<>, StoreError> {
        let Range { start, end } = range;
        let reading = self
            .inner
            .client
            .get_object()
            .bucket(&self.inner.settings.bucket)
            .key(self.key(name))
            .range(format!("bytes={start}-{}", end.saturating_sub(1)))
            .send();
        let answer = match self.send("GetObject", 0, reading).await {
            Ok(answer) => answer,
            Err(Failure {
                status: Some(416), ..
            }) => {
                let text = format!("{name} in {} ends before byte {start}", self.place());
                return Err(StoreError::Damaged(text));
            }
            Err(failure) => return Err(failure.into()),
        };
        // what comes is checked to be as long as was asked for; where it begins is checked here
        let given = answer.content_range.as_deref().unwrap_or_default();
        let (first, total) = parse_range(given).ok_or_else(|| {
            let place = self.place();
            StoreError::Refused(format!("the server of {place} does not give ranges"))
        })?;
        if first != start || total < end {
            let place = self.place();
            let text = format!("{name} in {place} has {total} bytes, {end} were expected");
            return Err(StoreError::Damaged(text));
        }
        let body = Body {
            stream: answer.body,
            place: self.place(),
            patience: self.inner.settings.patience,
            waited: Duration::ZERO,
            came: 0,
        };
        Ok(stream::try_unfold(body, |mut body| async move {
            Ok(body.next().await?.map(|bytes| (bytes, body)))
        }))
    }
}

/// First byte and total of `bytes 0-99/1000`.
fn parse_range(text: &str) -> Option<(u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, total.parse().ok()?))
}

/// An answer's body.
struct Body {
    stream: ByteStream,
    place: String,
    patience: Patience,
    /// Time spent waiting for the server: that of a slow reader is its own.
    waited: Duration,
    came: u64,
}

impl Body {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let left = self.patience.for_bytes(self.came);
        let left = left.saturating_sub(self.waited).min(self.patience.answer);
        let began = clock::now();
        let next = tokio::time::timeout(left, self.stream.next()).await;
        self.waited += began.elapsed();
        match next {
            Ok(None) => Ok(None),
            Ok(Some(Ok(bytes))) => {
                self.came += bytes.len() as u64;
                Ok(Some(bytes))
            }
            Ok(Some(Err(error))) => Err(self.broken(&chain(&error))),
            Err(_) => Err(self.broken("the bytes come too slowly")),
        }
    }

    fn broken(&self, what: &str) -> StoreError {
        let Self { place, came, .. } = self;
        StoreError::Temporary(format!("GetObject in {place}: {what} after {came} bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_servers_write_it() {
        assert_eq!(parse_range("bytes 10-19/100"), Some((10, 100)));
        for wrong in ["", "bytes 10-19/*", "bytes */100", "items 1-2/3"] {
            assert_eq!(parse_range(wrong), None, "{wrong}");
        }
    }
}
