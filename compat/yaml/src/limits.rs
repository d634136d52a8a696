//! Bounds on the work that untrusted input can cause.

/// Bounds on the work that untrusted input can cause; every reading function takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Nested flow collections, and nested block indents, that the scanner follows. Default 10 000, as in Go; the error
    /// is Go's `exceeded max depth of 10000`.
    pub max_depth: usize,
    /// Nested collections that become a tree, aliases expanded. Default 512: the tree is walked recursively by everything
    /// that comes after. Go has no such bound.
    pub max_nesting: usize,
    /// Bytes of input. Default 256 MiB. Go has no such bound.
    pub max_bytes: usize,
    /// Scalars, collections and aliases of one stream. Default 2 000 000: each takes some sixty bytes, and a text has one for
    /// every second byte at the most. Go has no such bound.
    pub max_nodes: usize,
    /// Bytes of memory, about, that the values of a document may take once they are decoded, what an alias stands for
    /// counting each time. Default 128 MiB: a map of one pair takes some six hundred bytes, and a text of eight can make one.
    /// Go has no such bound.
    pub max_value_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_depth: 10_000,
            max_nesting: 512,
            max_bytes: 256 << 20,
            max_nodes: 2_000_000,
            max_value_bytes: 128 << 20,
        }
    }
}
