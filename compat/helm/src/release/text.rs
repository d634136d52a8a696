//! Long texts, packed while nobody reads them.

use std::borrow::Cow;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that copies share, and that is kept packed if it is long: a run holds its records as long as it waits, and
/// hardly ever looks into them.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Kept);

#[derive(Clone, PartialEq, Eq)]
enum Kept {
    Plain(Arc<str>),
    Packed(Arc<[u8]>),
}

/// What is shorter than this is not worth the time.
const LONG: usize = 16 << 10;

impl Text {
    /// Gives the text, unpacked for whoever asks.
    pub fn read(&self) -> Cow<'_, str> {
        match &self.0 {
            Kept::Plain(text) => Cow::Borrowed(text),
            Kept::Packed(bytes) => Cow::Owned(unpack(bytes)),
        }
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Kept::Plain(text) if text.is_empty())
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(Kept::Plain("".into()))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        if text.len() < LONG {
            return Self(Kept::Plain(text.into()));
        }
        Self(match pack(text) {
            Ok(bytes) if bytes.len() < text.len() => Kept::Packed(bytes.into()),
            _ => Kept::Plain(text.into()),
        })
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

fn pack(text: &str) -> std::io::Result<Vec<u8>> {
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes())?;
    packed.finish()
}

#[expect(clippy::expect_used, reason = "it was packed here, of a text")]
fn unpack(bytes: &[u8]) -> String {
    let mut text = String::new();
    DeflateDecoder::new(bytes)
        .read_to_string(&mut text)
        .expect("what was packed here can be unpacked");
    text
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.read())
    }
}

impl<'de> Deserialize<'de> for Text {
    /// Reads a text; null is an empty one, as in Go.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.unwrap_or_default().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_they_were_however_they_are_kept() {
        let long = "kind: ConfigMap\nname: größer\n".repeat(4096);
        for (text, is_packed) in [("", false), ("kind: A", false), (long.as_str(), true)] {
            let kept = Text::from(text);
            assert_eq!(matches!(kept.0, Kept::Packed(_)), is_packed);
            assert_eq!(kept.read(), text);
            assert_eq!(kept.is_empty(), text.is_empty());
            let json = serde_json::to_string(&kept).unwrap();
            assert_eq!(json, serde_json::to_string(text).unwrap());
            assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), kept);
        }
        assert!(serde_json::from_str::<Text>("null").unwrap().is_empty());
    }
}
