use std::time::Duration;

use sidetone_service::clock;
use sidetone_testkit::{Fault, S3Server};
use sidetone_vault::{Put, StoreError};

use crate::support::{Bucket, PREFIX, content};

/// More than one part, the last one short.
const TWO_PARTS: usize = (5 << 20) + 100_000;

/// Puts meet a fault, which costs an attempt that is worth repeating and ends in time; when the
/// fault is over, the object is there, once.
async fn survives(fault: Fault, bytes: usize, within: Duration) -> Bucket {
    let bucket = Bucket::versioned().await;
    let file = bucket.file(bytes);
    bucket.proxy.set(fault);
    let began = clock::now();
    let put = bucket.store.put_file("a", &file).await;
    let took = began.elapsed();
    let error = put.expect_err("the fault had no effect");
    assert!(error.is_temporary(), "{fault:?}: {error}");
    let text = error.to_string();
    assert!(!text.contains(S3Server::SECRET_ACCESS_KEY), "{text}");
    assert!(!text.contains(S3Server::ACCESS_KEY_ID), "{text}");
    assert!(text.contains(&bucket.name), "{text}");
    assert!(took < within, "{fault:?} took {took:?}");
    bucket.proxy.set(Fault::Pass);
    bucket.store.put_file("a", &file).await.unwrap();
    assert!(bucket.has("a", &file).await);
    assert_eq!(bucket.left().await.0, [format!("{PREFIX}a")]);
    bucket
}

const SOON: Duration = Duration::from_millis(900);

#[tokio::test]
async fn a_server_that_refuses() {
    survives(Fault::Refuse, 60_000, SOON).await;
}

#[tokio::test]
async fn a_server_that_hangs() {
    survives(Fault::Hang, 60_000, Duration::from_secs(3)).await;
}

#[tokio::test]
async fn a_server_that_asks_to_slow_down_is_not_asked_again_at_once() {
    let bucket = Bucket::start().await;
    bucket.proxy.set(Fault::SlowDown);
    let put = bucket.store.put_bytes("a", content(60_000)).await;
    let error = put.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    assert!(error.to_string().contains("503 SlowDown"), "{error}");
    assert_eq!(bucket.proxy.traffic().requests_total(), 1);
    bucket.proxy.set(Fault::Pass);
    let put = bucket.store.put_bytes("a", content(60_000)).await;
    assert_eq!(put, Ok(Put::Stored));
}

#[tokio::test]
async fn a_line_of_a_kilobyte_a_second() {
    let drip = Fault::Drip {
        bytes_per_second: 1_000,
    };
    survives(drip, 60_000, Duration::from_secs(4)).await;
}

#[tokio::test]
async fn a_request_cut_in_the_middle_of_its_body() {
    let cut = Fault::CutRequest {
        after_bytes: 30_000,
    };
    survives(cut, 60_000, SOON).await;
}

#[tokio::test]
async fn a_large_upload_that_is_cut_leaves_nothing_behind_when_the_server_can_be_reached() {
    // the second part is shorter, so the first one alone is cut
    let cut = Fault::CutRequest {
        after_bytes: 2 << 20,
    };
    let bucket = survives(cut, TWO_PARTS, Duration::from_secs(30)).await;
    assert_eq!(bucket.left().await.1, [] as [String; 0]);
}

#[tokio::test]
async fn a_put_whose_answer_was_lost_is_found_to_be_the_same() {
    for bytes in [60_000, TWO_PARTS] {
        let bucket = Bucket::versioned().await;
        let file = bucket.file(bytes);
        if bytes == TWO_PARTS {
            // the first one begins the upload, the second one completes it
            bucket.proxy.set_after("POST", 1, Fault::LoseAnswer);
        } else {
            bucket.proxy.set_on("PUT", Fault::LoseAnswer);
        }
        let error = bucket.store.put_file("a", &file).await.unwrap_err();
        assert!(error.is_temporary(), "{error}");
        bucket.proxy.set(Fault::Pass);
        assert_eq!(bucket.store.put_file("a", &file).await, Ok(Put::Same));
        let left = bucket.left().await;
        assert_eq!(left, (vec![format!("{PREFIX}a")], vec![]));
    }
}

#[tokio::test]
async fn wrong_sums_of_what_was_stored_right_cost_a_comparison_and_no_bytes() {
    for fault in [Fault::WrongEtag, Fault::WrongChecksum, Fault::NoChecksum] {
        let bucket = Bucket::versioned().await;
        let file = bucket.file(60_000);
        bucket.proxy.set(fault);
        assert_eq!(bucket.store.put_file("a", &file).await, Ok(Put::Stored));
        // the server's word is good for nothing, so the object was read
        assert_eq!(bucket.proxy.traffic().response_body_bytes, 60_000);
        assert_eq!(bucket.store.put_file("a", &file).await, Ok(Put::Same));
        bucket.proxy.set(Fault::Pass);
        assert!(bucket.has("a", &file).await);
        assert_eq!(bucket.left().await.0.len(), 1);
    }
}

#[tokio::test]
async fn an_upload_in_parts_with_wrong_sums_is_given_up() {
    let bucket = survives(Fault::WrongEtag, TWO_PARTS, Duration::from_secs(30)).await;
    assert_eq!(bucket.left().await.1, [] as [String; 0]);
}

#[tokio::test]
async fn a_read_that_is_cut_hangs_or_drips_ends_with_an_error_in_time() {
    let bucket = Bucket::start().await;
    let bytes = content(600_000);
    bucket.store.put_bytes("a", bytes.clone()).await.unwrap();
    let drip = Fault::Drip {
        bytes_per_second: 1_000,
    };
    let cut = Fault::CutResponse {
        after_bytes: 300_000,
    };
    for fault in [Fault::Refuse, Fault::Hang, Fault::SlowDown, cut, drip] {
        bucket.proxy.set(fault);
        let began = clock::now();
        let error = bucket.get("a", 0..600_000).await.unwrap_err();
        assert!(error.is_temporary(), "{fault:?}: {error}");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(5), "{fault:?} took {took:?}");
    }
    bucket.proxy.set(Fault::Pass);
    assert_eq!(bucket.get("a", 0..600_000).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_slow_reader_is_not_taken_for_a_slow_server() {
    let bucket = Bucket::start().await;
    let bytes = content(8 << 20);
    let file = bucket.with(&bytes);
    bucket.store.put_file("a", &file).await.unwrap();
    let mut stream = bucket.store.get("a", 0..bytes.len() as u64).await.unwrap();
    let first = futures_util::StreamExt::next(&mut stream).await;
    let mut read = first.unwrap().unwrap().to_vec();
    // longer than the patience with the server
    tokio::time::sleep(Duration::from_secs(2)).await;
    while let Some(more) = futures_util::StreamExt::next(&mut stream).await {
        read.extend_from_slice(&more.unwrap());
    }
    assert!(read == bytes);
}

#[tokio::test]
async fn every_verb_ends_in_time_on_a_server_that_says_nothing() {
    let bucket = Bucket::start().await;
    bucket.proxy.set(Fault::Hang);
    let store = &bucket.store;
    let began = clock::now();
    let (head, list, erase, orphans, check) = tokio::join!(
        store.head("a"),
        store.list("", None),
        store.erase("a"),
        store.abort_orphans("", Duration::ZERO),
        store.check(),
    );
    let errors: [StoreError; 5] = [
        head.unwrap_err(),
        list.unwrap_err(),
        erase.unwrap_err(),
        orphans.unwrap_err(),
        check.unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_temporary(), "{error}");
        assert!(error.to_string().contains("no answer within"), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(3));
}
