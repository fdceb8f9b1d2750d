use std::time::Duration;

use sidetone_vault::s3::Sse;
use sidetone_vault::{DataKey, Put, Store, StoreError};

use crate::support::{Bucket, PREFIX, content, settings};

/// More than one part, the last one short.
const TWO_PARTS: usize = (5 << 20) + 100_000;

#[tokio::test]
async fn what_was_put_is_there_under_the_prefix_and_reads_back_in_ranges() {
    let bucket = Bucket::start().await;
    let file = bucket.file(100_000);
    assert_eq!(
        bucket.store.put_file("a/b.enc", &file).await,
        Ok(Put::Stored)
    );
    assert!(bucket.has("a/b.enc", &file).await);
    assert_eq!(bucket.left().await.0, [format!("{PREFIX}a/b.enc")]);
    let bytes = content(100_000);
    for range in [0..1, 99_999..100_000, 500..70_000] {
        let read = bucket.get("a/b.enc", range.clone()).await.unwrap();
        assert_eq!(read, bytes[range.start as usize..range.end as usize]);
    }
    assert!(bucket.get("a/b.enc", 7..7).await.unwrap().is_empty());
    let empty = bucket.file(0);
    assert_eq!(
        bucket.store.put_file("empty", &empty).await,
        Ok(Put::Stored)
    );
    assert!(bucket.has("empty", &empty).await);
}

#[tokio::test]
async fn a_range_beyond_the_end_is_damage_and_a_name_that_is_not_there_is_not_found() {
    let bucket = Bucket::start().await;
    bucket.store.put_bytes("a", content(1_000)).await.unwrap();
    for range in [900..1_100, 2_000..2_100] {
        let read = bucket.get("a", range).await;
        assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
    }
    assert_eq!(bucket.store.head("b").await, Ok(None));
    assert_eq!(bucket.get("b", 0..1).await, Err(StoreError::NotFound));
}

#[tokio::test]
async fn nothing_is_overwritten_and_the_same_again_is_no_fault() {
    let bucket = Bucket::versioned().await;
    let (one, other) = (content(2_000), content(2_001));
    let put = |bytes: &[u8]| bucket.store.put_bytes("a", bytes.to_vec());
    assert_eq!(put(&one).await, Ok(Put::Stored));
    assert_eq!(put(&one).await, Ok(Put::Same));
    assert_eq!(put(&other).await, Err(StoreError::Exists));
    let mut flipped = one.clone();
    flipped[1_000] ^= 1;
    assert_eq!(put(&flipped).await, Err(StoreError::Exists));
    assert_eq!(bucket.get("a", 0..2_000).await.unwrap(), one);
    assert_eq!(bucket.left().await.0.len(), 1);
}

#[tokio::test]
async fn a_large_file_goes_in_parts_and_is_compared_as_a_whole() {
    let bucket = Bucket::versioned().await;
    let file = bucket.file(TWO_PARTS);
    assert_eq!(bucket.store.put_file("a", &file).await, Ok(Put::Stored));
    assert_eq!(bucket.proxy.traffic().requests("PUT"), 2);
    assert!(bucket.has("a", &file).await);
    bucket.proxy.forget();
    assert_eq!(bucket.store.put_file("a", &file).await, Ok(Put::Same));
    let traffic = bucket.proxy.traffic();
    assert_eq!(traffic.requests_total(), traffic.requests("HEAD"));
    let mut flipped = content(TWO_PARTS);
    flipped[TWO_PARTS - 1] ^= 1;
    let flipped = bucket.with(&flipped);
    let put = bucket.store.put_file("a", &flipped).await;
    assert_eq!(put, Err(StoreError::Exists));
    assert_eq!(bucket.left().await, (vec![format!("{PREFIX}a")], vec![]));
}

#[tokio::test]
async fn an_object_put_by_a_tool_without_sums_is_compared_byte_by_byte() {
    let bucket = Bucket::start().await;
    let (name, key) = (&bucket.name, format!("{PREFIX}a"));
    bucket.server.put(name, &key, "abc").await.unwrap();
    bucket.proxy.set(sidetone_testkit::Fault::NoChecksum);
    let put = |text: &str| bucket.store.put_bytes("a", text.into());
    assert_eq!(put("abc").await, Ok(Put::Same));
    assert_eq!(put("abd").await, Err(StoreError::Exists));
    assert_eq!(bucket.proxy.traffic().requests("GET"), 2);
}

#[tokio::test]
async fn erasing_takes_every_version_and_mark_and_nobody_elses() {
    for bucket in [Bucket::versioned().await, Bucket::start().await] {
        let name = &bucket.name;
        for (key, text) in [
            ("a", "1"),
            ("a", "2"),
            ("a", "3"),
            ("ab", "4"),
            ("a/b", "5"),
        ] {
            let key = format!("{PREFIX}{key}");
            bucket.server.put(name, &key, text).await.unwrap();
        }
        bucket.store.erase("a").await.unwrap();
        let mut left = bucket.left().await.0;
        left.sort();
        assert_eq!(left, [format!("{PREFIX}a/b"), format!("{PREFIX}ab")]);
        // once more, and what never was
        bucket.store.erase("a").await.unwrap();
        bucket.store.erase("never").await.unwrap();
        assert_eq!(bucket.store.head("a").await, Ok(None));
    }
}

#[tokio::test]
async fn a_listing_has_names_sizes_and_times_of_what_is_below_the_prefix() {
    let bucket = Bucket::start().await;
    let name = &bucket.name;
    bucket.server.put(name, "elsewhere", "x").await.unwrap();
    for object in ["a/2", "a/10", "a/1", "b/1"] {
        let put = bucket.store.put_bytes(object, content(object.len())).await;
        assert_eq!(put, Ok(Put::Stored));
    }
    let listed = bucket.store.list("a/", None).await.unwrap();
    let seen = listed.iter().map(|l| (l.name.as_str(), l.bytes));
    assert_eq!(
        seen.collect::<Vec<_>>(),
        [("a/1", 3), ("a/10", 4), ("a/2", 3)]
    );
    assert!(listed[0].modified.unix_ms() > 1_700_000_000_000);
    let later = bucket.store.list("", Some("a/10")).await.unwrap();
    let seen = later.iter().map(|l| l.name.as_str());
    assert_eq!(seen.collect::<Vec<_>>(), ["a/2", "b/1"]);
    assert_eq!(bucket.store.list("c", None).await, Ok(vec![]));
}

#[tokio::test]
async fn uploads_that_nobody_ended_are_given_up_when_they_are_old() {
    let bucket = Bucket::start().await;
    let file = bucket.file(TWO_PARTS);
    // the process is gone in the middle of the second part
    bucket.proxy.set_on("PUT", sidetone_testkit::Fault::Hang);
    let cut = bucket.store.put_file("objects/a", &file);
    assert!(
        tokio::time::timeout(Duration::from_millis(500), cut)
            .await
            .is_err()
    );
    bucket.proxy.set(sidetone_testkit::Fault::Pass);
    assert_eq!(bucket.left().await.1, [format!("{PREFIX}objects/a")]);
    let orphans = async |folder, age| bucket.store.abort_orphans(folder, age).await;
    let hundred_years = Duration::from_hours(876_000);
    assert_eq!(orphans("objects/", hundred_years).await, Ok(0));
    assert_eq!(bucket.left().await.1.len(), 1);
    let hour = Duration::from_hours(1);
    assert_eq!(orphans("others/", hour).await, Ok(0));
    assert_eq!(orphans("objects/", hour).await, Ok(1));
    assert_eq!(bucket.left().await.1.len(), 0);
    assert_eq!(orphans("objects/", hour).await, Ok(0));
    assert_eq!(bucket.store.put_file("a", &file).await, Ok(Put::Stored));
}

#[tokio::test]
async fn a_range_of_an_encrypted_object_costs_only_the_chunks_it_touches() {
    let bucket = Bucket::start().await;
    let key = DataKey::generate().unwrap();
    let plain = content(3_000_000);
    let file = bucket.encrypted(&key, &plain);
    bucket.store.put_file("a.enc", &file).await.unwrap();
    let object = bucket.store.open("a.enc", &key).await.unwrap();
    assert_eq!(object.len(), 3_000_000);
    bucket.proxy.forget();
    let mut stream = object.read(1_000_000..1_000_100).await.unwrap();
    let mut read = Vec::new();
    while let Some(bytes) = futures_util::StreamExt::next(&mut stream).await {
        read.extend_from_slice(&bytes.unwrap());
    }
    assert_eq!(read, plain[1_000_000..1_000_100]);
    let traffic = bucket.proxy.traffic();
    assert_eq!(traffic.requests_total(), 1);
    // one chunk and its tag
    let chunk = sidetone_vault::chunked::CHUNK_BYTES as u64 + 16;
    assert_eq!(traffic.response_body_bytes, chunk);
}

#[tokio::test]
async fn encryption_by_the_server_is_asked_for() {
    let bucket = Bucket::start().await;
    for sse in [
        Sse::Aes256,
        Sse::Kms(None),
        Sse::Kms(Some("key".to_owned())),
    ] {
        let settings = sidetone_vault::s3::Settings {
            sse: Some(sse.clone()),
            ..settings(&bucket.name, &bucket.proxy.url())
        };
        let store = Store::s3(settings).await.unwrap();
        let name = format!("{sse:?}").replace(|c: char| !c.is_ascii_alphanumeric(), "");
        for (size, name) in [
            (1_000, format!("one-{name}")),
            (TWO_PARTS, format!("two-{name}")),
        ] {
            let file = bucket.file(size);
            assert_eq!(store.put_file(&name, &file).await, Ok(Put::Stored));
            let key = format!("{PREFIX}{name}");
            let said = bucket.server.head(&bucket.name, &key).await.unwrap();
            let said = said.to_ascii_lowercase();
            let wanted = match &sse {
                Sse::Aes256 => "x-amz-server-side-encryption: aes256",
                Sse::Kms(None) => "x-amz-server-side-encryption: aws:kms",
                Sse::Kms(Some(_)) => "x-amz-server-side-encryption-aws-kms-key-id: key",
            };
            assert!(said.contains(wanted), "{said}");
        }
    }
}

#[tokio::test]
async fn a_bucket_is_checked_before_it_is_used() {
    let bucket = Bucket::start().await;
    assert_eq!(bucket.store.check().await, Ok(()));
    let other = settings("no-such-bucket", &bucket.proxy.url());
    let other = Store::s3(other).await.unwrap().check().await;
    let Err(StoreError::Refused(text)) = other else {
        panic!("{other:?}");
    };
    assert!(
        text.contains("no-such-bucket") && text.contains("S3_BUCKET"),
        "{text}"
    );
    bucket.proxy.set(sidetone_testkit::Fault::Refuse);
    let away = bucket.store.check().await.unwrap_err();
    assert!(away.is_temporary(), "{away}");
}

#[tokio::test]
async fn a_server_that_knows_no_conditions_is_asked_first_and_overwrites_nothing() {
    let bucket = Bucket::versioned().await;
    bucket.proxy.set(sidetone_testkit::Fault::Unconditional);
    let put = |name: &'static str, n| bucket.store.put_bytes(name, content(n));
    // all of them learn it at the same time
    let first = tokio::join!(put("a", 1_000), put("b", 1_000), put("c", 1_000));
    assert_eq!(first, (Ok(Put::Stored), Ok(Put::Stored), Ok(Put::Stored)));
    assert_eq!(put("a", 1_000).await, Ok(Put::Same));
    assert_eq!(put("a", 1_001).await, Err(StoreError::Exists));
    // it is told of no condition again
    bucket.proxy.forget();
    assert_eq!(put("d", 1_000).await, Ok(Put::Stored));
    let traffic = bucket.proxy.traffic();
    assert_eq!((traffic.requests("HEAD"), traffic.requests("PUT")), (1, 1));
    assert_eq!(bucket.left().await.0.len(), 4);
}

#[tokio::test]
async fn a_server_that_knows_no_conditions_may_learn_so_from_an_upload_in_parts() {
    let bucket = Bucket::versioned().await;
    bucket.proxy.set(sidetone_testkit::Fault::Unconditional);
    let file = bucket.file(TWO_PARTS);
    assert_eq!(bucket.store.put_file("a", &file).await, Ok(Put::Stored));
    assert!(bucket.has("a", &file).await);
    assert_eq!(bucket.store.put_file("a", &file).await, Ok(Put::Same));
    assert_eq!(bucket.left().await, (vec![format!("{PREFIX}a")], vec![]));
}
