//! What a file holds, in the order of the file.

use crate::time::Time;

/// A value. Texts are bytes: binary files and dotenv files have no encoding.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`; sops refuses these.
    Uint(u64),
    Float(f64),
    Text(Vec<u8>),
    Time(Time),
    Branch(Branch),
    List(Vec<Value>),
    /// Comments of lists are elements.
    Comment(Comment),
}

/// An object: keys may be there twice, and comments stand between them.
pub(crate) type Branch = Vec<Item>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) key: Key,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Key {
    Text(Vec<u8>),
    Comment(Comment),
    /// A key of another type: its Go type and what Go prints of it.
    Other(&'static str, String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    /// What follows `#`.
    pub(crate) text: Vec<u8>,
    /// Whether it stands behind a value, on its line.
    pub(crate) inline: bool,
}

impl Item {
    pub(crate) fn new(key: impl Into<Vec<u8>>, value: Value) -> Self {
        Self {
            key: Key::Text(key.into()),
            value,
        }
    }

    pub(crate) fn comment(text: impl Into<Vec<u8>>, inline: bool) -> Self {
        Self {
            key: Key::Comment(Comment {
                text: text.into(),
                inline,
            }),
            value: Value::Null,
        }
    }

    pub(crate) fn key_text(&self) -> Option<&[u8]> {
        match &self.key {
            Key::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Value {
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::Text(text.into())
    }

    /// The Go type.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Time(_) => "time.Time",
            Self::Branch(_) => "sops.TreeBranch",
            Self::List(_) => "[]interface {}",
            Self::Comment(_) => "sops.Comment",
        }
    }
}
