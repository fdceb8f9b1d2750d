use proptest::prelude::*;

use super::*;
use crate::disk::Local;

fn keyring() -> Keyring {
    Keyring::from_base64(&STANDARD.encode([7; 32]).into()).unwrap()
}

fn new_keys() -> Keys {
    let recording = RecordingId(sidetone_service::clock::new_id());
    Keys::new(&keyring(), "acme", recording).unwrap()
}

/// A segment of these batches, numbered from `first`, and where each ends.
fn segment(keys: &Keys, segment: u32, first: u32, bodies: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = SpoolFile::create(&Local, folder.path(), keys, segment).unwrap();
    let path = path_of(folder.path(), keys.recording, segment);
    let mut ends = Vec::new();
    for (number, body) in (first..).zip(bodies) {
        spool.append(&Local, number, body, &mut Vec::new()).unwrap();
        ends.push(path.metadata().unwrap().len() as usize);
    }
    (std::fs::read(path).unwrap(), ends)
}

fn whole(bodies: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
    segment(&new_keys(), 0, 0, bodies)
}

/// Bodies, numbers behind a hole, how it ended.
type Found = (Vec<Vec<u8>>, Vec<u32>, Tail);

/// What of the segments can be read: bodies, numbers behind a hole, how it ended.
fn read(segments: &[&[u8]]) -> Result<Found, SpoolError> {
    let mut batches = Batches::read(segments.to_vec(), &keyring())?;
    let (mut bodies, mut holes) = (Vec::new(), Vec::new());
    while let Some(batch) = batches.next().unwrap() {
        bodies.push(batch.body.to_vec());
        if batch.behind_hole {
            holes.push(batch.number);
        }
    }
    Ok((bodies, holes, batches.tail()))
}

#[test]
fn batches_come_back_with_the_takes_key() {
    let keys = new_keys();
    let (bytes, _) = segment(&keys, 0, 0, &[b"start", b"", b"second"]);
    let (bodies, holes, tail) = read(&[&bytes]).unwrap();
    assert_eq!(bodies, [&b"start"[..], b"", b"second"]);
    assert_eq!((holes, tail), (vec![], Tail::Whole));
    let batches = Batches::read(vec![bytes.as_slice()], &keyring()).unwrap();
    assert_eq!(batches.wrapped(), &keys.wrapped);
    let other = Keyring::from_base64(&STANDARD.encode([8; 32]).into()).unwrap();
    let refused = Batches::read(vec![bytes.as_slice()], &other).map(|_| ());
    assert!(matches!(
        refused,
        Err(SpoolError::Key(KeyError::OtherMaster { .. }))
    ));
}

#[test]
fn a_file_cut_anywhere_gives_the_batches_before_the_cut() {
    let (bytes, ends) = whole(&[b"start", b"first", b"second"]);
    for cut in 0..bytes.len() {
        match read(&[&bytes[..cut]]) {
            Ok((bodies, holes, tail)) => {
                assert_eq!(bodies.len(), ends.iter().filter(|&&end| end <= cut).count());
                assert!(holes.is_empty() && tail != Tail::Damaged, "cut at {cut}");
                assert_eq!(
                    tail == Tail::Whole,
                    ends.contains(&cut) || bodies.is_empty() && tail == Tail::Whole
                );
            }
            Err(error) => assert!(matches!(error, SpoolError::Empty) && cut < ends[0], "{cut}"),
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_costs_at_most_its_batch_and_those_not_yet_synced() {
    let long = [3; 100];
    let bodies: Vec<&[u8]> = [&b"start"[..], b"first", &long, b"third", b"4", b"5", b"6"].to_vec();
    let (bytes, ends) = whole(&bodies);
    let head = ends[0] - (FRAME_BYTES + b"start".len() + TAG_BYTES);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok((read, holes, tail)) = read(&[&flipped]) else {
            assert!(bit / 8 < head, "bit {bit}");
            continue;
        };
        if bit / 8 < head {
            assert_eq!(read, Vec::<Vec<u8>>::new(), "bit {bit} of the header");
            continue;
        }
        let hit = ends.iter().position(|&end| bit / 8 < end).unwrap();
        let mut expected = bodies.clone();
        if hit + MAX_UNSYNCED_BATCHES + 1 < bodies.len() {
            expected.remove(hit);
            assert_eq!(
                (holes, tail),
                (vec![hit as u32 + 1], Tail::Whole),
                "bit {bit}"
            );
        } else {
            expected.truncate(hit);
            assert_eq!((holes, tail), (vec![], Tail::Torn), "bit {bit}");
        }
        assert_eq!(read, expected, "bit {bit}");
    }
}

#[test]
fn batches_that_changed_places_or_came_from_another_take_are_found() {
    let keys = new_keys();
    let (bytes, ends) = segment(&keys, 0, 0, &[b"start", b"first", b"other"]);
    let mut swapped = bytes.clone();
    let (first, second) = swapped[ends[0]..].split_at_mut(ends[1] - ends[0]);
    first.swap_with_slice(second);
    assert_eq!(read(&[&swapped]).unwrap().0.len(), 1);
    // the same take's other segment has a key of its own
    for other in [new_keys(), keys] {
        let (foreign, foreign_ends) = segment(&other, 1, 0, &[b"start", b"first", b"other"]);
        let mut spliced = bytes[..ends[0]].to_vec();
        spliced.extend_from_slice(&foreign[foreign_ends[0]..]);
        assert_eq!(read(&[&spliced]).unwrap().0, [b"start"]);
    }
}

#[test]
fn a_further_segment_begins_where_the_former_was_durable_and_nothing_comes_twice() {
    let keys = new_keys();
    let (first, ends) = segment(&keys, 0, 0, &[b"0", b"1", b"2", b"3"]);
    let (second, _) = segment(&keys, 1, 2, &[b"2", b"3", b"4"]);
    let (third, _) = segment(&keys, 2, 4, &[b"4", b"5"]);
    let all: Vec<Vec<u8>> = (0..6).map(|n: u32| n.to_string().into_bytes()).collect();
    for cut in ends[1]..=first.len() {
        let (bodies, holes, tail) = read(&[&first[..cut], &second, &third]).unwrap();
        assert_eq!((bodies, holes, tail), (all.clone(), vec![], Tail::Whole));
    }
    // what had been durable is missing
    let (bodies, holes, _) = read(&[&first[..ends[0]], &second, &third]).unwrap();
    assert_eq!((bodies.len(), holes), (5, vec![2]));
    // a segment of which nothing reached the disk
    let (bodies, holes, _) = read(&[&first[..ends[1]], b"", &[0; 300], &second]).unwrap();
    assert_eq!((bodies.len(), holes), (5, vec![]));
}

#[test]
fn damage_with_much_behind_it_is_not_taken_for_a_torn_tail() {
    let large = vec![7; MAX_BATCH_BYTES];
    let (mut bytes, ends) = whole(&[b"start", b"first", &large, &large, &large]);
    for end in &ends[1..] {
        bytes[end - 1] ^= 1;
    }
    let (bodies, _, tail) = read(&[&bytes]).unwrap();
    assert_eq!((bodies.len(), tail), (1, Tail::Damaged));
}

#[test]
fn another_file_and_one_of_the_former_format_are_told_apart() {
    let former = [FORMER_MAGIC.to_vec(), vec![1; 50]].concat();
    assert!(matches!(read(&[&former]), Err(SpoolError::Former)));
    let other = b"something else entirely".repeat(3);
    assert!(matches!(read(&[&other]), Err(SpoolError::Foreign)));
    assert!(matches!(read(&[&[0; 5_000]]), Err(SpoolError::Empty)));
    assert!(matches!(read(&[]), Err(SpoolError::Empty)));
}

#[test]
fn each_name_in_the_folder_is_known_for_what_it_is() {
    let id = RecordingId(sidetone_service::clock::new_id());
    let known = |rest: &str| {
        kind_of(&format!("{id}{rest}")).map(|(of, kind)| {
            assert_eq!(of, id);
            kind
        })
    };
    assert_eq!(known(".take"), Some(Kind::Take(0)));
    assert_eq!(known(".12.take"), Some(Kind::Take(12)));
    assert_eq!(known(".0.enc"), Some(Kind::Media));
    assert_eq!(known(".sealed"), Some(Kind::Sealed));
    assert_eq!(known(".damaged"), Some(Kind::Damaged));
    assert_eq!(known(".3.damaged"), Some(Kind::Damaged));
    assert_eq!(known(".x.take"), None);
    for name in ["identity", ".lock", "x.take", ".take"] {
        assert_eq!(kind_of(name), None);
    }
    assert!(is_foreign("x.take") && !is_foreign(&format!("{id}.take")));
    let folder = Path::new("/spool");
    assert_eq!(path_of(folder, id, 0), folder.join(format!("{id}.take")));
    assert_eq!(path_of(folder, id, 7), folder.join(format!("{id}.7.take")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), at in 0usize..600) {
        let (mut spool, _) = whole(&[b"start", b"first", b"second"]);
        let at = at.min(spool.len());
        spool.splice(at.., bytes.iter().copied());
        if let Ok((bodies, ..)) = read(&[&spool]) {
            prop_assert!(bodies.len() <= 3);
        }
    }
}
