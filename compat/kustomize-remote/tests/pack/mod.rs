//! Packs in the making, true ones and others, and a server for them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gix_hash::{ObjectId, hasher};

use crate::support::{Asked, git_head, serve_pieces};

pub(crate) const COMMIT: u8 = 1;
pub(crate) const TREE: u8 = 2;
pub(crate) const BLOB: u8 = 3;
pub(crate) const BY_OFFSET: u8 = 6;

pub(crate) fn sha1(bytes: &[u8]) -> ObjectId {
    let mut hash = hasher(gix_hash::Kind::Sha1);
    hash.update(bytes);
    hash.try_finalize().expect("a hash")
}

pub(crate) fn name(kind: u8, content: &[u8]) -> ObjectId {
    let kind = ["", "commit", "tree", "blob"][usize::from(kind)];
    sha1(&[format!("{kind} {}\0", content.len()).as_bytes(), content].concat())
}

pub(crate) fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

/// A pack in the making.
pub(crate) struct Pack {
    pub(crate) bytes: Vec<u8>,
    objects: u32,
}

impl Pack {
    pub(crate) fn new() -> Self {
        Self {
            bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(),
            objects: 0,
        }
    }

    /// Adds what is compressed already, under a size that need not be true; gives where it begins.
    pub(crate) fn raw(&mut self, kind: u8, size: u64, base: &[u8], compressed: &[u8]) -> usize {
        let at = self.bytes.len();
        let mut rest = size >> 4;
        let mut byte = (kind << 4) | (size & 15) as u8;
        while rest > 0 {
            self.bytes.push(byte | 0x80);
            byte = (rest & 0x7f) as u8;
            rest >>= 7;
        }
        self.bytes.push(byte);
        self.bytes.extend_from_slice(base);
        self.bytes.extend_from_slice(compressed);
        self.objects += 1;
        at
    }

    pub(crate) fn add(&mut self, kind: u8, content: &[u8]) -> ObjectId {
        self.raw(kind, content.len() as u64, b"", &deflate(content));
        name(kind, content)
    }

    /// Adds a delta on the object that begins at `base`; gives where the delta begins.
    pub(crate) fn delta(&mut self, base: usize, delta: &[u8]) -> usize {
        let mut distance = self.bytes.len() - base;
        let mut digits = vec![(distance & 0x7f) as u8];
        while distance >> 7 > 0 {
            distance = (distance >> 7) - 1;
            digits.push((distance & 0x7f) as u8 | 0x80);
        }
        digits.reverse();
        self.raw(BY_OFFSET, delta.len() as u64, &digits, &deflate(delta))
    }

    /// Adds a commit with these entries, and ends the pack.
    pub(crate) fn finish(mut self, entries: &[(&str, &str, ObjectId)]) -> (ObjectId, Vec<u8>) {
        let commit = self.commit(entries);
        (commit, self.end())
    }

    pub(crate) fn commit(&mut self, entries: &[(&str, &str, ObjectId)]) -> ObjectId {
        let tree = self.add(TREE, &tree(entries));
        let who = "a <a@b> 0 +0000";
        let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nm\n");
        self.add(COMMIT, text.as_bytes())
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.bytes[8..12].copy_from_slice(&self.objects.to_be_bytes());
        let checksum = sha1(&self.bytes);
        self.bytes.extend_from_slice(checksum.as_slice());
        self.bytes
    }
}

pub(crate) fn tree(entries: &[(&str, &str, ObjectId)]) -> Vec<u8> {
    let entries = entries.iter().map(|(mode, name, id)| {
        let head = format!("{mode} {name}\0");
        [head.as_bytes(), id.as_slice()].concat()
    });
    entries.collect::<Vec<_>>().concat()
}

pub(crate) fn number(mut number: u64) -> Vec<u8> {
    let mut digits = Vec::new();
    while number >> 7 > 0 {
        digits.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    digits.push(number as u8);
    digits
}

/// A delta that copies the whole of its base, of less than 16 MiB, and adds something.
pub(crate) fn grow(base: u64, more: &[u8]) -> Vec<u8> {
    let mut delta = [number(base), number(base + more.len() as u64)].concat();
    let size = base.to_le_bytes();
    delta.extend_from_slice(&[0xf0, size[0], size[1], size[2]]);
    if !more.is_empty() {
        delta.push(more.len() as u8);
        delta.extend_from_slice(more);
    }
    delta
}

pub(crate) fn packet(content: &[u8]) -> Vec<u8> {
    [format!("{:04x}", content.len() + 4).as_bytes(), content].concat()
}

/// Serves one pack to whoever asks, in as many pieces as there are.
pub(crate) fn serve_pack(
    pieces: impl Fn() -> Box<dyn Iterator<Item = Vec<u8>>> + Send + Sync + 'static,
) -> u16 {
    serve_pieces(move |asked: &Asked| {
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
        let pieces = pieces().flat_map(|piece| {
            let lines = piece.chunks(65_000).map(<[u8]>::to_vec).collect::<Vec<_>>();
            lines
                .into_iter()
                .map(|line| packet(&[b"\x01", &line[..]].concat()))
        });
        Box::new(
            std::iter::once(head)
                .chain(pieces)
                .chain(std::iter::once(b"0000".to_vec())),
        )
    })
}
