//! When every source that there was at the start has been mirrored.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::SourceId;

/// Tells by a token when the last source of the start has been looked at.
pub(crate) struct FirstLook {
    /// Sources that have not been looked at; `None` before it is known which there are.
    pending: Mutex<Option<HashSet<SourceId>>>,
    done: CancellationToken,
}

impl FirstLook {
    pub(crate) fn new(done: CancellationToken) -> Self {
        Self {
            pending: Mutex::default(),
            done,
        }
    }

    /// Says which sources there are; each has to be looked at after this.
    pub(crate) fn begin(&self, sources: &[SourceId]) {
        *self.pending.lock() = Some(sources.iter().cloned().collect());
        self.check();
    }

    pub(crate) fn looked_at(&self, source: &SourceId) {
        if let Some(pending) = &mut *self.pending.lock() {
            pending.remove(source);
        }
        self.check();
    }

    fn check(&self) {
        if self.pending.lock().as_ref().is_some_and(HashSet::is_empty) {
            self.done.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SourceKind;

    #[test]
    fn the_last_source_of_the_start_ends_it() {
        let source = |name: &str| SourceId {
            kind: SourceKind::Bucket,
            namespace: "apps".into(),
            name: name.into(),
        };
        let done = CancellationToken::new();
        let look = FirstLook::new(done.clone());
        look.looked_at(&source("a"));
        assert!(!done.is_cancelled(), "nobody knows yet which there are");
        look.begin(&[source("a"), source("b")]);
        look.looked_at(&source("b"));
        look.looked_at(&source("c"));
        assert!(!done.is_cancelled());
        look.looked_at(&source("a"));
        assert!(done.is_cancelled());
    }
}
