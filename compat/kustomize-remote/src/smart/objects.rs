//! The objects of a pack on disk: read piece by piece, so that their size costs no memory.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use flate2::{Decompress, FlushDecompress, Status};
use gix_hash::ObjectId;
use gix_object::Kind;
use kustomize::RemoteError;

use crate::bounds::{Bounds, Room, io_error};

/// Bytes that are read, or handed on, at once.
pub(super) const PIECE: usize = 32 * 1024;

pub(super) fn damaged() -> RemoteError {
    RemoteError::Failed("the server sends a damaged pack".to_owned())
}

/// A pack, read from any place of it.
pub(super) struct PackReader {
    pack: File,
    window: Vec<u8>,
    /// Where the window is in the pack, and how much of it is filled.
    window_at: u64,
    filled: usize,
    /// What is read next.
    at: u64,
    inflate: Decompress,
}

impl PackReader {
    pub(super) fn new(pack: File) -> Self {
        Self {
            pack,
            window: vec![0; PIECE],
            window_at: 0,
            filled: 0,
            at: 0,
            inflate: Decompress::new(true),
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.at
    }

    pub(super) fn seek(&mut self, at: u64) {
        self.at = at;
    }

    /// Makes the window begin at or before what is read next, and gives where in it that is.
    fn fill(&mut self) -> io::Result<usize> {
        let offset = self.at.checked_sub(self.window_at);
        if let Some(offset) = offset.filter(|offset| *offset < self.filled as u64) {
            return Ok(offset as usize);
        }
        self.filled = 0;
        self.filled = self.pack.read_at(&mut self.window, self.at)?;
        self.window_at = self.at;
        Ok(0)
    }

    /// Reads one byte that is not compressed.
    pub(super) fn byte(&mut self) -> Result<u8, RemoteError> {
        let offset = self.fill().map_err(io_error)?;
        let byte = self.window[..self.filled].get(offset).ok_or_else(damaged)?;
        self.at += 1;
        Ok(*byte)
    }

    /// Begins to read what is compressed.
    pub(super) fn begin(&mut self) {
        self.inflate.reset(true);
    }

    /// Reads what is compressed; nothing at its end.
    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, RemoteError> {
        loop {
            let offset = self.fill().map_err(io_error)?;
            let input = &self.window[offset..self.filled];
            let before = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(input, out, FlushDecompress::None);
            let status = status.map_err(|_| damaged())?;
            let read = self.inflate.total_in() - before.0;
            let written = (self.inflate.total_out() - before.1) as usize;
            self.at += read;
            if written > 0 || status == Status::StreamEnd {
                return Ok(written);
            }
            if read == 0 {
                return Err(damaged());
            }
        }
    }

    /// Reads what is compressed here, which has to have this size, to its end.
    pub(super) fn inflate(
        &mut self,
        size: u64,
        bounds: &Bounds<'_>,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), RemoteError>,
    ) -> Result<(), RemoteError> {
        self.begin();
        let mut piece = vec![0; PIECE];
        let mut left = size;
        while left > 0 {
            bounds.check()?;
            let longest = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = self.read(&mut piece[..longest])?;
            if read == 0 {
                return Err(damaged());
            }
            sink(&piece[..read])?;
            left -= read as u64;
        }
        self.end()
    }

    /// Checks that there is nothing more.
    pub(super) fn end(&mut self) -> Result<(), RemoteError> {
        match self.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(damaged()),
        }
    }
}

/// Objects that are not in the pack as a whole, one behind the other.
pub(super) struct Scratch {
    file: File,
    end: u64,
    unwritten: Vec<u8>,
}

impl Scratch {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            end: 0,
            unwritten: Vec::with_capacity(PIECE * 2),
        }
    }

    /// Where the next object begins.
    pub(super) fn end(&self) -> u64 {
        self.end + self.unwritten.len() as u64
    }

    pub(super) fn append(&mut self, piece: &[u8]) -> Result<(), RemoteError> {
        self.unwritten.extend_from_slice(piece);
        if self.unwritten.len() >= PIECE {
            self.flush()?;
        }
        Ok(())
    }

    /// Makes everything readable.
    pub(super) fn flush(&mut self) -> Result<(), RemoteError> {
        self.file
            .write_all_at(&self.unwritten, self.end)
            .map_err(io_error)?;
        self.end += self.unwritten.len() as u64;
        self.unwritten.clear();
        Ok(())
    }

    pub(super) fn read(&self, buffer: &mut [u8], at: u64) -> Result<(), RemoteError> {
        self.file.read_exact_at(buffer, at).map_err(io_error)
    }
}

/// One object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// `None` until it is known, which needs the base of a delta.
    pub(super) kind: Option<Kind>,
    /// As a whole.
    pub(super) size: u64,
    /// Where its compressed bytes are in the pack.
    pub(super) packed: u64,
    /// Where it is as a whole in the scratch file, if it is there.
    pub(super) whole: Option<u64>,
}

/// The objects of a pack by their names.
pub(super) struct Objects<'a> {
    pub(super) reader: PackReader,
    pub(super) scratch: Scratch,
    pub(super) entries: Vec<Entry>,
    pub(super) names: HashMap<ObjectId, u32>,
    pub(super) room: &'a Room,
    /// What was taken of the room.
    pub(super) taken: u64,
}

impl Drop for Objects<'_> {
    fn drop(&mut self) {
        self.room.give_back(self.taken);
    }
}

impl Objects<'_> {
    /// Takes room for bytes of the pack, or made of it.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), RemoteError> {
        self.room.take(bytes)?;
        self.taken += bytes;
        Ok(())
    }

    /// Gives the kind and the size of an object.
    pub(super) fn find(&self, id: &gix_hash::oid) -> Result<(Kind, u64), RemoteError> {
        let entry = self.entry(id)?;
        Ok((entry.kind.ok_or_else(damaged)?, entry.size))
    }

    fn entry(&self, id: &gix_hash::oid) -> Result<Entry, RemoteError> {
        let found = self.names.get(id).and_then(|at| self.entries.get(*at as usize));
        found.copied().ok_or_else(|| {
            let text = format!("the server has left out the object {id}");
            RemoteError::Failed(text)
        })
    }

    /// Reads an object of some kind as a whole.
    pub(super) fn read(
        &mut self,
        id: &gix_hash::oid,
        kind: Kind,
        limit: u64,
        bounds: &Bounds<'_>,
    ) -> Result<Vec<u8>, RemoteError> {
        let (found, size) = self.find(id)?;
        if found != kind {
            return Err(RemoteError::Failed(format!(
                "the object {id} is a {found}, not a {kind}"
            )));
        }
        if size > limit {
            let text = format!("the {kind} {id} is larger than {limit} bytes");
            return Err(RemoteError::TooLarge(text));
        }
        let mut bytes = Vec::new();
        self.copy(id, bounds, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// Hands an object on piece by piece.
    pub(super) fn copy(
        &mut self,
        id: &gix_hash::oid,
        bounds: &Bounds<'_>,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), RemoteError>,
    ) -> Result<(), RemoteError> {
        let entry = self.entry(id)?;
        let Some(mut at) = entry.whole else {
            self.reader.seek(entry.packed);
            return self.reader.inflate(entry.size, bounds, sink);
        };
        let mut piece = vec![0; PIECE];
        let end = at + entry.size;
        while at < end {
            bounds.check()?;
            let length = piece.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            self.scratch.read(&mut piece[..length], at)?;
            sink(&piece[..length])?;
            at += length as u64;
        }
        Ok(())
    }
}
