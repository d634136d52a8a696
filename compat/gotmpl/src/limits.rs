//! Bounds on what a template may cost.

/// Bounds on parsing and executing templates; a used-up one is a clear error, never a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How deeply `template`, and functions that execute templates, may nest. Go allows 100000
    /// for `template` and has no limit for the rest; default 10000.
    pub depth: usize,
    /// How many nodes and loop rounds one execution may evaluate, with the bytes and items that its functions read and
    /// make ([`Limits::BYTES_PER_STEP`], [`Limits::ITEMS_PER_STEP`]); default 50 million, about a second.
    pub steps: u64,
    /// How many bytes one execution may write, captured output included; default 64 MiB.
    pub output_bytes: u64,
    /// How large one string made by a function may be; default 16 MiB.
    pub string_bytes: usize,
    /// How many bytes the texts, lists and maps may take that functions make during one execution, kept or not, an item
    /// counting as [`Limits::BYTES_PER_ITEM`]; default 160 MiB, 10 times what the hungriest of 4,000 public charts makes.
    pub value_bytes: u64,
    /// How many tokens the texts of a set may have, whose trees take up to some 200 bytes for each; default 1.2 million, 6
    /// times the largest of these charts.
    pub tokens: usize,
    /// How deeply actions may nest in one template text; Go has no limit, default 10000.
    pub nesting: usize,
}

impl Limits {
    /// How deeply parentheses may nest in an expression: Go's own limit.
    pub const PARENTHESES: usize = 10_000;
    /// How deeply values may nest to be printed, compared or serialised.
    pub const VALUE_DEPTH: usize = 1_000;
    /// How many bytes of a text count as one step when a function reads or makes it.
    pub const BYTES_PER_STEP: u64 = 16;
    /// How many bytes an item of a list or a map counts when a function makes it.
    pub const BYTES_PER_ITEM: u64 = 64;
    /// How many items of a list or a map count as one step when a function gets or makes it.
    pub const ITEMS_PER_STEP: u64 = 8;

    /// How many bytes a list counts: itself as much as two of its items.
    pub(crate) fn list_bytes(len: usize) -> u64 {
        (len as u64)
            .saturating_add(2)
            .saturating_mul(Self::BYTES_PER_ITEM)
    }

    /// How many bytes a map counts: its first entries come with room for more.
    pub(crate) fn map_bytes(len: usize) -> u64 {
        (len as u64)
            .saturating_add(11)
            .saturating_mul(Self::BYTES_PER_ITEM)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 10_000,
            steps: 50_000_000,
            output_bytes: 64 << 20,
            string_bytes: 16 << 20,
            value_bytes: 160 << 20,
            tokens: 1_200_000,
            nesting: 10_000,
        }
    }
}
