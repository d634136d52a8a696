//! Bounds on patterns.

/// Bounds on what a pattern may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest pattern in bytes; default 64 KiB.
    pub pattern_bytes: usize,
    /// Deepest nesting of groups and repetitions; default 250.
    pub depth: usize,
    /// Most memory that the compiled automaton may take, in bytes; default 32 MiB.
    pub compiled_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pattern_bytes: 64 << 10,
            depth: 250,
            compiled_bytes: 32 << 20,
        }
    }
}
