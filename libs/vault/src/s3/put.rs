//! Puts objects: never over another one, and only what the server proves to have counts.
//!
//! Every put has the condition that the name is free. A server that does not know conditions says
//! so, once, and is then asked first whether the name is free: enough, since a name is used by one
//! spool only. A name that is taken is no fault if the object has the same bytes: whoever put it
//! may have been cut off before the answer came.

use std::path::Path;
use std::sync::atomic::Ordering;

use aws_lc_rs::digest::{Context, SHA256};
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, ServerSideEncryption,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, pin_mut};

use super::failure::Failure;
use super::sums::{Said, Sums, array, unreadable};
use super::{S3, Sse};
use crate::store::{Put, StoreError};

/// Bytes of a file on their way in memory.
const BUFFER_BYTES: usize = 64 << 10;

/// "Only if there is no such object."
const NEW: &str = "*";

/// Where the bytes are.
pub(super) enum Source<'a> {
    File(&'a Path),
    Memory(Bytes),
}

impl Source<'_> {
    /// So many of them, from `start` on.
    async fn body(&self, start: u64, bytes: u64) -> Result<ByteStream, StoreError> {
        match self {
            Self::Memory(all) => {
                let (start, end) = (start as usize, (start + bytes) as usize);
                Ok(ByteStream::from(all.slice(start..end)))
            }
            Self::File(path) => ByteStream::read_from()
                .path(path)
                .offset(start)
                .length(Length::Exact(bytes))
                .buffer_size(BUFFER_BYTES)
                .build()
                .await
                .map_err(|error| unreadable(path, &error)),
        }
    }
}

/// What is known of an object without reading it.
pub(super) struct Look {
    pub(super) bytes: u64,
    said: Said,
}

/// Why a put did not go through.
enum Stopped {
    /// The server refused a request.
    Server(Failure),
    /// Anything else.
    Other(StoreError),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Server(failure)
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Other(error)
    }
}

impl S3 {
    /// Puts an object, unless there is one.
    pub(super) async fn put(
        &self,
        name: &str,
        source: Source<'_>,
        sums: &Sums,
    ) -> Result<Put, StoreError> {
        let in_parts = sums.parts.len() > 1;
        let conditional = !self.inner.unconditional.load(Ordering::Relaxed);
        // the condition of an upload in parts is looked at after all of them were sent
        if (in_parts || !conditional) && self.look(name).await?.is_some() {
            return self.taken(name, sums).await;
        }
        let putting = if in_parts {
            Box::pin(self.put_parts(name, &source, sums)).await
        } else {
            self.put_whole(name, &source, sums).await
        };
        match putting {
            Ok(said) if sums.are_proved_by(&said) => Ok(Put::Stored),
            Ok(_) if self.holds(name, sums).await? => Ok(Put::Stored),
            Ok(_) => {
                let text = format!("{name} is not what was put there in {}", self.place());
                Err(StoreError::Damaged(text))
            }
            Err(Stopped::Server(failure)) if failure.is_taken() => self.taken(name, sums).await,
            Err(Stopped::Server(failure)) if failure.is_not_implemented() && conditional => {
                self.inner.unconditional.store(true, Ordering::Relaxed);
                Box::pin(self.put(name, source, sums)).await
            }
            Err(Stopped::Server(failure)) => Err(failure.into()),
            Err(Stopped::Other(error)) => Err(error),
        }
    }

    /// What a put comes to when the name is taken.
    async fn taken(&self, name: &str, sums: &Sums) -> Result<Put, StoreError> {
        if self.holds(name, sums).await? {
            return Ok(Put::Same);
        }
        Err(StoreError::Exists)
    }

    /// Whether the object has just these bytes: by what the server says of it, and where that
    /// proves nothing, by reading all of it.
    async fn holds(&self, name: &str, sums: &Sums) -> Result<bool, StoreError> {
        let Some(look) = self.look(name).await? else {
            // it was said to be there a moment ago
            let text = format!("{name} is there and is not in {}", self.place());
            return Err(StoreError::Temporary(text));
        };
        if look.bytes != sums.bytes || sums.are_proved_by(&look.said) {
            return Ok(look.bytes == sums.bytes);
        }
        let mut sum = Context::new(&SHA256);
        let bytes = self.get(name, 0..look.bytes).await?;
        pin_mut!(bytes);
        while let Some(bytes) = bytes.next().await {
            sum.update(&bytes?);
        }
        Ok(array(sum) == sums.sha256)
    }

    /// Asks what is known of an object.
    pub(super) async fn look(&self, name: &str) -> Result<Option<Look>, StoreError> {
        let asking = self
            .inner
            .client
            .head_object()
            .bucket(&self.inner.settings.bucket)
            .key(self.key(name))
            .checksum_mode(ChecksumMode::Enabled)
            .send();
        let head = match self.send("HeadObject", 0, asking).await {
            Ok(head) => head,
            Err(failure) if failure.is_absent() => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        let bytes = head.content_length().and_then(|n| u64::try_from(n).ok());
        let bytes = bytes.ok_or_else(|| {
            let text = format!("HeadObject in {}: no size", self.place());
            StoreError::Temporary(text)
        })?;
        let said = Said {
            etag: head.e_tag,
            checksum: head.checksum_sha256,
            kms: is_kms(head.server_side_encryption.as_ref()),
        };
        Ok(Some(Look { bytes, said }))
    }

    async fn put_whole(
        &self,
        name: &str,
        source: &Source<'_>,
        sums: &Sums,
    ) -> Result<Said, Stopped> {
        let settings = &self.inner.settings;
        let putting = self
            .inner
            .client
            .put_object()
            .bucket(&settings.bucket)
            .key(self.key(name))
            .set_if_none_match(self.condition())
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(sums.checksum())
            .set_server_side_encryption(settings.sse.as_ref().map(Sse::header))
            .set_ssekms_key_id(settings.sse.as_ref().and_then(Sse::key))
            .content_length(sums.bytes as i64)
            .body(source.body(0, sums.bytes).await?)
            .send();
        let put = self.send("PutObject", sums.bytes, putting).await?;
        Ok(Said {
            etag: put.e_tag,
            checksum: put.checksum_sha256,
            kms: is_kms(put.server_side_encryption.as_ref()),
        })
    }

    /// Uploads in parts, one after the other. What was uploaded is given up if it does not become
    /// an object.
    async fn put_parts(
        &self,
        name: &str,
        source: &Source<'_>,
        sums: &Sums,
    ) -> Result<Said, Stopped> {
        let settings = &self.inner.settings;
        let creating = self
            .inner
            .client
            .create_multipart_upload()
            .bucket(&settings.bucket)
            .key(self.key(name))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_server_side_encryption(settings.sse.as_ref().map(Sse::header))
            .set_ssekms_key_id(settings.sse.as_ref().and_then(Sse::key))
            .send();
        let created = self.send("CreateMultipartUpload", 0, creating).await?;
        let upload = created.upload_id.ok_or_else(|| {
            let place = self.place();
            StoreError::Temporary(format!("CreateMultipartUpload in {place}: no upload"))
        })?;
        let uploaded = match self.upload_parts(name, &upload, source, sums).await {
            Ok(parts) => self.complete(name, &upload, parts).await,
            Err(stopped) => Err(stopped),
        };
        if uploaded.is_err() {
            // one that cannot be given up now is an orphan, and those are looked for
            drop(self.abort(&self.key(name), &upload).await);
        }
        uploaded
    }

    async fn upload_parts(
        &self,
        name: &str,
        upload: &str,
        source: &Source<'_>,
        sums: &Sums,
    ) -> Result<Vec<CompletedPart>, Stopped> {
        let mut parts = Vec::with_capacity(sums.parts.len());
        let mut start = 0;
        for (part, number) in sums.parts.iter().zip(1..) {
            let uploading = self
                .inner
                .client
                .upload_part()
                .bucket(&self.inner.settings.bucket)
                .key(self.key(name))
                .upload_id(upload)
                .part_number(number)
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .checksum_sha256(part.checksum())
                .content_length(part.bytes as i64)
                .body(source.body(start, part.bytes).await?)
                .send();
            let uploaded = self.send("UploadPart", part.bytes, uploading).await?;
            let said = Said {
                etag: uploaded.e_tag,
                checksum: uploaded.checksum_sha256,
                kms: is_kms(uploaded.server_side_encryption.as_ref()),
            };
            if part.is_denied_by(&said) {
                let text = format!("UploadPart in {}: its sums are not ours", self.place());
                return Err(StoreError::Temporary(text).into());
            }
            let completed = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(said.etag)
                .checksum_sha256(part.checksum())
                .build();
            parts.push(completed);
            start += part.bytes;
        }
        Ok(parts)
    }

    async fn complete(
        &self,
        name: &str,
        upload: &str,
        parts: Vec<CompletedPart>,
    ) -> Result<Said, Stopped> {
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let completing = self
            .inner
            .client
            .complete_multipart_upload()
            .bucket(&self.inner.settings.bucket)
            .key(self.key(name))
            .upload_id(upload)
            .set_if_none_match(self.condition())
            .multipart_upload(parts)
            .send();
        let completed = self.send("CompleteMultipartUpload", 0, completing).await?;
        Ok(Said {
            etag: completed.e_tag,
            checksum: completed.checksum_sha256,
            kms: is_kms(completed.server_side_encryption.as_ref()),
        })
    }

    fn condition(&self) -> Option<String> {
        let known = !self.inner.unconditional.load(Ordering::Relaxed);
        known.then(|| NEW.to_owned())
    }
}

fn is_kms(sse: Option<&ServerSideEncryption>) -> bool {
    matches!(
        sse,
        Some(ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse)
    )
}
