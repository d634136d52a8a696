//! Zip archives, by their central directory alone.
//!
//! What crates for zip allow is what tricks are made of: entries that share their bytes, sizes that differ between the two
//! places that tell them, and a directory that is read before it is counted.

use std::io::Read;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::{Body, BodyError, Limits, clean, shortened};

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const CENTRAL: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// An entry that is longer may not be a thousand times as long as its compressed form.
const SUSPECT: u64 = 1 << 20;
const RATIO: u64 = 1000;

/// Reads a zip archive; links are left out.
pub(super) fn read(archive: &[u8], limits: Limits) -> Result<Body, BodyError> {
    let end = End::find(archive)?;
    if end.entries > limits.entries as u64 {
        return Err(BodyError::TooMany(limits.entries));
    }
    let directory = part(archive, end.offset, end.size)?;
    let (mut entries, mut rest) = (Vec::new(), directory);
    for _ in 0..end.entries {
        let entry = Entry::read(&mut rest)?;
        entries.push(entry);
    }
    if !rest.is_empty() {
        return Err(invalid("its directory has more entries than it says"));
    }
    let mut total = 0_u64;
    for entry in &entries {
        total = total.saturating_add(entry.size);
        if entry.size > SUSPECT && entry.size / RATIO > entry.compressed {
            return Err(invalid(format!(
                "entry {:?} is compressed more than a thousand times",
                shortened(&entry.name)
            )));
        }
    }
    if total > limits.bytes {
        return Err(BodyError::TooLarge(limits.bytes));
    }
    entries.sort_by_key(|entry| entry.offset);
    let mut body = Body::default();
    let mut free_from = 0;
    for entry in &entries {
        if entry.offset < free_from {
            return Err(invalid("two of its entries overlap"));
        }
        let (start, name) = entry.data(archive)?;
        if name != entry.name.as_bytes() {
            return Err(invalid(format!(
                "entry {:?} has another name at its place",
                shortened(&entry.name)
            )));
        }
        free_from = start.saturating_add(entry.compressed);
        if free_from > end.offset {
            return Err(invalid("an entry reaches into the directory"));
        }
        if entry.is_link() {
            body.leave_out(&entry.name);
            continue;
        }
        let path = clean(&entry.name)?;
        let Some(path) = path.filter(|_| !entry.name.ends_with('/')) else {
            continue;
        };
        let content = entry.content(part(archive, start, entry.compressed)?)?;
        body.add(path, content, entry.mode & 0o111 != 0);
    }
    body.without_clashes()
}

fn invalid(text: impl Into<String>) -> BodyError {
    BodyError::invalid(format!("it is not a valid zip archive: {}", text.into()))
}

fn part(bytes: &[u8], offset: u64, length: u64) -> Result<&[u8], BodyError> {
    let found = usize::try_from(offset)
        .ok()
        .zip(usize::try_from(length).ok())
        .and_then(|(offset, length)| bytes.get(offset..offset.checked_add(length)?));
    found.ok_or_else(|| invalid("it ends too early"))
}

fn u16_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 2)
        .and_then(|two| two.try_into().ok())
        .map_or(0, |two| u16::from_le_bytes(two).into())
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 4)
        .and_then(|four| four.try_into().ok())
        .map_or(0, |four| u32::from_le_bytes(four).into())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|eight| eight.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

/// The end of the archive, which says where its directory is.
struct End {
    entries: u64,
    size: u64,
    offset: u64,
}

impl End {
    fn find(archive: &[u8]) -> Result<Self, BodyError> {
        let earliest = archive.len().saturating_sub(22 + usize::from(u16::MAX));
        let at = (earliest..=archive.len().saturating_sub(22)).rev().find(|at| {
            let record = &archive[*at..];
            record.starts_with(END) && u16_at(record, 20) + 22 == record.len() as u64
        });
        let at = at.ok_or_else(|| invalid("it has no end"))?;
        let record = &archive[at..];
        if u16_at(record, 4) != 0 || u16_at(record, 6) != 0 || u16_at(record, 8) != u16_at(record, 10) {
            return Err(invalid("it is one of several parts"));
        }
        let mut end = Self {
            entries: u16_at(record, 10),
            size: u32_at(record, 12),
            offset: u32_at(record, 16),
        };
        let mut end_at = at as u64;
        let is_large = end.entries == 0xffff || end.size == 0xffff_ffff || end.offset == 0xffff_ffff;
        let locator = at.checked_sub(20).map(|at| &archive[at..at + 20]);
        if let Some(locator) = locator.filter(|locator| is_large && locator.starts_with(LOCATOR_64)) {
            end_at = u64_at(locator, 8);
            let record = part(archive, end_at, 56)?;
            if !record.starts_with(END_64) {
                return Err(invalid("its end is not where it says"));
            }
            end = Self {
                entries: u64_at(record, 32),
                size: u64_at(record, 40),
                offset: u64_at(record, 48),
            };
        }
        if end.offset.checked_add(end.size) != Some(end_at) {
            return Err(invalid("its directory is not where it says"));
        }
        Ok(end)
    }
}

/// An entry of the directory.
struct Entry {
    name: String,
    method: u64,
    crc: u64,
    compressed: u64,
    size: u64,
    mode: u64,
    offset: u64,
}

impl Entry {
    fn read(directory: &mut &[u8]) -> Result<Self, BodyError> {
        let head = part(directory, 0, 46)?;
        if !head.starts_with(CENTRAL) {
            return Err(invalid("its directory has something else than entries"));
        }
        let lengths = [28, 30, 32].map(|at| u16_at(head, at));
        let whole = part(directory, 0, 46 + lengths.iter().sum::<u64>())?;
        *directory = &directory[whole.len()..];
        let name = part(whole, 46, lengths[0])?;
        let name = std::str::from_utf8(name).map_err(|_| invalid("a name is no UTF-8"))?;
        let (flags, method) = (u16_at(head, 8), u16_at(head, 10));
        if flags & 1 != 0 {
            return Err(invalid(format!("entry {:?} is encrypted", shortened(name))));
        }
        if !matches!(method, 0 | 8) {
            return Err(invalid(format!(
                "entry {:?} has the unknown method {method}",
                shortened(name)
            )));
        }
        // The upper half of the attributes is a Unix mode, if a Unix wrote them.
        let mode = if head[5] == 3 { u32_at(head, 38) >> 16 } else { 0 };
        let mut entry = Self {
            name: name.to_owned(),
            method,
            crc: u32_at(head, 16),
            compressed: u32_at(head, 20),
            size: u32_at(head, 24),
            mode,
            offset: u32_at(head, 42),
        };
        entry.read_large(part(whole, 46 + lengths[0], lengths[1])?);
        Ok(entry)
    }

    /// Reads the numbers that need more room than the directory has for them.
    fn read_large(&mut self, mut extra: &[u8]) {
        while extra.len() >= 4 {
            let (id, length) = (u16_at(extra, 0), u16_at(extra, 2) as usize);
            let Some(data) = extra.get(4..4 + length) else {
                return;
            };
            if id == 1 {
                let mut at = 0;
                for number in [&mut self.size, &mut self.compressed, &mut self.offset] {
                    if *number == 0xffff_ffff && data.len() >= at + 8 {
                        *number = u64_at(data, at);
                        at += 8;
                    }
                }
            }
            extra = &extra[4 + length..];
        }
    }

    fn is_link(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }

    /// Where the bytes of the entry begin, and the name that stands there.
    fn data<'a>(&self, archive: &'a [u8]) -> Result<(u64, &'a [u8]), BodyError> {
        let head = part(archive, self.offset, 30)?;
        let differs = || invalid(format!("entry {:?} is told in two ways", shortened(&self.name)));
        if !head.starts_with(LOCAL) || u16_at(head, 8) != self.method || u16_at(head, 6) & 1 != 0 {
            return Err(differs());
        }
        // With this flag they follow the data.
        let follow = u16_at(head, 6) & 8 != 0;
        let told = [(14, self.crc), (18, self.compressed), (22, self.size)];
        for (at, expected) in told {
            let found = u32_at(head, at);
            if !(follow && found == 0 || found == expected || found == 0xffff_ffff) {
                return Err(differs());
            }
        }
        let (name, extra) = (u16_at(head, 26), u16_at(head, 28));
        let start = self.offset + 30 + name + extra;
        Ok((start, part(archive, self.offset + 30, name)?))
    }

    fn content(&self, data: &[u8]) -> Result<Vec<u8>, BodyError> {
        let mut content = Vec::new();
        let read = match self.method {
            0 => data.take(self.size + 1).read_to_end(&mut content),
            _ => DeflateDecoder::new(data)
                .take(self.size + 1)
                .read_to_end(&mut content),
        };
        let mut crc = Crc::new();
        crc.update(&content);
        if read.is_err() || content.len() as u64 != self.size || u64::from(crc.sum()) != self.crc {
            return Err(invalid(format!("entry {:?} is corrupt", shortened(&self.name))));
        }
        Ok(content)
    }
}
