//! From the pack that a server sends to its objects.
//!
//! What a pack costs is known before it is spent: its bytes and those of every object that has to be made whole are taken from the
//! room of the clone, and the number of its objects is bounded. However deep deltas are nested, each is made from the whole object
//! before it, in a file.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use gix_hash::{Hasher, ObjectId, hasher};
use gix_object::Kind;
use kustomize::RemoteError;

use super::delta::{Base, Delta};
use super::objects::{Entry, Objects, PackReader, Scratch, damaged};
use super::packets::{Line, Packets};
use crate::bounds::{Bounds, io_error};

/// Objects in one pack: the files and folders of one commit.
const MAX_OBJECTS: u32 = 500_000;
/// Bytes of a pack before its first object.
const HEADER: u64 = 12;
/// Bytes of the checksum at its end.
const CHECKSUM: usize = 20;

/// What a delta is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum On {
    /// Another object of the pack.
    Entry(u32),
    /// An object by its name.
    Name(ObjectId),
}

/// Reads a pack; what it takes on disk vanishes with the objects.
pub(super) fn receive<'a>(
    packets: &mut Packets<'_>,
    directory: &Path,
    bounds: &Bounds<'a>,
) -> Result<Objects<'a>, RemoteError> {
    let temporary = || tempfile::tempfile_in(directory).map_err(io_error);
    let pack = temporary()?;
    let mut objects = Objects {
        reader: PackReader::new(pack.try_clone().map_err(io_error)?),
        scratch: Scratch::new(temporary()?),
        entries: Vec::new(),
        names: HashMap::new(),
        room: bounds.room,
        taken: 0,
    };
    let size = store(packets, &pack, &mut objects)?;
    let deltas = scan(&mut objects, size, bounds)?;
    resolve(&mut objects, deltas, bounds)?;
    Ok(objects)
}

/// Writes the pack into a file, and checks its checksum.
fn store(packets: &mut Packets<'_>, pack: &File, objects: &mut Objects<'_>) -> Result<u64, RemoteError> {
    let mut size = 0;
    let mut hash = hasher(gix_hash::Kind::Sha1);
    // What may still be the checksum.
    let mut tail: Vec<u8> = Vec::new();
    while packets.advance()? == Line::Data {
        let Some(piece) = packets.data()? else { continue };
        objects.take(piece.len() as u64)?;
        pack.write_all_at(piece, size).map_err(io_error)?;
        size += piece.len() as u64;
        tail.extend_from_slice(piece);
        let sure = tail.len().saturating_sub(CHECKSUM);
        hash.update(&tail[..sure]);
        tail.drain(..sure);
    }
    let checksum = hash.try_finalize().map_err(|_| damaged())?;
    if tail == checksum.as_slice() {
        Ok(size)
    } else {
        Err(damaged())
    }
}

/// Finds all objects of the pack; gives the deltas among them.
fn scan(objects: &mut Objects<'_>, size: u64, bounds: &Bounds<'_>) -> Result<Vec<(u32, On)>, RemoteError> {
    let mut header = [0; HEADER as usize];
    for byte in &mut header {
        *byte = objects.reader.byte()?;
    }
    let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, count @ ..] = header else {
        return Err(damaged());
    };
    let count = u32::from_be_bytes(count);
    if count > MAX_OBJECTS {
        let text = format!("there are {count} objects, more than {MAX_OBJECTS}");
        return Err(RemoteError::TooLarge(text));
    }
    let mut starts: Vec<u64> = Vec::new();
    let mut deltas = Vec::new();
    for number in 0..count {
        bounds.check()?;
        let start = objects.reader.position();
        let (kind, size) = head(&mut objects.reader)?;
        let on = match kind {
            6 => {
                let base = start.checked_sub(distance(&mut objects.reader)?);
                let base = base.and_then(|base| starts.binary_search(&base).ok());
                Some(On::Entry(base.ok_or_else(damaged)? as u32))
            }
            7 => {
                let mut name = [0; CHECKSUM];
                for byte in &mut name {
                    *byte = objects.reader.byte()?;
                }
                Some(On::Name(ObjectId::Sha1(name)))
            }
            _ => None,
        };
        let kind = match kind {
            1 => Some(Kind::Commit),
            2 => Some(Kind::Tree),
            3 => Some(Kind::Blob),
            4 => Some(Kind::Tag),
            _ if on.is_some() => None,
            _ => return Err(damaged()),
        };
        starts.push(start);
        let packed = objects.reader.position();
        objects.entries.push(Entry {
            kind,
            size,
            packed,
            whole: None,
        });
        if let Some(kind) = kind {
            bounds.room.check(size)?;
            let mut hash = begin(kind, size);
            objects.reader.inflate(size, bounds, &mut |piece| {
                hash.update(piece);
                Ok(())
            })?;
            let name = hash.try_finalize().map_err(|_| collision())?;
            objects.names.insert(name, number);
        } else {
            objects.reader.inflate(size, bounds, &mut |_| Ok(()))?;
        }
        deltas.extend(on.map(|on| (number, on)));
    }
    if objects.reader.position() + CHECKSUM as u64 == size {
        Ok(deltas)
    } else {
        Err(damaged())
    }
}

/// The kind and the size of the object that begins here.
fn head(reader: &mut PackReader) -> Result<(u8, u64), RemoteError> {
    let mut byte = reader.byte()?;
    let kind = (byte >> 4) & 7;
    let (mut size, mut shift) = (u64::from(byte & 0x0f), 4);
    while byte & 0x80 != 0 {
        if shift > 56 {
            return Err(damaged());
        }
        byte = reader.byte()?;
        size |= u64::from(byte & 0x7f) << shift;
        shift += 7;
    }
    Ok((kind, size))
}

/// How far before an object its base begins.
fn distance(reader: &mut PackReader) -> Result<u64, RemoteError> {
    let mut byte = reader.byte()?;
    let mut distance = u64::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = reader.byte()?;
        let next = (distance + 1).checked_mul(128).ok_or_else(damaged)?;
        distance = next + u64::from(byte & 0x7f);
    }
    Ok(distance)
}

/// Begins the name of an object.
fn begin(kind: Kind, size: u64) -> Hasher {
    let mut hash = hasher(gix_hash::Kind::Sha1);
    hash.update(format!("{kind} {size}\0").as_bytes());
    hash
}

fn collision() -> RemoteError {
    RemoteError::Failed("the server sends an object that is made to have the name of another one".to_owned())
}

/// Makes every object whole that is told by a delta.
fn resolve(
    objects: &mut Objects<'_>,
    deltas: Vec<(u32, On)>,
    bounds: &Bounds<'_>,
) -> Result<(), RemoteError> {
    let mut waiting: HashMap<On, Vec<u32>> = HashMap::new();
    for (delta, on) in deltas {
        let Some(base) = known(objects, on) else {
            waiting.entry(on).or_default().push(delta);
            continue;
        };
        let mut ready = vec![(delta, base)];
        while let Some((delta, base)) = ready.pop() {
            bounds.check()?;
            let name = make_whole(objects, delta, base, bounds)?;
            for on in [On::Entry(delta), On::Name(name)] {
                let released = waiting.remove(&on).unwrap_or_default();
                ready.extend(released.into_iter().map(|other| (other, delta)));
            }
        }
    }
    if waiting.is_empty() {
        Ok(())
    } else {
        let text = "the server sends objects whose bases it leaves out";
        Err(RemoteError::Failed(text.to_owned()))
    }
}

/// The entry that a delta is based on, if it is known what that is as a whole.
fn known(objects: &Objects<'_>, on: On) -> Option<u32> {
    let at = match on {
        On::Entry(at) => at,
        On::Name(name) => *objects.names.get(&name)?,
    };
    objects.entries.get(at as usize)?.kind.map(|_| at)
}

/// Makes an object from its base; gives its name.
fn make_whole(
    objects: &mut Objects<'_>,
    delta: u32,
    base: u32,
    bounds: &Bounds<'_>,
) -> Result<ObjectId, RemoteError> {
    let (kind, base) = readable(objects, base, bounds)?;
    let entry = objects.entries[delta as usize];
    objects.reader.seek(entry.packed);
    let changes = Delta::new(&mut objects.reader, base)?;
    let size = changes.size;
    objects.room.take(size)?;
    objects.taken += size;
    let mut hash = begin(kind, size);
    let whole = objects.scratch.end();
    changes.apply(base, &mut objects.scratch, bounds, &mut |piece| {
        hash.update(piece);
    })?;
    let name = hash.try_finalize().map_err(|_| collision())?;
    objects.entries[delta as usize] = Entry {
        kind: Some(kind),
        size,
        whole: Some(whole),
        ..entry
    };
    objects.scratch.flush()?;
    objects.names.entry(name).or_insert(delta);
    Ok(name)
}

/// Puts a base where any part of it can be read.
fn readable(objects: &mut Objects<'_>, base: u32, bounds: &Bounds<'_>) -> Result<(Kind, Base), RemoteError> {
    let entry = objects.entries[base as usize];
    let kind = entry.kind.ok_or_else(damaged)?;
    let size = entry.size;
    if let Some(at) = entry.whole {
        return Ok((kind, Base { at, size }));
    }
    objects.take(size)?;
    let at = objects.scratch.end();
    objects.reader.seek(entry.packed);
    let scratch = &mut objects.scratch;
    objects
        .reader
        .inflate(size, bounds, &mut |piece| scratch.append(piece))?;
    scratch.flush()?;
    objects.entries[base as usize].whole = Some(at);
    Ok((kind, Base { at, size }))
}
