//! What the build remembers about an object: earlier identities, prefixes and suffixes, generator flags.

/// The build's memory of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// Earlier identities, oldest first.
    pub(crate) previous: Vec<Previous>,
    /// Name prefixes that were applied, outermost last.
    pub(crate) prefixes: Vec<String>,
    /// Name suffixes that were applied, outermost last.
    pub(crate) suffixes: Vec<String>,
    /// How a generated object meets one that is there already; `None` for objects that were not generated.
    pub(crate) behavior: Option<Behavior>,
    /// Whether the name gets a hash of the content.
    pub(crate) needs_hash: bool,
}

/// An earlier identity; group and version are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) kind: String,
}

/// How a generated object meets an existing one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// Nothing, or a word without meaning, was given.
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    /// The behaviour that a word names; any unknown word is [`Behavior::Unspecified`].
    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "create" => Self::Create,
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            _ => Self::Unspecified,
        }
    }

    /// The word, as it appears in errors.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Merge => "merge",
        }
    }
}

impl History {
    /// Remembers an identity. One without a name leaves no trace, as upstream's comma lists drop empty entries.
    pub(crate) fn push_previous(&mut self, namespace: &str, name: &str, kind: &str) {
        if !name.is_empty() {
            let (namespace, name, kind) = (namespace.to_owned(), name.to_owned(), kind.to_owned());
            self.previous.push(Previous {
                namespace,
                name,
                kind,
            });
        }
    }

    /// Whether upstream would hold any of this in annotations of the object right now.
    ///
    /// It shows in one place: a JSON patch may add to `/metadata/annotations` only if that map exists.
    pub(crate) fn is_recorded(&self) -> bool {
        self != &Self::default()
    }

    /// Whether both were changed in the same context: the shorter list of prefixes (and suffixes) ends the longer one.
    ///
    /// With `allow_empty`, a side without any prefix (or suffix) agrees with everything.
    pub(crate) fn same_context(&self, other: &Self, allow_empty: bool) -> bool {
        let agree =
            |a: &[String], b: &[String]| (allow_empty && (a.is_empty() || b.is_empty())) || same_ending(a, b);
        agree(&self.prefixes, &other.prefixes) && agree(&self.suffixes, &other.suffixes)
    }
}

fn same_ending(a: &[String], b: &[String]) -> bool {
    let (shorter, longer) = if a.len() < b.len() { (a, b) } else { (b, a) };
    // Only two empty lists agree when one of them is empty.
    shorter.is_empty() == longer.is_empty() && longer.ends_with(shorter)
}
