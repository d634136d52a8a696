//! How a tree is printed.

/// How a tree is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmitOptions {
    /// Columns per level, 2 to 9. Default 2.
    pub indent: u8,
    /// Whether a list below a key starts at the column of the key (`CompactSeqIndent`). Default true, as in kyaml.
    pub compact_sequences: bool,
    /// Bytes that the text may take, about; more is an error of kind [`Limit`](crate::ErrorKind::Limit). Default: any number.
    pub max_bytes: usize,
}

impl Default for EmitOptions {
    fn default() -> Self {
        Self {
            indent: 2,
            compact_sequences: true,
            max_bytes: usize::MAX,
        }
    }
}

impl EmitOptions {
    /// Lists indented below their key: kyaml's `wide`, and what Helm's `toYamlPretty` prints.
    pub const fn wide() -> Self {
        Self {
            indent: 2,
            compact_sequences: false,
            max_bytes: usize::MAX,
        }
    }
}
