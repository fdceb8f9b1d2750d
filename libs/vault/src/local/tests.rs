use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use futures_util::TryStreamExt as _;

use super::*;
use crate::Store;

struct Place {
    folder: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::local(&folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("store").join(name)
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let file = self.folder.path().join("source");
        std::fs::write(&file, bytes).unwrap();
        file
    }

    async fn names(&self, prefix: &str, after: Option<&str>) -> Vec<String> {
        let listed = self.store.list(prefix, after).await.unwrap();
        listed.into_iter().map(|listed| listed.name).collect()
    }
}

#[tokio::test]
async fn an_object_is_there_once_it_was_put_and_gone_once_it_was_erased() {
    let place = Place::new();
    let name = "objects/acme/2026/11/a.enc";
    assert_eq!(place.store.head(name).await.unwrap(), None);
    let file = place.file(b"sound");
    assert_eq!(
        place.store.put_file(name, &file).await.unwrap(),
        Put::Stored
    );
    assert_eq!(
        place.store.head(name).await.unwrap(),
        Some(Head { bytes: 5 })
    );
    let read = place.store.get(name, 1..4).await.unwrap();
    let read: Vec<Bytes> = read.try_collect().await.unwrap();
    assert_eq!(read.concat(), b"oun");
    // what lies in the spool may go
    std::fs::remove_file(&file).unwrap();
    assert_eq!(
        place.store.head(name).await.unwrap(),
        Some(Head { bytes: 5 })
    );
    place.store.erase(name).await.unwrap();
    assert_eq!(place.store.head(name).await.unwrap(), None);
    place.store.erase(name).await.unwrap();
    let gone = place.store.get(name, 0..1).await;
    assert!(matches!(gone, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn an_object_is_never_overwritten_and_the_same_one_may_come_again() {
    let place = Place::new();
    let (first, other) = (b"first".to_vec(), b"other".to_vec());
    let put = async |bytes: &Vec<u8>| place.store.put_bytes("a/b", bytes.clone()).await;
    assert_eq!(put(&first).await, Ok(Put::Stored));
    assert_eq!(put(&first).await, Ok(Put::Same));
    assert_eq!(put(&other).await, Err(StoreError::Exists));
    assert_eq!(
        put(&b"first but longer".to_vec()).await,
        Err(StoreError::Exists)
    );
    let file = place.file(b"first");
    assert_eq!(place.store.put_file("a/b", &file).await, Ok(Put::Same));
    let file = place.file(b"other");
    assert_eq!(
        place.store.put_file("a/b", &file).await,
        Err(StoreError::Exists)
    );
    assert_eq!(std::fs::read(place.path("a/b")).unwrap(), b"first");
    assert_eq!(std::fs::read_dir(place.path("a")).unwrap().count(), 1);
}

#[tokio::test]
async fn of_many_puts_of_one_name_one_wins() {
    let place = Place::new();
    let puts: Vec<_> = (0..16u8)
        .map(|n| {
            let store = place.store.clone();
            tokio::spawn(async move { store.put_bytes("a/b", vec![n; 100_000]).await })
        })
        .collect();
    let mut stored = 0;
    for put in puts {
        match put.await.unwrap() {
            Ok(put) => stored += u32::from(put == Put::Stored),
            Err(error) => assert_eq!(error, StoreError::Exists),
        }
    }
    assert_eq!(stored, 1);
    let bytes = std::fs::read(place.path("a/b")).unwrap();
    assert!(bytes.len() == 100_000 && bytes.iter().all(|byte| *byte == bytes[0]));
}

#[tokio::test]
async fn a_put_that_was_cut_off_leaves_nothing_under_the_name() {
    struct Cut(u8);
    impl Read for Cut {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(ErrorKind::StorageFull)?;
            buffer[0] = b'x';
            Ok(1)
        }
    }
    let place = Place::new();
    let path = place.path("a/b");
    let cut = put(&path, &mut Cut(3), || Ok(&b""[..]));
    assert!(matches!(cut, Err(error) if error.is_temporary()));
    assert_eq!(std::fs::read_dir(place.path("a")).unwrap().count(), 0);

    // a crash leaves the temporary file; it is no object, and goes with the orphans
    std::fs::write(temporary_of(&path).unwrap(), b"half").unwrap();
    assert!(place.names("", None).await.is_empty());
    let orphans = async |secs| {
        let age = Duration::from_secs(secs);
        place.store.abort_orphans("a/", age).await
    };
    assert_eq!(orphans(3_600).await, Ok(0));
    place
        .store
        .put_bytes("a/b", b"whole".to_vec())
        .await
        .unwrap();
    assert_eq!(orphans(0).await, Ok(1));
    assert_eq!(place.names("", None).await, ["a/b"]);
}

#[tokio::test]
async fn nothing_outside_of_the_folder_is_read_written_or_erased() {
    let place = Place::new();
    let secret = place.folder.path().join("secret");
    std::fs::write(&secret, b"secret").unwrap();
    std::fs::create_dir_all(place.path("a")).unwrap();
    symlink(&secret, place.path("a/link")).unwrap();
    let absolute = secret.to_str().unwrap();
    for name in [
        "../secret",
        "a/../../secret",
        absolute,
        "a/./b",
        "a//b",
        "",
        "a/",
        ".hidden",
    ] {
        let refused = |error| matches!(error, StoreError::Refused(_));
        assert!(place.store.head(name).await.is_err_and(refused), "{name}");
        let put = place.store.put_bytes(name, vec![1]).await;
        assert!(put.is_err_and(refused), "{name}");
        assert!(place.store.erase(name).await.is_err_and(refused), "{name}");
    }
    assert_eq!(place.store.head("a/link").await.unwrap(), None);
    assert_eq!(place.store.head("a").await.unwrap(), None);
    assert!(
        place
            .store
            .put_bytes("a/link", b"mine".to_vec())
            .await
            .is_err()
    );
    assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
    let long = "x".repeat(300);
    assert!(place.store.put_bytes(&long, vec![1]).await.is_err());
}

#[tokio::test]
async fn only_the_owner_may_read() {
    let place = Place::new();
    place.store.put_bytes("objects/b", vec![1]).await.unwrap();
    let mode = |name| {
        std::fs::metadata(place.path(name))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("objects/b") & 0o777, 0o600);
    assert_eq!(mode("objects") & 0o777, 0o700);
    assert_eq!(mode("") & 0o777, 0o700);
    let spooled = place.file(&[2]);
    std::fs::set_permissions(&spooled, std::fs::Permissions::from_mode(0o600)).unwrap();
    place.store.put_file("objects/c", &spooled).await.unwrap();
    assert_eq!(mode("objects/c") & 0o777, 0o600);
    // on one file system it is the same file: no byte is written twice
    let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
    assert_eq!(inode(&spooled), inode(&place.path("objects/c")));
    // a file that others may read is not taken as it is
    let open = place.file(&[3]);
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    place.store.put_file("objects/d", &open).await.unwrap();
    assert_eq!(mode("objects/d") & 0o777, 0o600);
}

#[tokio::test]
async fn a_listing_has_the_order_of_the_names_bytes_and_goes_on_where_it_ended() {
    let place = Place::new();
    // '-' and '.' come before '/', '0' behind it
    let mut names = vec!["a-b/x", "a.json", "a/x", "a/y/z", "a0", "b/c", "b/d"];
    names.sort_unstable();
    for name in &names {
        place
            .store
            .put_bytes(name, vec![0; name.len()])
            .await
            .unwrap();
    }
    assert_eq!(place.names("", None).await, names);
    for (at, after) in names.iter().enumerate() {
        assert_eq!(
            place.names("", Some(after)).await,
            names[at + 1..],
            "{after}"
        );
    }
    assert_eq!(place.names("a/", None).await, ["a/x", "a/y/z"]);
    assert_eq!(place.names("a", Some("a/x")).await, ["a/y/z", "a0"]);
    assert_eq!(place.names("b/d", None).await, ["b/d"]);
    assert!(place.names("c", None).await.is_empty());
    let listed = place.store.list("b/d", None).await.unwrap();
    assert_eq!(listed[0].bytes, 3);
}

#[tokio::test]
async fn a_listing_gives_a_thousand_names_at_a_time() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("m")).unwrap();
    for n in 0..2_500 {
        std::fs::write(place.path(&format!("m/{n:05}")), b"").unwrap();
    }
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = place.names("m/", after.as_deref()).await;
        assert!(page.len() <= LIST_MAX);
        all.extend(page.iter().cloned());
        match page.last() {
            Some(last) if page.len() == LIST_MAX => after = Some(last.clone()),
            Some(_) | None => break,
        }
    }
    assert_eq!(all.len(), 2_500);
    assert!(all.is_sorted());
}

#[tokio::test]
async fn a_file_shorter_than_was_asked_for_is_damage() {
    let place = Place::new();
    place.store.put_bytes("a", vec![1; 10]).await.unwrap();
    let read = place.store.get("a", 5..11).await;
    assert!(matches!(read, Err(StoreError::Damaged(_))));
}
