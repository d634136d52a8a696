//! Packet lines, as a server sends and takes them.

use std::io::{ErrorKind, Read};

use gix_packetline::decode::{PacketLineOrWantedSize, hex_prefix};
use gix_packetline::{BandRef, PacketLineRef};
use kustomize::RemoteError;

use crate::NetworkError;
use crate::bounds::Bounds;

/// Characters of a message of the server that are shown.
const SHOWN: usize = 500;

/// What kind of line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Data,
    Flush,
    /// The end of a section, or of the answer.
    Mark,
}

/// Lines that a server sends, one after the other.
pub(crate) struct Packets<'a> {
    body: Box<dyn Read + Send>,
    /// What the server may still send.
    left: u64,
    line: Vec<u8>,
    bounds: Bounds<'a>,
}

impl<'a> Packets<'a> {
    /// Reads a body, and no more than so many bytes of it.
    pub(crate) fn new(body: Box<dyn Read + Send>, bytes: u64, bounds: Bounds<'a>) -> Self {
        Self {
            body,
            left: bytes,
            line: Vec::new(),
            bounds,
        }
    }

    /// Reads the next line; a server that has something to complain about is an error.
    pub(crate) fn advance(&mut self) -> Result<Line, RemoteError> {
        self.bounds.check()?;
        self.fill(4)?;
        let length = match hex_prefix(&self.line).map_err(|_| nonsense())? {
            PacketLineOrWantedSize::Wanted(length) => usize::from(length),
            PacketLineOrWantedSize::Line(PacketLineRef::Flush) => return Ok(Line::Flush),
            PacketLineOrWantedSize::Line(_) => return Ok(Line::Mark),
        };
        self.fill(length)?;
        match PacketLineRef::Data(&self.line).check_error() {
            Some(error) => Err(said(error.0)),
            None => Ok(Line::Data),
        }
    }

    /// The line that was read last, without its end.
    pub(crate) fn text(&self) -> &[u8] {
        self.line.strip_suffix(b"\n").unwrap_or(&self.line)
    }

    /// The data that was read last, if it is some; progress is not, and an error of the server is one.
    pub(crate) fn data(&self) -> Result<Option<&[u8]>, RemoteError> {
        match PacketLineRef::Data(&self.line).decode_band() {
            Ok(BandRef::Data(data)) => Ok(Some(data)),
            Ok(BandRef::Progress(_)) => Ok(None),
            Ok(BandRef::Error(text)) => Err(said(text)),
            Err(_) => Err(nonsense()),
        }
    }

    fn fill(&mut self, length: usize) -> Result<(), RemoteError> {
        let left = self.left.checked_sub(length as u64);
        self.left = left.ok_or_else(|| self.bounds.network_error(NetworkError::TooLarge))?;
        self.line.resize(length, 0);
        match self.body.read_exact(&mut self.line) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                let text = "the server ended its answer too early";
                Err(self.bounds.network_error(NetworkError::Failed(text.to_owned())))
            }
            Err(error) => Err(self.bounds.network_error(NetworkError::from(error))),
        }
    }
}

/// Appends a line to a request.
pub(crate) fn push(request: &mut Vec<u8>, text: &str) {
    request.extend_from_slice(format!("{:04x}{text}\n", text.len() + 5).as_bytes());
}

/// Ends a request.
pub(crate) const FLUSH: &[u8] = b"0000";
/// Ends a section of a request.
pub(crate) const DELIMITER: &[u8] = b"0001";

pub(crate) fn nonsense() -> RemoteError {
    RemoteError::Failed("the server answers with something that is not git's protocol".to_owned())
}

/// What the server says is wrong.
fn said(text: &[u8]) -> RemoteError {
    let shown: String = String::from_utf8_lossy(text)
        .trim()
        .chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    RemoteError::Failed(format!("remote error: {shown}"))
}
