//! Bodies of all formats, and those that are not what they say.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use super::*;

const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    entries: 10,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn tar_of(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, kind, content) in entries {
        let mut header = ::tar::Header::new_ustar();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(::tar::EntryType::new(*kind));
        header.set_size(content.len() as u64);
        header.set_mode(if path.contains(".sh") { 0o755 } else { 0o644 });
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// An entry of a zip archive, which a test can spoil.
#[derive(Clone)]
struct Zipped {
    name: &'static str,
    content: Vec<u8>,
    mode: u32,
    flags: u16,
    method: u16,
    local_size: Option<u32>,
    size: Option<u32>,
}

fn zipped(name: &'static str, content: &[u8]) -> Zipped {
    Zipped {
        name,
        content: content.to_vec(),
        mode: if name.contains(".sh") {
            0o100_755
        } else {
            0o100_644
        },
        flags: 0,
        method: 8,
        local_size: None,
        size: None,
    }
}

fn zip_of(entries: &[Zipped]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
        deflate.write_all(&entry.content).expect("memory");
        let data = if entry.method == 8 {
            deflate.finish().expect("memory")
        } else {
            entry.content.clone()
        };
        let mut crc = flate2::Crc::new();
        crc.update(&entry.content);
        let size = entry.size.unwrap_or(entry.content.len() as u32);
        let common = |size: u32| {
            let mut bytes = vec![20, 0];
            bytes.extend(entry.flags.to_le_bytes());
            bytes.extend(entry.method.to_le_bytes());
            bytes.extend([0; 4]);
            bytes.extend(crc.sum().to_le_bytes());
            bytes.extend((data.len() as u32).to_le_bytes());
            bytes.extend(size.to_le_bytes());
            bytes.extend((entry.name.len() as u16).to_le_bytes());
            bytes.extend([0, 0]);
            bytes
        };
        let offset = archive.len() as u32;
        archive.extend(b"PK\x03\x04");
        archive.extend(common(entry.local_size.unwrap_or(size)));
        archive.extend(entry.name.as_bytes());
        archive.extend(&data);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(common(size));
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(entry.name.as_bytes());
    }
    let (offset, count) = (archive.len() as u32, entries.len() as u16);
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend((directory.len() as u32).to_le_bytes());
    archive.extend(offset.to_le_bytes());
    archive.extend([0, 0]);
    archive
}

fn read(bytes: &[u8], form: Form) -> Result<Body, BodyError> {
    Body::read(bytes, form, "latest.yaml.gz", LIMITS)
}

#[track_caller]
fn check(bytes: &[u8], form: Form, expected: &[(&str, &[u8], bool)]) {
    let body = read(bytes, form).expect("a body");
    let files = body.files.iter();
    let found: Vec<_> = files
        .map(|(path, file)| (path.as_str(), &file.content[..], file.executable))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn first_bytes_decide_what_a_body_is() {
    let files: [(&str, u8, &[u8]); 3] = [
        ("./", b'5', b""),
        ("./a/b.yaml", b'0', b"one"),
        ("run.sh", b'0', b"two"),
    ];
    let expected: [(&str, &[u8], bool); 2] = [("a/b.yaml", b"one", false), ("run.sh", b"two", true)];
    let tar = tar_of(&files);
    for form in [Form::Auto, Form::Archive] {
        check(&tar, form, &expected);
        check(&gzip(&tar), form, &expected);
        check(
            &zip_of(&[
                zipped("a/", b""),
                zipped("a/b.yaml", b"one"),
                zipped("run.sh", b"two"),
            ]),
            form,
            &expected,
        );
    }
    check(b"kind: A", Form::Auto, &[("latest.yaml.gz", b"kind: A", false)]);
    check(
        &gzip(b"kind: A"),
        Form::Auto,
        &[("latest.yaml", b"kind: A", false)],
    );
    let twice = gzip(&gzip(b"kind: A"));
    check(&twice, Form::Auto, &[("latest.yaml", &gzip(b"kind: A"), false)]);
    check(&tar, Form::File, &[("latest.yaml.gz", &tar, false)]);
    for other in [&b"kind: A"[..], &gzip(b"kind: A"), b""] {
        assert!(matches!(read(other, Form::Archive), Err(BodyError::Invalid(_))));
    }
    for magic in [&b"\x28\xb5\x2f\xfd"[..], b"BZh91AY", b"\xfd7zXZ\0"] {
        assert!(matches!(read(magic, Form::Auto), Err(BodyError::Unsupported(_))));
    }
}

#[test]
fn links_are_left_out_and_other_things_refused() {
    let links = tar_of(&[("a", b'2', b""), ("b", b'1', b""), ("c", b'0', b"x")]);
    let body = read(&links, Form::Auto).expect("a body");
    assert_eq!(
        (body.files.len(), body.left_out, body.links),
        (1, 2, vec!["a".to_owned(), "b".to_owned()])
    );
    let mut link = zipped("link", b"/etc/passwd");
    link.mode = 0o120_777;
    assert_eq!(read(&zip_of(&[link]), Form::Auto).expect("a body").left_out, 1);
    for kind in [b'3', b'4', b'6', b'z'] {
        assert!(
            read(&tar_of(&[("a", kind, b"")]), Form::Auto).is_err(),
            "{}",
            char::from(kind)
        );
    }
    for path in ["../a", "/a", "a/../../b", "a\\b"] {
        assert!(read(&tar_of(&[(path, b'0', b"")]), Form::Auto).is_err(), "{path}");
        assert!(read(&zip_of(&[zipped(path, b"")]), Form::Auto).is_err(), "{path}");
    }
    let clash = tar_of(&[("a", b'0', b""), ("a/b", b'0', b"")]);
    assert!(read(&clash, Form::Auto).is_err());
    let twice = tar_of(&[("a", b'0', b"1"), ("./a", b'0', b"2")]);
    check(&twice, Form::Auto, &[("a", b"2", false)]);
}

#[test]
fn bombs_are_stopped() {
    let zeros = vec![0; 2 << 20];
    for bomb in [
        gzip(&zeros),
        gzip(&tar_of(&[("a", b'0', &zeros)])),
        zip_of(&[zipped("a", &zeros)]),
    ] {
        let error = read(&bomb, Form::Auto).expect_err("a bomb");
        assert!(
            matches!(error, BodyError::TooLarge(_) | BodyError::Invalid(_)),
            "{error}"
        );
    }
    let names: Vec<String> = (0..11).map(|number| format!("{number}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), b'0', &b""[..])).collect();
    assert!(matches!(
        read(&tar_of(&entries), Form::Auto),
        Err(BodyError::TooMany(10))
    ));
    let many: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]
        .map(|name| zipped(name, b""))
        .to_vec();
    assert!(matches!(
        read(&zip_of(&many), Form::Auto),
        Err(BodyError::TooMany(10))
    ));
    let tar = gzip(&tar_of(&[("a", b'0', b"text")]));
    assert!(read(&tar[..tar.len() - 10], Form::Auto).is_err(), "truncated");
}

#[test]
fn zip_archives_that_tell_two_stories_are_refused() {
    let good = zipped("a", b"text");
    let spoiled: [fn(&mut Zipped); 4] = [
        |entry| entry.flags = 1,
        |entry| entry.method = 12,
        |entry| entry.local_size = Some(9),
        |entry| entry.size = Some(9),
    ];
    for spoil in spoiled {
        let mut entry = good.clone();
        spoil(&mut entry);
        assert!(read(&zip_of(&[entry]), Form::Auto).is_err());
    }
    let archive = zip_of(&[good.clone(), zipped("b", b"more")]);
    check(
        &archive,
        Form::Auto,
        &[("a", b"text", false), ("b", b"more", false)],
    );
    for at in 0..archive.len() {
        let mut broken = archive.clone();
        broken[at] ^= 0x55;
        // It may still be read; it must not panic, and not give another content.
        if let Ok(body) = read(&broken, Form::Archive) {
            let contents = body.files.values().map(|file| &file.content[..]);
            assert!(
                contents
                    .into_iter()
                    .all(|content| content == b"text" || content == b"more"),
                "{at}"
            );
        }
        let _ = read(&archive[..at], Form::Archive);
    }
    // Both entries point to the same bytes.
    let mut overlapping = archive.clone();
    let second = overlapping.len() - 22 - 1 - 4;
    overlapping[second..second + 4].fill(0);
    assert!(read(&overlapping, Form::Archive).is_err());
}

#[test]
fn of_a_body_a_part_is_taken() {
    let files = [("top/a.yaml", "1"), ("top/deep/b.yaml", "2"), ("README.md", "3")];
    let files: Files = files
        .into_iter()
        .map(|(path, text)| {
            let content = text.as_bytes().to_vec();
            (
                path.to_owned(),
                Loaded {
                    content,
                    executable: false,
                },
            )
        })
        .collect();
    let take = |strip_components, path: &str, include: &[&str]| {
        let selection = Selection {
            strip_components,
            path: path.to_owned(),
            include: include.iter().map(|glob| (*glob).to_owned()).collect(),
        };
        let taken = selection.take(files.clone()).map_err(|error| error.to_string())?;
        Ok::<_, String>(taken.into_keys().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(
        take(0, "", &[]).as_deref(),
        Ok("README.md top/a.yaml top/deep/b.yaml")
    );
    assert_eq!(take(1, "", &[]).as_deref(), Ok("a.yaml deep/b.yaml"));
    assert_eq!(take(1, "deep/", &[]).as_deref(), Ok("b.yaml"));
    assert_eq!(take(0, "top", &["*.yaml"]).as_deref(), Ok("a.yaml"));
    assert_eq!(
        take(0, "", &["**/*.yaml"]).as_deref(),
        Ok("top/a.yaml top/deep/b.yaml")
    );
    assert!(take(3, "", &[]).is_err() && take(0, "to", &[]).is_err() && take(0, "", &["*.txt"]).is_err());
}

/// A sparse file of which nothing is in the archive.
fn sparse_of(size: u64) -> Vec<u8> {
    let mut header = ::tar::Header::new_gnu();
    header.as_mut_bytes()[..6].copy_from_slice(b"a.yaml");
    header.set_entry_type(::tar::EntryType::GNUSparse);
    header.set_size(0);
    header.set_mode(0o644);
    if let Some(gnu) = header.as_gnu_mut() {
        gnu.set_real_size(size);
        // One piece of no length at its end.
        gnu.sparse[0].offset[..12].copy_from_slice(format!("{size:011o}\0").as_bytes());
        gnu.sparse[0].numbytes[..12].copy_from_slice(b"00000000000\0");
    }
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[test]
fn zeros_that_an_archive_leaves_out_count_as_well() {
    let small = read(&sparse_of(4096), Form::Archive).expect("a body");
    assert_eq!(small.files["a.yaml"].content, vec![0; 4096]);
    for size in [(1 << 20) + 1, 4 << 30] {
        let error = read(&sparse_of(size), Form::Archive).expect_err("a bomb");
        assert!(matches!(error, BodyError::TooLarge(_)), "{error}");
    }
}

#[test]
fn names_are_bytes_and_twins_are_kept_apart() {
    let (composed, decomposed) = ("\u{e9}.yaml", "e\u{301}.yaml");
    let twins = [
        ("A.yaml", b'0', &b"1"[..]),
        ("a.yaml", b'0', b"2"),
        (composed, b'0', b"3"),
        (decomposed, b'0', b"4"),
        ("a-b", b'0', b"5"),
        ("a/b", b'0', b"6"),
    ];
    let expected = [
        ("A.yaml", &b"1"[..], false),
        ("a-b", b"5", false),
        ("a.yaml", b"2", false),
        ("a/b", b"6", false),
        (decomposed, b"4", false),
        (composed, b"3", false),
    ];
    check(&tar_of(&twins), Form::Archive, &expected);
    // What only begins like a file lies not below it, and does not hide what does.
    let clash = tar_of(&[
        ("a", b'0', b""),
        ("a-b", b'0', b""),
        ("a.b", b'0', b""),
        ("a/b", b'0', b""),
    ]);
    assert!(read(&clash, Form::Archive).is_err());
}

#[test]
fn a_hundred_thousand_entries_are_read_and_no_more() {
    let limits = Limits {
        bytes: 256 << 20,
        entries: 100_000,
    };
    let names: Vec<String> = (0..=limits.entries)
        .map(|number| format!("d{}/{number}", number % 100))
        .collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), b'0', &b""[..])).collect();
    let most = tar_of(&entries[..limits.entries]);
    let body = Body::read(&most, Form::Archive, "", limits).expect("a body");
    assert_eq!(body.files.len(), limits.entries);
    let more = Body::read(&tar_of(&entries), Form::Archive, "", limits);
    assert!(matches!(more, Err(BodyError::TooMany(100_000))));
}
