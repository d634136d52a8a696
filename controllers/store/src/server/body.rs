//! The bytes of a file, as fast as the client takes them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::Body;

/// Bytes that are read at once, and that a connection takes in memory. No more wait to be written than one piece.
pub(super) const PIECE: usize = 64 << 10;

/// A part of a file, which is read piece by piece, each when `places` has one.
///
/// A piece goes from the page cache into the buffer of the connection, and from there to the kernel, or through TLS. The buffer comes
/// back when it has been written, so that a download takes one of them, or two, however long it is.
pub(super) fn of_file(file: File, start: u64, length: u64, places: Arc<Semaphore>) -> Body {
    let reading = Arc::new(Reading {
        file,
        spare: Mutex::default(),
        places,
    });
    let pieces = stream::try_unfold((start, length), move |(at, left)| {
        let reading = Arc::clone(&reading);
        async move {
            if left == 0 {
                return Ok::<_, io::Error>(None);
            }
            let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let piece = reading.piece(at, wanted).await?;
            let frame = Frame::data(piece);
            let read = wanted as u64;
            Ok(Some((frame, (at + read, left - read))))
        }
    });
    BodyExt::boxed_unsync(StreamBody::new(pieces))
}

/// A file that is read for one client.
struct Reading {
    file: File,
    /// A buffer that nobody uses.
    spare: Mutex<Option<Vec<u8>>>,
    places: Arc<Semaphore>,
}

impl Reading {
    async fn piece(self: &Arc<Self>, at: u64, length: usize) -> io::Result<Bytes> {
        // It is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let reading = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            let mut buffer = reading.spare.lock().take().unwrap_or_else(|| vec![0; PIECE]);
            let piece = buffer.get_mut(..length).unwrap_or_default();
            // The file was as long as it was said to be when it was opened, and nobody writes to it.
            reading.file.read_exact_at(piece, at)?;
            drop(place);
            Ok::<_, io::Error>(Lent {
                buffer,
                length,
                of: Arc::clone(&reading),
            })
        });
        let lent = read.await.map_err(io::Error::other)??;
        Ok(Bytes::from_owner(lent))
    }
}

/// A buffer with a piece, which goes back when the piece was written.
struct Lent {
    buffer: Vec<u8>,
    length: usize,
    of: Arc<Reading>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.of.spare.lock() = Some(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn buffers_come_back() {
        let mut file = tempfile::tempfile().expect("a file");
        let content: Vec<u8> = (0..3 * PIECE + 5).map(|at| (at % 251) as u8).collect();
        file.write_all(&content).expect("room");
        let reading = Arc::new(Reading {
            file,
            spare: Mutex::default(),
            places: Arc::new(Semaphore::new(1)),
        });
        let first = reading.piece(0, PIECE).await.expect("bytes");
        let second = reading.piece(PIECE as u64, PIECE).await.expect("bytes");
        assert_eq!(
            (&first[..], &second[..]),
            (&content[..PIECE], &content[PIECE..2 * PIECE])
        );
        let used = second.as_ptr();
        drop(second);
        let last = reading.piece(3 * PIECE as u64, 5).await.expect("bytes");
        assert_eq!((&last[..], last.as_ptr()), (&content[3 * PIECE..], used));
        assert!(
            reading.piece(3 * PIECE as u64, 6).await.is_err(),
            "it is not so long"
        );
        assert_eq!(reading.places.available_permits(), 1);
    }
}
