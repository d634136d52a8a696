//! The store on a disk that fails, or is cut off, at each of its steps.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use flux_archive::File;
use rustix::io::Errno;
use tempfile::TempDir;

use crate::disk::faulty::{Fault, FaultyDisk};
use crate::{Adopted, Content, OpenError, Place, PutError, Store, StoreOptions, Stored};

fn place() -> Place {
    Place::new("Http", "apps", "web").expect("a place")
}

fn options(folder: &Path) -> StoreOptions {
    StoreOptions {
        reserve: 0,
        ..StoreOptions::new(folder, "files", &["Http"])
    }
}

fn open(folder: &Path) -> Store {
    Store::open(options(folder)).expect("an empty volume").0
}

fn open_faulty(folder: &Path) -> (Store, FaultyDisk) {
    let disk = FaultyDisk::new();
    let opened = Store::open_on(options(folder), Box::new(disk.clone()));
    (opened.expect("a volume").0, disk)
}

fn put(store: &Store, text: &str) -> Result<Stored, PutError> {
    let file = File {
        path: "app.yaml",
        content: text.as_bytes(),
        executable: false,
    };
    store.put(&place(), &Content::Files(vec![file]))
}

/// Stores and says so.
fn publish(store: &Store, text: &str) -> Stored {
    let stored = put(store, text).expect("room");
    store.publish(&place(), &stored.file);
    stored
}

fn is_here(store: &Store, stored: &Stored) -> bool {
    matches!(store.adopt(&place(), &stored.url), Adopted::Here(here) if here.digest == stored.digest)
}

fn temporary(folder: &Path) -> usize {
    fs::read_dir(folder.join(".tmp")).expect("a folder").count()
}

#[test]
fn a_kill_at_any_step_leaves_nothing_half_stored() {
    let mut after = 0;
    loop {
        let folder = TempDir::new().expect("a folder");
        let old = publish(&open(folder.path()), "old");
        let (store, disk) = open_faulty(folder.path());
        assert!(is_here(&store, &old));
        disk.fault(after, Fault::Killed);
        let before = disk.steps();
        let new = put(&store, "new").ok();
        if let Some(new) = &new {
            store.publish(&place(), &new.file);
        }
        let done = disk.steps() - before <= after;
        drop(store);

        let store = open(folder.path());
        assert_eq!(temporary(folder.path()), 0, "after step {after}");
        // The API server knows of the new one only if it was stored.
        let advertised = new.as_ref().unwrap_or(&old);
        assert!(is_here(&store, advertised), "after step {after}");
        assert_eq!(
            store.current(&place()).expect("a current one").digest,
            advertised.digest
        );
        while store.scrub_one().is_some() {}
        assert!(
            is_here(&store, advertised),
            "after step {after} a file is corrupt"
        );
        let again = publish(&store, "new");
        assert!(new.is_none_or(|new| new.digest == again.digest && !again.is_new));
        assert!(is_here(&store, &again));
        if done {
            break;
        }
        after += 1;
    }
    assert!(after > 15, "only {after} steps were tried");
}

#[test]
fn no_room_at_any_step_keeps_what_was_there() {
    for after in 0..12 {
        let folder = TempDir::new().expect("a folder");
        let (store, disk) = open_faulty(folder.path());
        let old = publish(&store, "old");
        disk.fault(after, Fault::FailsFrom(Errno::NOSPC));
        let error = put(&store, "new").expect_err("no room");
        assert!(matches!(error, PutError::Full { .. }), "{after}: {error}");
        assert!(error.to_string().starts_with("disk full: "), "{error}");
        assert!(is_here(&store, &old));
        let steps = disk.steps();
        assert!(put(&store, "newer").is_err(), "nobody tries again at once");
        assert_eq!(disk.steps(), steps);
        assert!(!store.is_broken());
    }
}

#[test]
fn room_is_made_once() {
    for after in 0..12 {
        let folder = TempDir::new().expect("a folder");
        let disk = FaultyDisk::new();
        let options = StoreOptions {
            grace: Duration::ZERO,
            ..options(folder.path())
        };
        let (store, _) = Store::open_on(options, Box::new(disk.clone())).expect("a volume");
        let (oldest, old) = (publish(&store, "oldest"), publish(&store, "old"));
        disk.fault(after, Fault::Fails(Errno::DQUOT));
        let new = put(&store, "new");
        assert!(new.is_ok(), "{after}: {new:?}");
        assert!(is_here(&store, &old));
        let path = folder.path().join("http/apps/web").join(&oldest.file);
        assert!(!path.exists(), "its room was needed");
        assert_eq!(temporary(folder.path()), 0, "{after}");
    }
}

#[test]
fn a_disk_that_does_not_work_is_told() {
    for errno in [Errno::IO, Errno::ROFS] {
        let folder = TempDir::new().expect("a folder");
        let (store, disk) = open_faulty(folder.path());
        let old = publish(&store, "old");
        disk.fault(2, Fault::FailsFrom(errno));
        assert!(matches!(put(&store, "new"), Err(PutError::Io { .. })));
        assert!(store.is_broken());
        assert!(is_here(&store, &old), "reading goes on");
    }
}

#[test]
fn what_is_there_is_neither_written_nor_forgotten() {
    let folder = TempDir::new().expect("a folder");
    let stored = publish(&open(folder.path()), "text");
    let (store, disk) = open_faulty(folder.path());
    assert!(is_here(&store, &stored));
    let again = put(&store, "text").expect("it is there");
    assert_eq!(
        (again.is_new, &again.url, &again.published),
        (false, &stored.url, &stored.published)
    );
    store.publish(&place(), &again.file);
    assert!(store.collect().is_empty());
    assert_eq!(disk.steps(), 0);
    // An hour in which nothing changes: looks each minute, all files read once, and the collection.
    for minute in 1..=60 {
        assert!(is_here(&store, &stored));
        assert!(!put(&store, "text").expect("it is there").is_new);
        store.publish(&place(), &stored.file);
        while store.scrub_one().is_some() {}
        let later = Instant::now() + Duration::from_secs(60 * minute);
        assert!(store.collect_at(later).is_empty());
    }
    store.forget_verdicts();
    while store.scrub_one().is_some() {}
    assert_eq!(disk.steps(), 0, "nothing is written");
}

#[test]
fn a_content_that_comes_back_is_served_from_its_file() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path());
    let (one, other) = (publish(&store, "one"), publish(&store, "other"));
    let again = publish(&store, "one");
    assert_eq!((again.is_new, again.url.as_str()), (false, one.url.as_str()));
    assert_eq!(
        store.current(&place()).map(|current| current.file),
        Some(one.file)
    );
    drop(store);
    let store = open(folder.path());
    let later = Instant::now() + Duration::from_secs(61);
    let collected: Vec<_> = store
        .collect_at(later)
        .into_iter()
        .map(|gone| (gone.file, gone.rule))
        .collect();
    assert_eq!(collected, [(other.file, "ttl")]);
}

#[test]
fn files_go_when_they_were_superseded_for_long_enough_or_their_object_is_gone() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path());
    for text in ["1", "2", "3", "4"] {
        publish(&store, text);
    }
    assert!(store.collect().is_empty(), "readers may be about to fetch them");
    let after = |seconds| Instant::now() + Duration::from_secs(seconds);
    let rules =
        |collected: Vec<crate::Collected>| collected.into_iter().map(|gone| gone.rule).collect::<Vec<_>>();
    assert_eq!(rules(store.collect_at(after(16))), ["records", "records"]);
    assert_eq!(rules(store.collect_at(after(61))), ["ttl"]);
    store.remove(&place());
    assert_eq!(rules(store.collect_at(after(14))), [""; 0]);
    assert_eq!(rules(store.collect_at(after(16))), ["gone"]);
    assert!(store.places().is_empty());
    assert!(!folder.path().join("http/apps").exists());
    publish(&store, "it came back");
    assert!(store.collect_at(after(61)).is_empty());
}

#[test]
fn what_is_corrupt_is_put_aside_and_made_anew() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path());
    let stored = publish(&store, "text");
    let path = folder.path().join("http/apps/web").join(&stored.file);
    drop(store);
    let mut bytes = fs::read(&path).expect("the file");
    bytes[20] ^= 1;
    fs::write(&path, &bytes).expect("the same disk");
    let (store, mut corrupt) = Store::open(options(folder.path())).expect("a volume");
    assert!(is_here(&store, &stored), "nobody has looked inside yet");
    while store.scrub_one().is_some() {}
    assert_eq!(corrupt.try_recv().ok(), Some(place()));
    assert_eq!(store.adopt(&place(), &stored.url), Adopted::Missing);
    assert_eq!(temporary(folder.path()), 1, "somebody may want to look at it");
    let again = publish(&store, "text");
    assert_eq!((again.is_new, again.url.as_str()), (true, stored.url.as_str()));
    drop(store);

    fs::write(&path, &bytes[..30]).expect("the same disk");
    let store = open(folder.path());
    assert_eq!(
        store.adopt(&place(), &stored.url),
        Adopted::Missing,
        "its length tells"
    );
}

#[test]
fn records_are_made_anew_from_the_files() {
    let folder = TempDir::new().expect("a folder");
    let stored = publish(&open(folder.path()), "text");
    let records = folder.path().join(".index/http/apps/web");
    let record = fs::read_dir(&records)
        .expect("a folder")
        .next()
        .expect("a record")
        .expect("an entry");
    for broken in [&b"{"[..], b"", br#"{"version":9}"#] {
        fs::write(record.path(), broken).expect("the same disk");
        let store = open(folder.path());
        assert!(is_here(&store, &stored));
        assert!(!put(&store, "text").expect("it is there").is_new);
    }
    fs::remove_file(folder.path().join("http/apps/web").join(&stored.file)).expect("the file");
    let store = open(folder.path());
    assert_eq!(store.adopt(&place(), &stored.url), Adopted::Missing);
    assert!(!record.path().exists());
}

#[test]
fn a_volume_has_one_user() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path());
    let second = Store::open(options(folder.path())).map(|_| ());
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    drop(store);
    open(folder.path());
    let twice = Store::open(StoreOptions::new(folder.path(), "files", &["Http", "HTTP"])).map(|_| ());
    assert!(matches!(twice, Err(OpenError::Kinds(_))), "{twice:?}");
}

#[test]
fn limits_hold() {
    let folder = TempDir::new().expect("a folder");
    let limited = |limit: fn(&mut StoreOptions)| {
        let mut options = options(folder.path());
        limit(&mut options);
        let store = Store::open(options).expect("a volume").0;
        put(&store, "text").map(|_| ())
    };
    let too_long = limited(|options| options.max_artifact_bytes = 20);
    assert!(matches!(too_long, Err(PutError::TooLong(20))), "{too_long:?}");
    let full = limited(|options| options.max_bytes = 20);
    assert!(matches!(full, Err(PutError::Full { .. })), "{full:?}");
    let full = limited(|options| options.reserve = u64::MAX);
    assert!(matches!(full, Err(PutError::Full { .. })), "{full:?}");
    assert_eq!(temporary(folder.path()), 0);
}

#[test]
fn a_chart_is_stored_as_it_is() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path());
    let (_, archive) =
        flux_archive::pack(Vec::new(), flux_archive::Algorithm::Sha256, Vec::new()).expect("memory");
    let chart = |archive| Content::Verbatim {
        archive,
        extension: "tgz",
    };
    let stored = store.put(&place(), &chart(&archive)).expect("room");
    assert!(stored.url.contains(".tgz") && stored.size == archive.len() as u64);
    let path = folder.path().join("http/apps/web").join(&stored.file);
    assert_eq!(fs::read(path).expect("the file"), archive);
    let refused = store.put(&place(), &chart(b"no archive"));
    assert!(matches!(refused, Err(PutError::Archive(_))), "{refused:?}");
}
