//! Servers whose packs are made to do harm: what they cost is bounded, and nothing is written outside of the clone.

mod pack;
mod support;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gix_hash::{ObjectId, hasher};
use kustomize::{Remote as _, RemoteError, RepoSpec};
use kustomize_remote::{Fetcher, Policy};
use pack::{BLOB, BY_OFFSET, Pack, TREE, deflate, grow, name, number, packet, serve_pack, sha1, tree};
use support::{Asked, Judged, git_head, serve_pieces, text};
use tempfile::TempDir;

/// The kind of a delta that names its base.
const BY_NAME: u8 = 7;

fn policy() -> Policy {
    Policy {
        local_repositories: false,
        clone_bytes: 64 * 1024 * 1024,
        ..Policy::default()
    }
}

/// Clones a commit of a pack, and says what came of it while the clone is there.
fn clone<T>((commit, pack): (ObjectId, Vec<u8>), see: impl FnOnce(Result<&Path, RemoteError>) -> T) -> T {
    let pack = Arc::new(pack);
    let port = serve_pack(move || Box::new(std::iter::once(pack.as_ref().clone())));
    let address = format!("git::http://git.test:{port}/a.git?ref={commit}&timeout=100s");
    let repo = RepoSpec::parse(&address).expect("a repository");
    let fetcher = Fetcher::new(policy(), Arc::new(Judged::default()));
    let cloned = fetcher.clone_repo(&repo);
    see(cloned
        .as_ref()
        .map(|cloned| Path::new(&cloned.root))
        .map_err(Clone::clone))
}

fn refused(pack: (ObjectId, Vec<u8>)) -> String {
    clone(pack, |cloned| text(cloned.expect_err("it is refused")))
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for bad in [
        "..",
        ".",
        ".git",
        ".GIT",
        "git~1",
        ".git ",
        ".g\u{200c}it",
        "a/b",
        "",
        "../a",
        "/etc/x",
    ] {
        for mode in ["100644", "40000", "120000", "160000"] {
            let mut pack = Pack::new();
            let blob = pack.add(BLOB, b"x");
            let id = if mode == "40000" {
                pack.add(TREE, &tree(&[("100644", "f", blob)]))
            } else {
                blob
            };
            let error = refused(pack.finish(&[(mode, bad, id)]));
            let expected = ["invalid path", "damaged pack"];
            assert!(
                expected.iter().any(|text| error.contains(text)),
                "{bad:?} {mode}: {error}"
            );
        }
    }
    let mut pack = Pack::new();
    let blob = pack.add(BLOB, b"/etc/passwd");
    let error = refused(pack.finish(&[("120000", ".gitmodules", blob)]));
    assert!(error.contains("invalid path \".gitmodules\""), "{error}");
    let mut pack = Pack::new();
    let blob = pack.add(BLOB, b"x");
    let mut id = pack.add(TREE, &tree(&[("100644", "f", blob)]));
    for _ in 0..50 {
        id = pack.add(TREE, &tree(&[("40000", &"n".repeat(200), id)]));
    }
    let error = refused(pack.finish(&[("40000", "top", id)]));
    assert!(error.contains("invalid path") && error.len() < 2000, "{error}");
}

#[test]
fn nothing_is_written_through_a_link() {
    let outside = TempDir::new().expect("a directory");
    let to = outside.path().display().to_string();
    for upper in ["a", "b"] {
        let mut pack = Pack::new();
        let blob = pack.add(BLOB, b"x");
        let link = pack.add(BLOB, to.as_bytes());
        let below = pack.add(TREE, &tree(&[("100644", "stolen", blob)]));
        // The same name twice: a link, and a folder or another file.
        for second in [("40000", upper, below), ("100644", upper, blob)] {
            let mut entries = vec![("120000", upper, link), second];
            for _ in 0..2 {
                let mut again = Pack::new();
                for (kind, content) in [(BLOB, &b"x"[..]), (BLOB, to.as_bytes())] {
                    again.add(kind, content);
                }
                again.add(TREE, &tree(&[("100644", "stolen", blob)]));
                let error = refused(again.finish(&entries));
                assert!(error.contains("cannot write"), "{error}");
                entries.reverse();
            }
        }
    }
    // A link as such is a link.
    let mut pack = Pack::new();
    let link = pack.add(BLOB, to.as_bytes());
    clone(pack.finish(&[("120000", "a", link)]), |cloned| {
        let at = cloned.expect("a clone").join("a");
        assert_eq!(fs::read_link(at).expect("a link"), outside.path());
    });
    assert_eq!(fs::read_dir(outside.path()).expect("a directory").count(), 0);
    let mut pack = Pack::new();
    let long = pack.add(BLOB, &[b'x'; 5000]);
    assert!(refused(pack.finish(&[("120000", "a", long)])).contains("larger than 4095 bytes"));
    let mut pack = Pack::new();
    let tree = pack.add(TREE, b"");
    assert!(refused(pack.finish(&[("100644", "a", tree)])).contains("damaged"));
}

#[test]
fn packs_that_lie_are_refused() {
    let blob = b"content".as_slice();
    let good = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut pack = Pack::new();
        let id = pack.add(BLOB, blob);
        let (commit, mut bytes) = pack.finish(&[("100644", "f", id)]);
        change(&mut bytes);
        (commit, bytes)
    };
    clone(good(&|_| ()), |cloned| {
        assert_eq!(
            fs::read(cloned.expect("a clone").join("f")).expect("a file"),
            blob
        );
    });
    let reseal = |bytes: &mut Vec<u8>| {
        bytes.truncate(bytes.len() - 20);
        let checksum = sha1(bytes);
        bytes.extend_from_slice(checksum.as_slice());
    };
    for (what, change) in [
        (
            "checksum",
            (&|bytes: &mut Vec<u8>| bytes[20] ^= 1) as &dyn Fn(&mut Vec<u8>),
        ),
        ("cut short", &|bytes| bytes.truncate(30)),
        ("nothing", &Vec::clear),
        ("no pack", &|bytes| {
            bytes[0] = b'p';
            reseal(bytes);
        }),
        ("more objects", &|bytes| {
            bytes[11] += 1;
            reseal(bytes);
        }),
        ("fewer objects", &|bytes| {
            bytes[11] -= 1;
            reseal(bytes);
        }),
    ] {
        let error = refused(good(change));
        assert!(error.contains("damaged pack"), "{what}: {error}");
    }
    let error = refused(good(&|bytes| {
        bytes[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        reseal(bytes);
    }));
    assert!(error.contains("4294967295 objects"), "{error}");

    // Sizes that are not true, deltas of what is not there, and deltas that leave their bases.
    let compressed = deflate(blob);
    let raw = |kind, size, base: &[u8], compressed: &[u8]| {
        let mut pack = Pack::new();
        pack.raw(kind, size, base, compressed);
        pack.finish(&[])
    };
    for pack in [
        raw(BLOB, 3, b"", &compressed),
        raw(BLOB, 1 << 20, b"", &compressed),
        raw(BLOB, 1 << 62, b"", &compressed),
        raw(5, 7, b"", &compressed),
        raw(BY_OFFSET, 7, &[0], &compressed),
        raw(BY_OFFSET, 7, &[0x7f], &compressed),
        raw(BY_OFFSET, 7, &[0xff; 12], &compressed),
        raw(BLOB, 7, b"", b"no zlib"),
    ] {
        let error = refused(pack);
        assert!(error.contains("damaged pack"), "{error}");
    }
    let huge = refused(raw(BLOB, 1 << 50, b"", &compressed));
    assert!(huge.contains("the clone is larger than"), "{huge}");
    let missing = refused(raw(BY_NAME, 7, &[1; 20], &compressed));
    assert!(missing.contains("whose bases it leaves out"), "{missing}");
    for delta in [
        grow(6, b""),
        grow(8, b""),
        vec![7, 8, 0x90, 7],
        vec![7, 7, 0x91, 1, 7],
        vec![7, 7, 0],
        vec![7, 7, 0x90],
        vec![7, 1, 0x90, 7],
        vec![7],
        vec![0xff; 20],
        vec![],
    ] {
        let mut pack = Pack::new();
        let base = pack.raw(BLOB, 7, b"", &compressed);
        pack.delta(base, &delta);
        let error = refused(pack.finish(&[]));
        assert!(error.contains("damaged pack"), "{delta:?}: {error}");
    }
    let mut pack = Pack::new();
    let absent = name(BLOB, b"absent");
    pack.add(BLOB, b"x");
    let error = refused(pack.finish(&[("100644", "f", absent)]));
    assert!(
        error.contains(&format!("left out the object {absent}")),
        "{error}"
    );
}

#[test]
fn deltas_are_found_wherever_their_bases_are() {
    // By name, on a base that comes later and is a delta itself.
    let (one, two, three) = (b"one".as_slice(), b"onetwo".as_slice(), b"onetwothree".as_slice());
    let mut pack = Pack::new();
    let second = grow(6, b"three");
    pack.raw(
        BY_NAME,
        second.len() as u64,
        name(BLOB, two).as_slice(),
        &deflate(&second),
    );
    let first = grow(3, b"two");
    pack.raw(
        BY_NAME,
        first.len() as u64,
        name(BLOB, one).as_slice(),
        &deflate(&first),
    );
    pack.add(BLOB, one);
    let entries = [one, two, three].map(|content| name(BLOB, content));
    let entries = ["1", "2", "3"].map(|n| ("100644", n, entries[n.parse::<usize>().unwrap() - 1]));
    clone(pack.finish(&entries), |cloned| {
        let at = cloned.expect("a clone");
        for (file, content) in [("1", one), ("2", two), ("3", three)] {
            assert_eq!(fs::read(at.join(file)).expect("a file"), content);
        }
    });
}

#[test]
fn a_chain_of_a_hundred_thousand_deltas_is_no_trouble() {
    let mut pack = Pack::new();
    let mut content = vec![b'x'; 16];
    pack.add(BLOB, &content);
    let mut at = 12;
    for n in 0..100_000_u32 {
        // Each has another end than the one before.
        let mut delta = [number(16), number(16)].concat();
        delta.extend_from_slice(&[0x90, 12, 4]);
        delta.extend_from_slice(&n.to_be_bytes());
        content[12..].copy_from_slice(&n.to_be_bytes());
        at = pack.delta(at, &delta);
    }
    let last = name(BLOB, &content);
    clone(pack.finish(&[("100644", "f", last)]), |cloned| {
        assert_eq!(
            fs::read(cloned.expect("a clone").join("f")).expect("a file"),
            content
        );
    });
}

#[test]
fn bombs_stop_at_the_room_of_the_clone() {
    let large = 1 << 23;
    let zeros = vec![0; large as usize];
    // Each delta makes 8 MiB of some bytes.
    let mut pack = Pack::new();
    let mut at = 12;
    pack.add(BLOB, &zeros);
    for _ in 0..2000 {
        at = pack.delta(at, &grow(large, &[]));
    }
    let error = refused(pack.finish(&[]));
    assert!(
        error.contains("the clone is larger than 67108864 bytes"),
        "{error}"
    );

    // One file many times.
    let mut pack = Pack::new();
    let blob = pack.add(BLOB, &zeros);
    let names: Vec<_> = (0..100).map(|n| format!("f{n:03}")).collect();
    let entries: Vec<_> = names.iter().map(|name| ("100644", name.as_str(), blob)).collect();
    let error = refused(pack.finish(&entries));
    assert!(
        error.contains("the clone is larger than 67108864 bytes"),
        "{error}"
    );

    // A folder of ten folders of ten folders and so on.
    let mut pack = Pack::new();
    let mut id = pack.add(BLOB, b"");
    let mut mode = "100644";
    for _ in 0..10 {
        let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        id = pack.add(TREE, &tree(&names.map(|name| (mode, name, id))));
        mode = "40000";
    }
    let error = refused(pack.finish(&[("40000", "top", id)]));
    assert!(error.contains("more than 500000 files and folders"), "{error}");

    // A file that has no end.
    let mut bomb = Pack::new();
    let size = 1_u64 << 27;
    bomb.raw(BLOB, size, b"", &{
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        for _ in 0..size / large {
            encoder.write_all(&zeros).expect("memory");
        }
        encoder.finish().expect("memory")
    });
    let mut hash = hasher(gix_hash::Kind::Sha1);
    hash.update(format!("blob {size}\0").as_bytes());
    for _ in 0..size / large {
        hash.update(&zeros);
    }
    let id = hash.try_finalize().expect("a hash");
    let error = refused(bomb.finish(&[("100644", "f", id)]));
    assert!(
        error.contains("the clone is larger than 67108864 bytes"),
        "{error}"
    );
}

#[test]
fn a_pack_without_an_end_stops_at_the_room_of_the_clone() {
    let endless = serve_pack(|| Box::new(std::iter::repeat_with(|| vec![b'P'; 65_000])));
    let progress = serve_pieces(|asked: &Asked| {
        if asked.body.is_empty() {
            let said = [
                git_head("advertisement"),
                packet(b"version 2\n"),
                packet(b"fetch=shallow\n"),
                b"0000".to_vec(),
            ];
            return Box::new(std::iter::once(said.concat()));
        }
        let head = [git_head("result"), packet(b"packfile\n")].concat();
        let said = packet(&vec![2; 65_000]);
        Box::new(std::iter::once(head).chain(std::iter::repeat(said)))
    });
    for (port, text) in [
        (endless, "the clone is larger than 67108864 bytes"),
        (progress, "the answer is too large"),
    ] {
        let address = format!("git::http://git.test:{port}/a.git?ref={}", "1".repeat(40));
        let repo = RepoSpec::parse(&address).expect("a repository");
        let cloned = Fetcher::new(policy(), Arc::new(Judged::default())).clone_repo(&repo);
        let Err(RemoteError::TooLarge(error)) = cloned else {
            panic!("it ends");
        };
        assert!(error.contains(text), "{error}");
    }
}
