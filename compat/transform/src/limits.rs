//! How much one run of a transformation may take.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Problem;
use crate::memo::Memo;

/// Bounds on what a run may read and make; reaching one is an error that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files of one output, at any time. Default 100,000.
    pub files: usize,
    /// Bytes of the files of one output, at any time. Default 256 MiB.
    pub bytes: u64,
    /// Outputs of one transformation, discovered ones included. Default 1,000.
    pub outputs: usize,
    /// Bytes of the specifications of all outputs that are discovered. Default 64 MiB.
    pub discovered_bytes: u64,
    /// Paths that are compared with patterns, each component counting, all outputs together. Default 200,000,000.
    pub steps: u64,
    /// Bytes of a file that is merged, substituted, or read as values. Default 16 MiB.
    pub text_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 100_000,
            bytes: 256 << 20,
            outputs: 1_000,
            discovered_bytes: 64 << 20,
            steps: 200_000_000,
            text_bytes: 16 << 20,
        }
    }
}

/// What one run may still take, and whether it is still wanted.
#[derive(Clone, Debug)]
pub struct Work {
    limits: Limits,
    steps: Cell<u64>,
    cancelled: Option<Arc<AtomicBool>>,
    memo: Option<Arc<Memo>>,
}

impl Work {
    /// Begins a run within some bounds.
    pub fn within(limits: Limits) -> Self {
        Self {
            limits,
            steps: Cell::new(limits.steps),
            cancelled: None,
            memo: None,
        }
    }

    /// The same run, which remembers what it hashes, and need not do so again.
    #[must_use]
    pub fn remembering(mut self, memo: Arc<Memo>) -> Self {
        self.memo = Some(memo);
        self
    }

    /// The same run, which ends soon after the flag becomes true.
    #[must_use]
    pub fn until(mut self, cancelled: Arc<AtomicBool>) -> Self {
        self.cancelled = Some(cancelled);
        self
    }

    /// Gives the bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Tells whether nobody wants it any more.
    pub fn is_cancelled(&self) -> bool {
        let cancelled = self.cancelled.as_ref();
        cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Relaxed))
    }

    pub(crate) fn memo(&self) -> Option<&Memo> {
        self.memo.as_deref()
    }

    pub(crate) fn cancelled(&self) -> Option<&Arc<AtomicBool>> {
        self.cancelled.as_ref()
    }

    /// Takes steps.
    pub(crate) fn spend(&self, steps: u64) -> Result<(), Problem> {
        let Some(left) = self.steps.get().checked_sub(steps) else {
            let what = "the number of comparisons of paths with patterns";
            return Err(Problem::limit(what, self.limits.steps));
        };
        self.steps.set(left);
        if self.is_cancelled() {
            return Err(Problem::Cancelled);
        }
        Ok(())
    }
}
