//! The files that inputs had when they were read last, so that those of a new commit that are the same are not hashed again.

use std::collections::HashMap;
use std::sync::Arc;

use flux_transform::Tree;

/// How many bytes of files are kept at most, all inputs together; they are shared with the cache of artifacts where that has them.
const MOST: u64 = 64 << 20;

/// Files by the source that they are of; safe to lose.
#[derive(Default)]
pub(crate) struct LastRead {
    trees: HashMap<String, Arc<Tree>>,
    bytes: u64,
}

impl LastRead {
    pub(crate) fn get(&self, source: &str) -> Option<Arc<Tree>> {
        self.trees.get(source).cloned()
    }

    /// Keeps the files of a source in the place of those before, if there is room for them.
    pub(crate) fn keep(&mut self, source: &str, tree: &Arc<Tree>) {
        let before = self.trees.remove(source);
        self.bytes -= before.map_or(0, |tree| tree.bytes());
        let bytes = tree.bytes();
        if bytes > MOST {
            return;
        }
        if self.bytes + bytes > MOST {
            self.trees.clear();
            self.bytes = 0;
        }
        self.trees.insert(source.to_owned(), Arc::clone(tree));
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let of = |bytes: usize| -> Arc<Tree> { Arc::new([("a", vec![0; bytes])].into_iter().collect()) };
        let mut last = LastRead::default();
        last.keep("a", &of(40 << 20));
        last.keep("a", &of(10 << 20));
        last.keep("b", &of(30 << 20));
        assert_eq!((last.trees.len(), last.bytes), (2, 40 << 20));
        last.keep("c", &of(30 << 20));
        assert!(last.get("a").is_none() && last.get("c").is_some());
        last.keep("c", &of(65 << 20));
        assert_eq!((last.trees.len(), last.bytes), (0, 0));
    }
}
