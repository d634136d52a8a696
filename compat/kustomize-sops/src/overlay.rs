//! Decrypted files above a tree.

use std::collections::BTreeMap;

use kustomize::{Entry, FileTree, Resolved, TreeError, TreeErrorReason};
use zeroize::Zeroizing;

/// A tree in which some files are decrypted. It is wiped when it is dropped; what lies below it is never written to.
pub struct Decrypted<'t> {
    below: &'t dyn FileTree,
    files: BTreeMap<String, Zeroizing<Vec<u8>>>,
    lost: Vec<String>,
}

impl std::fmt::Debug for Decrypted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Decrypted({} files)", self.files.len())
    }
}

impl<'t> Decrypted<'t> {
    /// A tree in which nothing is decrypted.
    pub fn nothing(below: &'t dyn FileTree) -> Self {
        Self {
            below,
            files: BTreeMap::new(),
            lost: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, path: String, content: Zeroizing<Vec<u8>>) {
        self.files.insert(path, content);
    }

    pub(crate) fn lose(&mut self, place: String) {
        self.lost.push(place);
    }

    /// A text without what only stands in the decrypted files: an error of a build may quote them.
    pub fn redacted(&self, text: &str) -> String {
        const LONGEST: usize = 64 << 10;
        const SHORTEST: usize = 3;
        let text = text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default();
        let is_secret = |word: &str| {
            let is_in = |content: &[u8]| memchr::memmem::find(content, word.as_bytes()).is_some();
            self.files.iter().any(|(path, plain)| {
                is_in(plain)
                    && !self
                        .below
                        .read(path, u64::MAX)
                        .is_ok_and(|encrypted| is_in(&encrypted))
            })
        };
        let mut known = BTreeMap::new();
        let mut shown = String::with_capacity(text.len());
        let is_blank = |c: char| c.is_whitespace() || "'\"`()[]{},;:".contains(c);
        for part in text.split_inclusive(is_blank) {
            let word = part.trim_end_matches(is_blank);
            // A quote that was cut ends with dots.
            let bare = word.trim_end_matches('.');
            if bare.len() >= SHORTEST && *known.entry(bare).or_insert_with(|| is_secret(bare)) {
                shown.push_str("xxxxx");
                shown.push_str(part.get(bare.len()..).unwrap_or_default());
            } else {
                shown.push_str(part);
            }
        }
        shown
    }

    /// Whether there is no decrypted file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The paths of the files that are decrypted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Where values were lost, `FILE: KEY`; see [`sops::Decrypted::lost`].
    pub fn lost(&self) -> &[String] {
        &self.lost
    }
}

impl FileTree for Decrypted<'_> {
    fn resolve(&self, path: &str) -> Result<Resolved, TreeError> {
        self.below.resolve(path)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        match self.files.get(path) {
            Some(content) if content.len() as u64 > limit => {
                Err(TreeError::new("read", path, TreeErrorReason::TooLarge(limit)))
            }
            Some(content) => Ok(content.to_vec()),
            None => self.below.read(path, limit),
        }
    }

    fn read_dir(&self, path: &str) -> Result<Vec<Entry>, TreeError> {
        self.below.read_dir(path)
    }

    fn lies_in(&self) -> Option<&str> {
        self.below.lies_in()
    }
}
