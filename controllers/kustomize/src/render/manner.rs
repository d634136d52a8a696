//! How a build is done, and when it ends early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sops::KeyService;

/// How a build is done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manner<'k> {
    /// What encrypted files are decrypted with, if they are.
    pub(crate) keys: Option<&'k dyn KeyService>,
    /// Whether variables that are not set are errors.
    pub(crate) strict: bool,
    /// Why variables are not at hand, if they are not: nobody is told before an object would need them.
    pub(crate) lacks: Option<&'k str>,
}

/// Ends a build when it is dropped, so that one that nobody waits for any more does not keep a core.
#[derive(Debug, Default)]
pub(crate) struct EndOnDrop(Arc<AtomicBool>);

impl EndOnDrop {
    /// The flag that the build looks at, see [`kustomize::Options::cancelled`].
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
