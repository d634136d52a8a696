//! What was hashed before.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use flux_archive::ArchiveError;

use crate::tree::Tree;

/// The most trees that are remembered, of some 200 bytes each.
const MOST: usize = 4096;

/// Remembers the content hashes of trees by their fingerprints, for as long as there is room.
///
/// With it, an output whose files are those of before costs a hash of their names, and not of all their bytes.
#[derive(Debug, Default)]
pub struct Memo(Mutex<HashMap<[u8; 32], String>>);

impl Memo {
    /// Gives [`Tree::content_hash`], which is not computed again for files that it was computed for before.
    ///
    /// # Errors
    /// See [`Tree::content_hash`].
    pub fn content_hash(&self, tree: &Tree) -> Result<String, ArchiveError> {
        let fingerprint = tree.fingerprint();
        // A panic of somebody else left it as it was: an entry is there as a whole or not at all.
        let known = |known: &HashMap<_, String>| known.get(&fingerprint).cloned();
        if let Some(known) = known(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(known);
        }
        let content = tree.content_hash()?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(fingerprint, content.clone());
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_would_be_computed() {
        let memo = Memo::default();
        let trees = |at: usize| -> Tree { [("a", at.to_string())].into_iter().collect() };
        for at in [0, 1, 0, 1] {
            let tree = trees(at);
            let computed = tree.content_hash().expect("a clean path");
            assert_eq!(memo.content_hash(&tree).expect("a clean path"), computed);
        }
        assert_eq!(memo.0.lock().expect("nobody panicked").len(), 2);
        for at in 0..MOST {
            memo.content_hash(&trees(at)).expect("a clean path");
        }
        assert!(memo.0.lock().expect("nobody panicked").len() <= MOST);
    }
}
