//! Counts what is read of an archive, and stops where it is too much.

use std::cell::Cell;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

/// The most bytes of headers before an entry, names of any length included; Go's reader takes as much for one name.
const HEADERS: u64 = 1 << 20;

/// What was too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// All of the archive.
    Total,
    /// The headers of one entry, with the most that they may take.
    Headers(u64),
}

/// How much may still be read.
#[derive(Debug)]
pub(super) struct Meter {
    left: Cell<u64>,
    /// Of the headers that are being read, if they are.
    headers: Cell<Option<u64>>,
    exceeded: Cell<Option<Exceeded>>,
}

impl Meter {
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            left: Cell::new(bytes),
            headers: Cell::new(None),
            exceeded: Cell::new(None),
        }
    }

    /// What is read from here on is the headers of one entry, which the tar reader keeps in memory.
    pub(super) fn enter_headers(&self) {
        self.headers.set(Some(HEADERS));
    }

    pub(super) fn leave_headers(&self) {
        self.headers.set(None);
    }

    /// Tells what was too much, if reading was stopped for that.
    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded.get()
    }

    fn count(&self, bytes: u64) -> Option<Exceeded> {
        let Some(left) = self.left.get().checked_sub(bytes) else {
            return Some(Exceeded::Total);
        };
        self.left.set(left);
        if let Some(headers) = self.headers.get() {
            let Some(left) = headers.checked_sub(bytes) else {
                return Some(Exceeded::Headers(HEADERS));
            };
            self.headers.set(Some(left));
        }
        None
    }
}

/// An uncompressed archive as far as its meter lets it be read.
pub(super) struct Metered<'a> {
    plain: MultiGzDecoder<&'a [u8]>,
    meter: &'a Meter,
}

impl<'a> Metered<'a> {
    pub(super) fn new(plain: MultiGzDecoder<&'a [u8]>, meter: &'a Meter) -> Self {
        Self { plain, meter }
    }
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.plain.read(buffer)?;
        match self.meter.count(count as u64) {
            None => Ok(count),
            exceeded => {
                self.meter.exceeded.set(exceeded);
                Err(io::Error::other("too much"))
            }
        }
    }
}
