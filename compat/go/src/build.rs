//! Values of any type, made while a text is read.

/// Makes values of some type out of a document, from the leaves up.
pub trait Build {
    /// The type of the values.
    type Value;
    /// The type of the keys of maps.
    type Key;

    /// Makes a null.
    fn null(&mut self) -> Self::Value;
    /// Makes a boolean.
    fn bool(&mut self, value: bool) -> Self::Value;
    /// Makes an integer.
    fn int(&mut self, value: i64) -> Self::Value;
    /// Makes an integer above `i64::MAX`.
    fn uint(&mut self, value: u64) -> Self::Value;
    /// Makes a float, which is finite.
    fn float(&mut self, value: f64) -> Self::Value;
    /// Makes a string.
    fn string(&mut self, value: &str) -> Self::Value;
    /// Makes the key of a pair.
    fn key(&mut self, key: &str) -> Self::Key;
    /// Makes a list.
    fn list(&mut self, items: Vec<Self::Value>) -> Self::Value;
    /// Makes a map; of equal keys the last one counts.
    fn map(&mut self, pairs: Vec<(Self::Key, Self::Value)>) -> Self::Value;

    /// Whether the value of this key of the document's top is of interest; if not, it is read but not made.
    fn wants(&self, _key: &str) -> bool {
        true
    }
}

/// What the values of a document may still take.
///
/// It counts what they take in memory where maps are trees that are sorted by key: a map of one pair, seven bytes of text,
/// takes some six hundred there.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    max: usize,
    taken: usize,
}

impl Room {
    /// Bytes of a value, but for what it holds.
    pub const VALUE: usize = 32;
    /// Bytes of a text that take nothing besides.
    const INLINE: usize = 24;
    /// Bytes that a map takes for each group of so many pairs.
    const MAP: usize = 640;
    const PAIRS_OF_MAP: usize = 8;

    /// Room for so many bytes.
    pub fn new(max: usize) -> Self {
        Self { max, taken: 0 }
    }

    /// Takes bytes, if they are there.
    pub fn take(&mut self, bytes: usize) -> Option<()> {
        self.taken = self.taken.saturating_add(bytes);
        (self.taken <= self.max).then_some(())
    }

    /// How many bytes were taken.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// What a key or a text of so many bytes takes.
    pub fn of_text(len: usize) -> usize {
        let outside = if len > Self::INLINE { len } else { 0 };
        Self::VALUE + outside
    }

    /// What a map takes for one more pair than it has, but for its key and value.
    pub fn of_pair(pairs: usize) -> usize {
        if pairs.is_multiple_of(Self::PAIRS_OF_MAP) {
            Self::MAP
        } else {
            0
        }
    }

    /// What a map of so many pairs takes, but for its keys and values.
    pub fn of_map(pairs: usize) -> usize {
        Self::VALUE + Self::MAP * pairs.div_ceil(Self::PAIRS_OF_MAP)
    }
}
