//! Go strings: immutable, shared, any bytes.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A Go string: immutable bytes, usually UTF-8, cheap to clone and to cut.
///
/// Templates can cut a string inside a rune (`trunc`, `substr`, `slice`) or decode arbitrary bytes
/// (`b64dec`), and what comes out must reach the output unchanged, so this is bytes and not `str`.
#[derive(Clone, Default)]
pub struct Str {
    bytes: Arc<[u8]>,
    start: usize,
    end: usize,
}

impl Str {
    /// Returns the bytes of the string.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns the string as UTF-8 text, or nothing if it is not valid UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }

    /// Returns the string as text, each invalid sequence replaced by U+FFFD.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// Returns the bytes `from..to` as a string that shares this one's memory.
    ///
    /// Both ends are clamped to the string, so that this never panics.
    #[must_use]
    pub fn slice(&self, from: usize, to: usize) -> Self {
        let len = self.len();
        let to = to.min(len);
        let from = from.min(to);
        Self {
            bytes: Arc::clone(&self.bytes),
            start: self.start + from,
            end: self.start + to,
        }
    }

    /// Returns `part`, which must be a piece of this string's own memory, without copying it.
    ///
    /// Falls back to a copy if `part` lies elsewhere.
    #[must_use]
    pub fn subslice(&self, part: &[u8]) -> Self {
        let own = self.as_bytes().as_ptr() as usize;
        let at = part.as_ptr() as usize;
        if at >= own && at + part.len() <= own + self.len() {
            self.slice(at - own, at - own + part.len())
        } else {
            Self::from(part)
        }
    }

    /// Returns whether the string takes no memory besides that of `other`.
    pub(crate) fn is_part_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bytes, &other.bytes)
    }
}

impl Deref for Str {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Str {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Borrow<[u8]> for Str {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl From<&[u8]> for Str {
    fn from(bytes: &[u8]) -> Self {
        Self {
            start: 0,
            end: bytes.len(),
            bytes: Arc::from(bytes),
        }
    }
}

impl From<Vec<u8>> for Str {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Arc::<[u8]>::from(bytes))
    }
}

impl From<Arc<[u8]>> for Str {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self {
            start: 0,
            end: bytes.len(),
            bytes,
        }
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<Cow<'_, str>> for Str {
    fn from(text: Cow<'_, str>) -> Self {
        Self::from(text.as_bytes())
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Str {}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_string_lossy())
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_share_memory_and_clamp() {
        let s = Str::from("hello");
        assert_eq!(s.slice(1, 3), "el");
        assert_eq!(s.slice(1, 3).slice(1, 99), "l");
        assert_eq!(s.slice(9, 3), "");
        let part = s.get(2..4).unwrap();
        assert_eq!(s.subslice(part), "ll");
        assert_eq!(s.subslice(b"other"), "other");
    }
}
