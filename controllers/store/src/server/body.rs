//! The bytes of a file, as fast as the client takes them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::Body;

/// Bytes that are read at once, and that a connection takes in memory.
const PIECE: usize = 128 << 10;

/// A part of a file, which is read piece by piece.
pub(super) fn of_file(file: File, start: u64, length: u64) -> Body {
    let file = Arc::new(file);
    let pieces = stream::try_unfold((start, length), move |(at, left)| {
        let file = Arc::clone(&file);
        async move {
            if left == 0 {
                return Ok::<_, io::Error>(None);
            }
            let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; wanted];
                // The file was as long as it was said to be when it was opened, and nobody writes to it.
                file.read_exact_at(&mut piece, at).map(|()| piece)
            });
            let piece = read.await.map_err(io::Error::other)??;
            let read = piece.len() as u64;
            let frame = Frame::data(Bytes::from(piece));
            Ok(Some((frame, (at + read, left - read))))
        }
    });
    BodyExt::boxed_unsync(StreamBody::new(pieces))
}
