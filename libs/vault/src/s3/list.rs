//! Lists objects.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::Object;
use sidetone_wire::Timestamp;

use super::S3;
use crate::store::{Listed, StoreError};

impl S3 {
    /// Objects whose names begin with `prefix`, from behind `after` on: `max`, unless there are no
    /// more.
    pub(super) async fn list_from(
        &self,
        prefix: &str,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let mut found: Vec<Listed> = Vec::new();
        let mut token = None;
        // a page may be shorter than it was asked to be
        while found.len() < max {
            let room = max - found.len();
            let page = self.list_page(prefix, after, room, token).await?;
            let objects = page.contents.unwrap_or_default();
            found.extend(objects.iter().filter_map(|object| self.listed(object)));
            token = page.next_continuation_token;
            if token.is_none() {
                break;
            }
        }
        found.truncate(max);
        Ok(found)
    }

    pub(super) async fn list_page(
        &self,
        prefix: &str,
        after: Option<&str>,
        room: usize,
        token: Option<String>,
    ) -> Result<ListObjectsV2Output, StoreError> {
        let listing = self
            .inner
            .client
            .list_objects_v2()
            .bucket(&self.inner.settings.bucket)
            .prefix(self.key(prefix))
            .set_start_after(after.map(|after| self.key(after)))
            .set_continuation_token(token)
            .max_keys(room as i32)
            .send();
        Ok(self.send("ListObjectsV2", 0, listing).await?)
    }

    fn listed(&self, object: &Object) -> Option<Listed> {
        let name = object.key()?.strip_prefix(&self.inner.settings.prefix)?;
        Some(Listed {
            name: name.to_owned(),
            bytes: u64::try_from(object.size()?).ok()?,
            modified: Timestamp::from_unix_ms(object.last_modified().map_or(0, unix_ms)),
        })
    }
}

/// A server's time; its own clock's.
pub(super) fn unix_ms(at: &DateTime) -> i64 {
    at.to_millis().unwrap_or(0)
}
