//! Reads a tar archive entry by entry, and stops where it is too much.

use std::cell::Cell;
use std::io::{self, Read};

use ::tar::{Archive, Entry};

/// The most bytes of headers before an entry, names of any length included; Go's reader takes as much for one name.
const HEADERS: u64 = 1 << 20;

/// How much may be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of everything that is unpacked, with what an archive has around it.
    pub bytes: u64,
    /// Entries of an archive.
    pub entries: usize,
}

/// Why an archive was not read to its end.
#[derive(Debug)]
pub enum WalkError<E> {
    /// It is longer than is allowed, with everything that it has around its entries.
    TooLarge(u64),
    /// It has more entries than are allowed.
    TooMany(usize),
    /// The headers of an entry are longer than any name.
    LongHeaders(u64),
    /// It cannot be read.
    Read(io::Error),
    /// Whoever looked at an entry has refused it.
    Refused(E),
}

/// Why a look at an entry failed.
#[derive(Debug)]
pub enum Stop<E> {
    /// It cannot be read.
    Read(io::Error),
    /// It is refused.
    Refused(E),
}

impl<E> From<io::Error> for Stop<E> {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// An archive as far as it may be read.
pub struct Metered<'m, R> {
    inner: R,
    meter: &'m Meter,
}

/// How much may still be read, and what was too much.
struct Meter {
    left: Cell<u64>,
    /// Of the headers that are being read, if they are.
    headers: Cell<Option<u64>>,
    exceeded: Cell<Option<Exceeded>>,
}

#[derive(Clone, Copy)]
enum Exceeded {
    Total,
    Headers,
}

impl Meter {
    fn count(&self, bytes: u64) -> Option<Exceeded> {
        let Some(left) = self.left.get().checked_sub(bytes) else {
            return Some(Exceeded::Total);
        };
        self.left.set(left);
        if let Some(headers) = self.headers.get() {
            let Some(left) = headers.checked_sub(bytes) else {
                return Some(Exceeded::Headers);
            };
            self.headers.set(Some(left));
        }
        None
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.meter.count(count as u64) {
            None => Ok(count),
            exceeded => {
                self.meter.exceeded.set(exceeded);
                Err(io::Error::other("too much"))
            }
        }
    }
}

/// Hands each entry of an uncompressed archive to `visit`; all of the archive is read, to the check sum of what it comes from.
///
/// What an entry expands to is the visitor's to bound: a sparse file has zeros that are not in the archive.
///
/// # Errors
/// See [`WalkError`].
pub fn walk<R: Read, E>(
    archive: R,
    limits: Limits,
    mut visit: impl FnMut(&mut Entry<'_, Metered<'_, R>>) -> Result<(), Stop<E>>,
) -> Result<(), WalkError<E>> {
    let meter = Meter {
        left: Cell::new(limits.bytes),
        headers: Cell::new(None),
        exceeded: Cell::new(None),
    };
    let failed = |error: io::Error| match meter.exceeded.get() {
        Some(Exceeded::Total) => WalkError::TooLarge(limits.bytes),
        Some(Exceeded::Headers) => WalkError::LongHeaders(HEADERS),
        None => WalkError::Read(error),
    };
    let mut tar = Archive::new(Metered {
        inner: archive,
        meter: &meter,
    });
    let mut count = 0;
    let mut entries = tar.entries().map_err(failed)?;
    loop {
        // The tar reader keeps them in memory.
        meter.headers.set(Some(HEADERS));
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(failed)?;
        meter.headers.set(None);
        if count >= limits.entries {
            return Err(WalkError::TooMany(limits.entries));
        }
        count += 1;
        visit(&mut entry).map_err(|stop| match stop {
            Stop::Read(error) => failed(error),
            Stop::Refused(refusal) => WalkError::Refused(refusal),
        })?;
        // What is left of it is no header of the next.
        io::copy(&mut entry, &mut io::sink()).map_err(failed)?;
    }
    meter.headers.set(None);
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(failed)?;
    Ok(())
}
