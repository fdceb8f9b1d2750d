//! In a process of its own, since others' memory would be counted with it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use std::time::Duration;

use sidetone_testkit::{FaultProxy, S3Server};
use sidetone_vault::s3::{AccessKey, Settings};
use sidetone_vault::{Put, Store};

/// Parts are of the least size that S3 takes, 5 MiB.
const PARTS: u64 = 13;

/// More than that a large file may not add to what a small one took.
const RISE_MAX: u64 = 8 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_is_never_in_memory_as_a_whole() {
    let server = S3Server::start().await.unwrap();
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    let settings = Settings {
        endpoint: Some(proxy.url()),
        path_style: true,
        part_bytes: 0,
        access_key: Some(AccessKey {
            id: S3Server::ACCESS_KEY_ID.to_owned(),
            secret: S3Server::SECRET_ACCESS_KEY.to_owned().into(),
        }),
        ..Settings::new(&server.bucket().await.unwrap())
    };
    let store = Store::s3(settings).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let make = |bytes| {
        std::fs::File::create(&file)
            .unwrap()
            .set_len(bytes)
            .unwrap();
    };
    make(6 << 20);
    store.put_file("small", &file).await.unwrap();
    proxy.forget();
    make(64 << 20);
    let before = resident_bytes();
    let put = tokio::spawn(async move { store.put_file("large", &file).await });
    let mut most = before;
    while !put.is_finished() {
        most = most.max(resident_bytes());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(put.await.unwrap(), Ok(Put::Stored));
    assert_eq!(proxy.traffic().requests("PUT"), PARTS);
    let rise = most.saturating_sub(before);
    assert!(rise < RISE_MAX, "{rise} bytes more");
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
