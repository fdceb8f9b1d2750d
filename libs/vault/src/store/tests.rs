use std::io::Write as _;

use futures_util::TryStreamExt as _;

use super::*;
use crate::chunked::{CHUNK_BYTES, Sealer, TAG_BYTES};

fn sound(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

async fn stored(plain: &[u8], key: &DataKey) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::local(folder.path()).unwrap();
    let mut sealer = Sealer::new(Vec::new(), key).unwrap();
    sealer.write_all(plain).unwrap();
    let (bytes, _) = sealer.finish().unwrap();
    store.put_bytes("a.enc", bytes).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn an_encrypted_object_is_read_whole_and_from_the_middle() {
    let key = DataKey::fixed(1);
    let chunk = CHUNK_BYTES as u64;
    for size in [0, 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 17] {
        let plain = sound(size);
        let (_folder, store) = stored(&plain, &key).await;
        let object = store.open("a.enc", &key).await.unwrap();
        assert_eq!((object.len(), object.is_empty()), (size as u64, size == 0));
        assert_eq!(object.read_whole().await.unwrap(), plain);
        for range in [
            0..1,
            0..chunk,
            chunk - 1..chunk + 1,
            70_000..140_000,
            5..5,
            9..u64::MAX,
        ] {
            let read = object.read(range.clone()).await.unwrap();
            let read: Vec<Bytes> = read.try_collect().await.unwrap();
            let from = (range.start as usize).min(size);
            let to = usize::try_from(range.end).unwrap().clamp(from, size);
            assert_eq!(read.concat(), &plain[from..to], "{range:?} of {size}");
        }
    }
}

#[tokio::test]
async fn an_object_of_before_encryption_is_read_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::local(folder.path()).unwrap();
    store.put_bytes("a.ogg", sound(200_000)).await.unwrap();
    let object = store.open_plain("a.ogg").await.unwrap();
    assert_eq!(object.len(), 200_000);
    let read = object.read(100_000..u64::MAX).await.unwrap();
    let read: Vec<Bytes> = read.try_collect().await.unwrap();
    assert_eq!(read.concat(), &sound(200_000)[100_000..]);
}

#[tokio::test]
async fn another_key_opens_nothing_and_damage_ends_the_reading() {
    let key = DataKey::fixed(1);
    let plain = sound(3 * CHUNK_BYTES);
    let (folder, store) = stored(&plain, &key).await;
    let other = store.open("a.enc", &DataKey::fixed(2)).await.unwrap();
    assert!(matches!(
        other.read_whole().await,
        Err(StoreError::Damaged(_))
    ));

    let path = folder.path().join("a.enc");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[HEADER_BYTES + CHUNK_BYTES + TAG_BYTES + 100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let object = store.open("a.enc", &key).await.unwrap();
    let mut read = object.read(0..object.len()).await.unwrap();
    let first = read.next().await.unwrap().unwrap();
    assert_eq!(first, plain[..CHUNK_BYTES]);
    assert!(matches!(
        read.next().await,
        Some(Err(StoreError::Damaged(_)))
    ));
    assert!(read.next().await.is_none());

    std::fs::write(&path, b"OggS").unwrap();
    assert!(matches!(
        store.open("a.enc", &key).await,
        Err(StoreError::Damaged(_))
    ));
    assert!(matches!(
        store.open("b.enc", &key).await,
        Err(StoreError::NotFound)
    ));
}

#[tokio::test]
async fn a_stream_of_another_length_than_asked_for_is_an_error() {
    let bytes = |parts: Vec<&'static [u8]>| {
        let parts = parts.into_iter().map(|part| Ok(Bytes::from_static(part)));
        stream::iter(parts.collect::<Vec<_>>()).boxed()
    };
    assert_eq!(
        collect(exactly(bytes(vec![b"ab", b"c"]), 3)).await.unwrap(),
        b"abc"
    );
    for wrong in [2, 4] {
        let read = collect(exactly(bytes(vec![b"ab", b"c"]), wrong)).await;
        assert!(read.is_err_and(|error| error.is_temporary()));
    }
}
