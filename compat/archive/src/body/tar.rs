//! Tar archives, as they come from anywhere.

use std::cell::Cell;
use std::io::{self, Read};

use tar::{Archive, Entry};

use super::{Body, BodyError, Limits, clean, shortened};

/// The most bytes of headers before an entry, names of any length included.
const HEADERS: u64 = 1 << 20;

/// Tells whether some bytes begin a tar archive: by its magic, or by the check sum that even the oldest have.
pub(super) fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else {
        return false;
    };
    if &block[257..262] == b"ustar" {
        return true;
    }
    let text = std::str::from_utf8(&block[148..156]).unwrap_or_default();
    let digits = text.trim_matches([' ', '\0']);
    let Ok(expected) = u64::from_str_radix(digits, 8) else {
        return false;
    };
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte }))
        .sum();
    block[0] != 0 && sum == expected
}

/// How much may still be read, and what was too much.
struct Meter {
    left: Cell<u64>,
    headers: Cell<Option<u64>>,
    exceeded: Cell<bool>,
    long: Cell<bool>,
}

struct Metered<'a, R> {
    inner: R,
    meter: &'a Meter,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let Some(left) = self.meter.left.get().checked_sub(count as u64) else {
            self.meter.exceeded.set(true);
            return Err(io::Error::other("too much"));
        };
        self.meter.left.set(left);
        if let Some(headers) = self.meter.headers.get() {
            let Some(headers) = headers.checked_sub(count as u64) else {
                self.meter.long.set(true);
                return Err(io::Error::other("too long headers"));
            };
            self.meter.headers.set(Some(headers));
        }
        Ok(count)
    }
}

/// Reads a tar archive to its end; links are left out, and anything else that is no file and no directory is refused.
pub(super) fn read(archive: impl Read, limits: Limits) -> Result<Body, BodyError> {
    let meter = Meter {
        left: Cell::new(limits.bytes),
        headers: Cell::new(None),
        exceeded: Cell::new(false),
        long: Cell::new(false),
    };
    let failed = |error: io::Error| {
        if meter.exceeded.get() {
            BodyError::TooLarge(limits.bytes)
        } else if meter.long.get() {
            BodyError::invalid(format!(
                "it has an entry whose name or headers are longer than {HEADERS} bytes"
            ))
        } else {
            BodyError::invalid(format!("it is not a valid tar archive: {error}"))
        }
    };
    let mut tar = Archive::new(Metered {
        inner: archive,
        meter: &meter,
    });
    let (mut body, mut count) = (Body::default(), 0);
    let mut entries = tar.entries().map_err(failed)?;
    loop {
        meter.headers.set(Some(HEADERS));
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(failed)?;
        meter.headers.set(None);
        count += 1;
        if count > limits.entries {
            return Err(BodyError::TooMany(limits.entries));
        }
        take(&mut body, &mut entry, &failed)?;
        io::copy(&mut entry, &mut io::sink()).map_err(failed)?;
    }
    meter.headers.set(None);
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(failed)?;
    body.without_clashes()
}

fn take<R: Read>(
    body: &mut Body,
    entry: &mut Entry<'_, R>,
    failed: &impl Fn(io::Error) -> BodyError,
) -> Result<(), BodyError> {
    let kind = entry.header().entry_type();
    if kind.is_pax_global_extensions() {
        return Ok(());
    }
    let path = entry.path_bytes().into_owned();
    let path = String::from_utf8(path).map_err(|error| {
        BodyError::invalid(format!(
            "entry {:?} has a name that is no UTF-8",
            shortened(&String::from_utf8_lossy(error.as_bytes()))
        ))
    })?;
    if kind.is_symlink() || kind.is_hard_link() {
        body.leave_out(&path);
        return Ok(());
    }
    let is_file = kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse();
    if !is_file && !kind.is_dir() {
        let path = shortened(&path);
        return Err(BodyError::invalid(format!(
            "entry {path:?} is neither a file, a directory nor a link"
        )));
    }
    let clean = clean(&path)?;
    if kind.is_dir() {
        return Ok(());
    }
    let Some(clean) = clean else {
        return Err(BodyError::invalid("a file has the name of the root"));
    };
    let executable = entry.header().mode().map_err(failed)? & 0o111 != 0;
    let announced = entry.size();
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(failed)?;
    if (content.len() as u64) < announced {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    body.add(clean, content, executable);
    Ok(())
}
