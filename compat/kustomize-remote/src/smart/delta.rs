//! An object that is told by what differs from another one.

use kustomize::RemoteError;

use super::objects::{PIECE, PackReader, Scratch, damaged};
use crate::bounds::Bounds;

/// Bases up to this size are read at once, and others where a delta needs them.
const SMALL: u64 = 256 * 1024;
/// Instructions between two looks at the time.
const CHECK_EVERY: u32 = 1024;

/// Where the base of a delta is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    pub(super) at: u64,
    pub(super) size: u64,
}

/// A delta, read from a pack.
pub(super) struct Delta<'a> {
    reader: &'a mut PackReader,
    piece: Vec<u8>,
    at: usize,
    /// What the object will be as a whole.
    pub(super) size: u64,
}

impl<'a> Delta<'a> {
    /// Reads the head of the delta where the reader stands, which has to fit its base.
    pub(super) fn new(reader: &'a mut PackReader, base: Base) -> Result<Self, RemoteError> {
        reader.begin();
        let mut delta = Self {
            reader,
            piece: Vec::new(),
            at: 0,
            size: 0,
        };
        if delta.number()? != base.size {
            return Err(damaged());
        }
        delta.size = delta.number()?;
        Ok(delta)
    }

    /// Makes the object, piece by piece.
    pub(super) fn apply(
        mut self,
        base: Base,
        scratch: &mut Scratch,
        bounds: &Bounds<'_>,
        seen: &mut dyn FnMut(&[u8]),
    ) -> Result<(), RemoteError> {
        scratch.flush()?;
        let mut small = Vec::new();
        if base.size <= SMALL {
            small.resize(base.size as usize, 0);
            scratch.read(&mut small, base.at)?;
        }
        let mut left = self.size;
        let mut piece = Vec::with_capacity(PIECE);
        let mut looks = 0_u32;
        while let Some(instruction) = self.next()? {
            if looks.is_multiple_of(CHECK_EVERY) {
                bounds.check()?;
            }
            looks = looks.wrapping_add(1);
            if instruction & 0x80 == 0 {
                // The bytes themselves; nothing stands for none.
                if instruction == 0 {
                    return Err(damaged());
                }
                piece.clear();
                for _ in 0..instruction {
                    piece.push(self.next()?.ok_or_else(damaged)?);
                }
                left = left.checked_sub(piece.len() as u64).ok_or_else(damaged)?;
                seen(&piece);
                scratch.append(&piece)?;
                continue;
            }
            let (mut from, length) = self.copied(instruction)?;
            let end = from + length;
            if end > base.size {
                return Err(damaged());
            }
            left = left.checked_sub(length).ok_or_else(damaged)?;
            while from < end {
                let longest = (end - from).min(PIECE as u64);
                if base.size <= SMALL {
                    let bytes = &small[from as usize..(from + longest) as usize];
                    seen(bytes);
                    scratch.append(bytes)?;
                } else {
                    bounds.check()?;
                    piece.resize(longest as usize, 0);
                    scratch.read(&mut piece, base.at + from)?;
                    seen(&piece);
                    scratch.append(&piece)?;
                }
                from += longest;
            }
        }
        if left == 0 { Ok(()) } else { Err(damaged()) }
    }

    /// What an instruction copies from the base: where it is, and how much.
    fn copied(&mut self, instruction: u8) -> Result<(u64, u64), RemoteError> {
        let mut numbers = [0_u64; 2];
        for bit in 0..7 {
            if instruction & (1 << bit) != 0 {
                let byte = u64::from(self.next()?.ok_or_else(damaged)?);
                let (number, shift) = if bit < 4 { (0, bit) } else { (1, bit - 4) };
                numbers[number] |= byte << (8 * shift);
            }
        }
        let [from, length] = numbers;
        Ok((from, if length == 0 { 0x10000 } else { length }))
    }

    /// A number, the smallest digits first.
    fn number(&mut self) -> Result<u64, RemoteError> {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let byte = self.next()?.ok_or_else(damaged)?;
            if shift > 56 {
                return Err(damaged());
            }
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
    }

    fn next(&mut self) -> Result<Option<u8>, RemoteError> {
        if self.at == self.piece.len() {
            self.piece.resize(PIECE, 0);
            let read = self.reader.read(&mut self.piece)?;
            self.piece.truncate(read);
            self.at = 0;
        }
        let byte = self.piece.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        Ok(byte)
    }
}
