//! Tar archives, as they come from anywhere.

use std::io::{self, Read};

use ::tar::Entry;

use super::{Body, BodyError, Limits, clean, shortened};
use crate::walk::{Stop, WalkError, walk};

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

/// Reads a tar archive to its end; links are left out, and anything else that is no file and no directory is refused.
pub(super) fn read(archive: impl Read, limits: Limits) -> Result<Body, BodyError> {
    let (mut body, mut left) = (Body::default(), limits.bytes);
    let walked = walk(archive, limits, |entry| {
        let taken = take(&mut body, entry, left)?;
        let more = || Stop::Refused(BodyError::TooLarge(limits.bytes));
        left = left.checked_sub(taken).ok_or_else(more)?;
        Ok(())
    });
    walked.map_err(|error| match error {
        WalkError::TooLarge(limit) => BodyError::TooLarge(limit),
        WalkError::TooMany(limit) => BodyError::TooMany(limit),
        WalkError::LongHeaders(limit) => BodyError::invalid(format!(
            "it has an entry whose name or headers are longer than {limit} bytes"
        )),
        WalkError::Read(error) => BodyError::invalid(format!("it is not a valid tar archive: {error}")),
        WalkError::Refused(error) => error,
    })?;
    body.without_clashes()
}

/// Takes an entry, of which no more than `left` bytes are kept; gives how many there were, at least.
///
/// They need not be in the archive, where a sparse file leaves its zeros out.
fn take<R: Read>(body: &mut Body, entry: &mut Entry<'_, R>, left: u64) -> Result<u64, Stop<BodyError>> {
    let kind = entry.header().entry_type();
    if kind.is_pax_global_extensions() {
        return Ok(0);
    }
    let path = entry.path_bytes().into_owned();
    let path = String::from_utf8(path).map_err(|error| {
        refused(format!(
            "entry {:?} has a name that is no UTF-8",
            shortened(&String::from_utf8_lossy(error.as_bytes()))
        ))
    })?;
    if kind.is_symlink() || kind.is_hard_link() {
        body.leave_out(&path);
        return Ok(0);
    }
    let is_file = kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse();
    if !is_file && !kind.is_dir() {
        let path = shortened(&path);
        return Err(refused(format!(
            "entry {path:?} is neither a file, a directory nor a link"
        )));
    }
    let clean = clean(&path).map_err(Stop::Refused)?;
    if kind.is_dir() {
        return Ok(0);
    }
    let Some(clean) = clean else {
        return Err(refused("a file has the name of the root"));
    };
    let executable = entry.header().mode()? & 0o111 != 0;
    let announced = entry.size();
    let mut content = Vec::new();
    let kept = entry.by_ref().take(left.saturating_add(1));
    let length = { kept }.read_to_end(&mut content)? as u64;
    if length > left {
        return Ok(length);
    }
    if length < announced {
        return Err(Stop::Read(io::ErrorKind::UnexpectedEof.into()));
    }
    body.add(clean, content, executable);
    Ok(length)
}

fn refused(text: impl Into<String>) -> Stop<BodyError> {
    Stop::Refused(BodyError::invalid(text))
}
