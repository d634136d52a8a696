use std::borrow::Cow;

/// Text as the matching engine wants it: valid UTF-8, with a way back to the offsets of the original bytes.
///
/// Go reads an invalid byte as U+FFFD of width one, so each such byte becomes one replacement character here.
pub(crate) struct Haystack<'h> {
    pub(crate) text: Cow<'h, [u8]>,
    /// (offset in `text`, offset in the original) just after each replaced byte, ascending.
    replaced: Vec<(usize, usize)>,
}

impl<'h> Haystack<'h> {
    pub(crate) fn new(original: &'h [u8]) -> Self {
        if std::str::from_utf8(original).is_ok() {
            return Self {
                text: Cow::Borrowed(original),
                replaced: Vec::new(),
            };
        }
        let mut text = Vec::with_capacity(original.len() + 16);
        let mut replaced = Vec::new();
        let mut consumed = 0;
        for chunk in original.utf8_chunks() {
            text.extend_from_slice(chunk.valid().as_bytes());
            consumed += chunk.valid().len();
            for _ in chunk.invalid() {
                text.extend_from_slice("\u{fffd}".as_bytes());
                consumed += 1;
                replaced.push((text.len(), consumed));
            }
        }
        Self {
            text: Cow::Owned(text),
            replaced,
        }
    }

    /// The offset in the original bytes of a character boundary of `text`.
    pub(crate) fn original_offset(&self, offset: usize) -> usize {
        let after = self.replaced.partition_point(|&(at, _)| at <= offset);
        match after.checked_sub(1).and_then(|i| self.replaced.get(i)) {
            Some(&(text, original)) => original + (offset - text),
            None => offset,
        }
    }

    /// The width of the character at `offset`, 0 at the end.
    pub(crate) fn char_width(&self, offset: usize) -> usize {
        match self.text.get(offset) {
            None => 0,
            Some(0x00..=0x7f) => 1,
            Some(0x80..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(_) => 4,
        }
    }
}
