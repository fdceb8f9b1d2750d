//! Erases objects with all their versions, and uploads that became none.

use std::time::Duration;

use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::types::{DeleteMarkerEntry, ObjectVersion};
use sidetone_service::clock;

use super::S3;
use super::failure::Failure;
use super::list::unix_ms;
use crate::store::StoreError;

/// Listings of an object's versions at most, of up to 1,000 each: a bucket in which an object
/// comes back faster than it is erased is not ours alone.
const ROUNDS_MAX: usize = 32;

/// Pages of unfinished uploads looked through at most, of up to 1,000 each.
const UPLOAD_PAGES_MAX: usize = 32;

impl S3 {
    /// Erases an object, each of its versions and each mark that it was deleted before.
    pub(super) async fn erase_versions(&self, name: &str) -> Result<(), StoreError> {
        let key = self.key(name);
        for _ in 0..ROUNDS_MAX {
            let versions = match self.versions(&key).await {
                Ok(versions) => versions,
                // it has no versions then
                Err(failure) if failure.is_not_implemented() => {
                    return Ok(self.delete(&key, None).await?);
                }
                Err(failure) => return Err(failure.into()),
            };
            if versions.is_empty() {
                return Ok(());
            }
            for version in versions {
                self.delete(&key, Some(version)).await?;
            }
        }
        let text = format!("{name} in {} is still there", self.place());
        Err(StoreError::Temporary(text))
    }

    /// Up to 1,000 versions of an object. Keys that only begin alike come after all of its own.
    async fn versions(&self, key: &str) -> Result<Vec<String>, Failure> {
        let listing = self
            .inner
            .client
            .list_object_versions()
            .bucket(&self.inner.settings.bucket)
            .prefix(key)
            .send();
        let listed = self.send("ListObjectVersions", 0, listing).await?;
        Ok(versions_of(&listed, key))
    }

    async fn delete(&self, key: &str, version: Option<String>) -> Result<(), Failure> {
        let deleting = self
            .inner
            .client
            .delete_object()
            .bucket(&self.inner.settings.bucket)
            .key(key)
            .set_version_id(version)
            .send();
        match self.send("DeleteObject", 0, deleting).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_absent() => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Gives up uploads of objects in `folder` that began longer ago than `older_than`; gives how many.
    pub(super) async fn abort_uploads(
        &self,
        folder: &str,
        older_than: Duration,
    ) -> Result<usize, StoreError> {
        let age_ms = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX);
        let before = clock::wall().saturating_sub(age_ms);
        let (mut key_marker, mut upload_marker) = (None, None);
        let mut aborted = 0;
        for _ in 0..UPLOAD_PAGES_MAX {
            let listing = self
                .inner
                .client
                .list_multipart_uploads()
                .bucket(&self.inner.settings.bucket)
                .prefix(self.key(folder))
                .set_key_marker(key_marker)
                .set_upload_id_marker(upload_marker)
                .send();
            let page = match self.send("ListMultipartUploads", 0, listing).await {
                Ok(page) => page,
                Err(failure) if failure.is_not_implemented() => return Ok(aborted),
                Err(failure) => return Err(failure.into()),
            };
            for upload in page.uploads() {
                let old = upload.initiated().is_some_and(|at| unix_ms(at) <= before);
                if let (true, Some(key), Some(id)) = (old, upload.key(), upload.upload_id()) {
                    self.abort(key, id).await?;
                    aborted += 1;
                }
            }
            if page.is_truncated != Some(true) {
                break;
            }
            (key_marker, upload_marker) = (page.next_key_marker, page.next_upload_id_marker);
        }
        Ok(aborted)
    }

    /// Gives up one upload. One that has ended is fine.
    pub(super) async fn abort(&self, key: &str, upload: &str) -> Result<(), Failure> {
        let aborting = self
            .inner
            .client
            .abort_multipart_upload()
            .bucket(&self.inner.settings.bucket)
            .key(key)
            .upload_id(upload)
            .send();
        match self.send("AbortMultipartUpload", 0, aborting).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_absent() => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

fn versions_of(listed: &ListObjectVersionsOutput, key: &str) -> Vec<String> {
    let objects = listed.versions().iter();
    let objects = objects
        .filter(|object| object.key() == Some(key))
        .filter_map(ObjectVersion::version_id);
    let marks = listed.delete_markers().iter();
    let marks = marks
        .filter(|mark| mark.key() == Some(key))
        .filter_map(DeleteMarkerEntry::version_id);
    objects.chain(marks).map(str::to_owned).collect()
}
