//! Bounds on the work that a file can cause.

/// Bounds on the work that a file can cause, far above what any real file has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file. Default 5 MiB, as kustomize-controller.
    pub max_bytes: usize,
    /// Nested objects and lists. Default 512.
    pub max_depth: usize,
    /// Values of a file, with what aliases repeat. Default one million.
    pub max_nodes: usize,
    /// Documents of a file. Default 1,000.
    pub max_documents: usize,
    /// Keys that a data key is encrypted for. Default 64.
    pub max_keys: usize,
    /// Bytes of a data key that is encrypted. Default 64 KiB.
    pub max_encrypted_key: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 5 << 20,
            max_depth: 512,
            max_nodes: 1_000_000,
            max_documents: 1_000,
            max_keys: 64,
            max_encrypted_key: 64 << 10,
        }
    }
}
