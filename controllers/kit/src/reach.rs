//! Whether a cluster answers: found out once for all who ask, and remembered for a moment.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A cluster that has just answered is there.
const ANSWERED: Duration = Duration::from_secs(30);

/// A cluster that has just not answered is not there yet; requests do not try either.
const SILENT: Duration = Duration::from_secs(15);

/// What was found out, and when.
type Found = (Instant, Result<(), Arc<str>>);

/// What is known about a cluster that may be out of reach.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    last: RwLock<Option<Found>>,
    /// Held by whoever asks.
    asking: Mutex<()>,
}

impl Reach {
    /// Gives what is known, as long as it counts.
    fn known(&self) -> Option<Result<(), Arc<str>>> {
        let last = self.last.read();
        let (at, found) = last.as_ref()?;
        let counts = if found.is_ok() { ANSWERED } else { SILENT };
        (at.elapsed() < counts).then(|| found.clone())
    }

    /// Tells whether nothing is known that counts.
    pub(crate) fn has_to_find_out(&self) -> bool {
        self.known().is_none()
    }

    /// Tells why the cluster does not answer, if that is known.
    pub(crate) fn silence(&self) -> Option<Arc<str>> {
        self.known().and_then(Result::err)
    }

    /// Finds out, by `asking`, unless it is known; whoever comes while somebody else asks waits for that answer.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub(crate) async fn find_out(
        &self,
        asking: impl Future<Output = Result<(), String>>,
    ) -> Result<(), Arc<str>> {
        if let Some(known) = self.known() {
            return known;
        }
        let _asking = self.asking.lock().await;
        if let Some(known) = self.known() {
            return known;
        }
        let found = asking.await.map_err(Arc::<str>::from);
        *self.last.write() = Some((Instant::now(), found.clone()));
        found
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_asks_for_all_and_the_answer_counts_for_a_while() {
        let (reach, asked) = (Reach::default(), AtomicUsize::new(0));
        let silent = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(30)).await;
            Err("no answer".to_owned())
        };
        assert!(reach.has_to_find_out() && reach.silence().is_none());
        let begun = Instant::now();
        let (one, other) = tokio::join!(reach.find_out(silent()), reach.find_out(silent()));
        assert!(one.is_err() && other.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(begun.elapsed(), Duration::from_secs(30), "nobody waits twice");
        assert_eq!(reach.silence().as_deref(), Some("no answer"));

        tokio::time::advance(SILENT).await;
        assert!(reach.silence().is_none(), "it may be back");
        assert!(reach.find_out(async { Ok(()) }).await.is_ok());
        tokio::time::advance(ANSWERED.checked_sub(Duration::from_secs(1)).unwrap()).await;
        assert!(reach.find_out(silent()).await.is_ok(), "it is not asked");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(reach.find_out(silent()).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
