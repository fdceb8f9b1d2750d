use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use sidetone_testkit::{FaultProxy, S3Server};
use sidetone_vault::chunked::Sealer;
use sidetone_vault::s3::{AccessKey, Patience, Settings};
use sidetone_vault::{DataKey, Store, StoreError};
use tempfile::TempDir;

/// A server, a proxy before it, and a store that sees the proxy only.
pub(crate) struct Bucket {
    pub(crate) store: Store,
    pub(crate) proxy: FaultProxy,
    pub(crate) server: Arc<S3Server>,
    pub(crate) name: String,
    dir: TempDir,
}

/// Patience that a test has: a second, and 100 kB/s.
const PATIENCE: Patience = Patience {
    answer: Duration::from_secs(1),
    slowest_bytes_per_second: 100_000,
};

/// Begins every key.
pub(crate) const PREFIX: &str = "sidetone/";

impl Bucket {
    pub(crate) async fn start() -> Self {
        let server = S3Server::shared().await.unwrap();
        let name = server.bucket().await.unwrap();
        Self::over(server, name).await
    }

    pub(crate) async fn versioned() -> Self {
        let server = S3Server::shared().await.unwrap();
        let name = server.versioned_bucket().await.unwrap();
        Self::over(server, name).await
    }

    async fn over(server: Arc<S3Server>, name: String) -> Self {
        let proxy = FaultProxy::start(server.address()).await.unwrap();
        let settings = settings(&name, &proxy.url());
        Self {
            store: Store::s3(settings).await.unwrap(),
            proxy,
            server,
            name,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// A file of so many bytes that repeat nothing.
    pub(crate) fn file(&self, bytes: usize) -> PathBuf {
        let path = self.dir.path().join(format!("{bytes}"));
        std::fs::write(&path, content(bytes)).unwrap();
        path
    }

    /// A file with so many plain bytes, encrypted.
    pub(crate) fn encrypted(&self, key: &DataKey, plain: &[u8]) -> PathBuf {
        let path = self.dir.path().join("encrypted");
        let file = std::fs::File::create(&path).unwrap();
        let mut sealer = Sealer::new(file, key).unwrap();
        sealer.write_all(plain).unwrap();
        sealer.finish().unwrap();
        path
    }

    /// A file with these bytes.
    pub(crate) fn with(&self, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join("with");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) async fn get(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let mut stream = self.store.get(name, range).await?;
        let mut all = Vec::new();
        while let Some(bytes) = stream.next().await {
            all.extend_from_slice(&bytes?);
        }
        Ok(all)
    }

    /// The object has just the file's bytes, by another way than the store's own comparing.
    pub(crate) async fn has(&self, name: &str, file: &Path) -> bool {
        let bytes = std::fs::read(file).unwrap();
        let head = self.store.head(name).await.unwrap().unwrap();
        head.bytes == bytes.len() as u64 && self.get(name, 0..head.bytes).await.unwrap() == bytes
    }

    /// Keys in the bucket, once for each version, and uploads begun and not ended.
    pub(crate) async fn left(&self) -> (Vec<String>, Vec<String>) {
        let versions = self.server.versions(&self.name).await.unwrap();
        (versions, self.server.uploads(&self.name).await.unwrap())
    }
}

pub(crate) fn settings(bucket: &str, endpoint: &str) -> Settings {
    Settings {
        endpoint: Some(endpoint.to_owned()),
        prefix: PREFIX.to_owned(),
        path_style: true,
        // raised to the least that S3 takes
        part_bytes: 0,
        patience: PATIENCE,
        access_key: Some(AccessKey {
            id: S3Server::ACCESS_KEY_ID.to_owned(),
            secret: S3Server::SECRET_ACCESS_KEY.to_owned().into(),
        }),
        ..Settings::new(bucket)
    }
}

/// Bytes that repeat nothing within any window, the same each time.
pub(crate) fn content(bytes: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut all = Vec::with_capacity(bytes + 8);
    while all.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.extend_from_slice(&state.to_le_bytes());
    }
    all.truncate(bytes);
    all
}
