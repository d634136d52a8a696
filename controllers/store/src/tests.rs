//! The store on a disk that fails, or is cut off, at each of its steps.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use flux_archive::File;
use parking_lot::Mutex;
use rustix::io::Errno;
use tempfile::TempDir;

use crate::disk::faulty::{Fault, FaultyDisk};
use crate::disk::{Disk, RealDisk};
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
fn what_is_advertised_by_mistake_does_not_take_the_place_of_what_followed_it() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path());
    let (old, new) = (publish(&store, "old"), publish(&store, "new"));
    let adopted = |store: &Store, url: &str| match store.adopt(&place(), url) {
        Adopted::Here(stored) => stored.file,
        Adopted::Missing => String::new(),
    };
    for url in [
        old.url.as_str(),
        "http://files/http/apps/web/no.tar.gz",
        "http://evil/x",
        "",
    ] {
        assert_eq!(adopted(&store, url), new.file, "{url}");
    }
    drop(store);
    let store = open(folder.path());
    assert_eq!(
        adopted(&store, &old.url),
        new.file,
        "and not after a restart either"
    );
    // It comes back, and the process ends before it is told that the API server knows.
    assert!(!put(&store, "old").expect("it is there").is_new);
    drop(store);
    for (advertised, url) in [(&old.file, &old.url), (&new.file, &new.url)] {
        let copy = TempDir::new().expect("a folder");
        copy_all(folder.path(), copy.path());
        assert_eq!(adopted(&open(copy.path()), url), *advertised);
    }
}

fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a file").is_dir() {
            fs::create_dir_all(&to).expect("room");
            copy_all(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("room");
        }
    }
}

#[test]
fn clocks_that_jump_keep_no_file_for_ever_and_remove_none_at_once() {
    for jump in [-1000_i64, 1000] {
        let folder = TempDir::new().expect("a folder");
        let store = open(folder.path());
        let (old, new) = (publish(&store, "old"), publish(&store, "new"));
        drop(store);
        let record = folder.path().join(format!(
            ".index/http/apps/web/{}.json",
            old.file.trim_end_matches(".tar.gz")
        ));
        let mut written: serde_json::Value =
            serde_json::from_slice(&fs::read(&record).expect("a record")).expect("JSON");
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(jump);
        written["superseded"] = at.to_string().into();
        fs::write(&record, written.to_string()).expect("the same disk");
        let store = open(folder.path());
        assert!(is_here(&store, &new), "{jump}");
        let after = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert!(
            store.collect_at(after(0)).is_empty(),
            "{jump}: nobody could have fetched it"
        );
        let gone: Vec<_> = store
            .collect_at(after(61))
            .into_iter()
            .map(|gone| gone.file)
            .collect();
        assert_eq!(gone, [old.file], "{jump}");
    }
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

/// A disk that says when it begins to remove a file, and takes its time.
struct SlowDisk(Mutex<mpsc::Sender<()>>);

impl Disk for SlowDisk {
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        // Nobody may be listening any more.
        let _ = self.0.lock().send(());
        std::thread::sleep(Duration::from_millis(50));
        RealDisk.remove(path)
    }
}

#[test]
fn what_comes_back_while_it_is_removed_is_there_afterwards() {
    let folder = TempDir::new().expect("a folder");
    let (sender, removing) = mpsc::channel();
    let disk = Box::new(SlowDisk(Mutex::new(sender)));
    let store = Store::open_on(options(folder.path()), disk).expect("a volume").0;
    publish(&store, "old");
    publish(&store, "new");
    let collecting = {
        let (store, later) = (store.clone(), Instant::now() + Duration::from_secs(61));
        std::thread::spawn(move || store.collect_at(later).len())
    };
    removing.recv().expect("the old file is removed");
    let back = publish(&store, "old");
    assert_eq!(collecting.join().expect("no panic"), 1);
    let path = folder.path().join("http/apps/web").join(&back.file);
    assert!(path.exists() && is_here(&store, &back));
    drop(store);
    assert!(is_here(&open(folder.path()), &back));
}

#[test]
fn nothing_is_put_aside_while_somebody_stores_there() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path());
    let stored = publish(&store, "text");
    let path = folder.path().join("http/apps/web").join(&stored.file);
    let bytes = fs::read(&path).expect("the file");
    let turn = store.shared.turn(&place());
    {
        let _storing = turn.lock();
        fs::write(&path, &bytes[..30]).expect("the same disk");
        assert!(!store.shared.verify(&place(), &stored.file));
        assert!(path.exists() && is_here(&store, &stored));
        // Whoever stores is not kept from being served either.
        fs::write(&path, &bytes).expect("the same disk");
        assert!(store.shared.verify(&place(), &stored.file));
        fs::write(&path, &bytes[..30]).expect("the same disk");
    }
    assert!(!store.shared.verify(&place(), &stored.file));
    assert!(!path.exists());
    assert_eq!(store.adopt(&place(), &stored.url), Adopted::Missing);
}

#[test]
fn what_may_be_advertised_without_an_answer_is_not_superseded_by_what_was_before() {
    let folder = TempDir::new().expect("a folder");
    let store = open(folder.path());
    let old = publish(&store, "old");
    let (earlier, new) = (put(&store, "earlier"), put(&store, "new"));
    let (earlier, new) = (earlier.expect("room"), new.expect("room"));
    // The writes of both have failed, or only their answers, and the old one is all that is known.
    for _ in 0..2 {
        assert!(is_here(&store, &old));
        assert_eq!(
            store.current(&place()).map(|current| current.file),
            Some(old.file.clone())
        );
    }
    let later = || Instant::now() + Duration::from_secs(61);
    let gone = |store: &Store| {
        let collected = store.collect_at(later()).into_iter();
        collected.map(|gone| gone.file).collect::<Vec<_>>()
    };
    assert_eq!(gone(&store), [earlier.file], "one is enough");
    assert!(is_here(&store, &new), "it was advertised");
    assert_eq!(gone(&store), [old.file]);
    // One that comes back is the last, though it was first published before.
    let (back, other) = (put(&store, "new"), put(&store, "other"));
    assert!(back.is_ok() && other.is_ok());
    store.publish(&place(), &other.expect("room").file);
    assert!(put(&store, "third").is_ok() && put(&store, "new").is_ok());
    let current = store.current(&place()).expect("a current one");
    assert!(is_here(&store, &current));
    assert!(is_here(&store, &new), "it was stored last");
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
