//! Field specs: which field of which objects a transformer changes.

use crate::Gvk;
use crate::record::record;

record! {
    /// A field of the objects of a type; empty parts of the type match any.
    FieldSpec = "types.FieldSpec" {
        group: String = "group",
        version: String = "version",
        kind: String = "kind",
        /// Path with `/` between fields, `\/` for a slash inside one, `[]` after a list's name.
        path: String = "path",
        /// Whether missing fields along the path are created.
        create: bool = "create",
    }
}

impl FieldSpec {
    /// Bytes that a copy takes, about, in a list or in a filter.
    pub(crate) fn bytes(&self) -> usize {
        const SMALLEST_TEXT: usize = 32;
        let texts = [&self.group, &self.version, &self.kind, &self.path];
        let of = |text: &String| {
            if text.is_empty() {
                0
            } else {
                text.len().max(SMALLEST_TEXT)
            }
        };
        // A filter has each part of the path as a text of its own.
        let parts = 1 + self.path.bytes().filter(|b| *b == b'/').count();
        size_of::<Self>()
            + texts.into_iter().map(of).sum::<usize>()
            + parts * 2 * SMALLEST_TEXT
            + self.path.len()
    }

    /// The type part as a selector.
    pub(crate) fn gvk(&self) -> Gvk {
        Gvk::new(&self.group, &self.version, &self.kind)
    }

    /// Whether this is a spec of the same field for at least one of the types that `other` is for.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let is_covered = |wanted: &str, have: &str| wanted.is_empty() || wanted == have;
        self.path == other.path
            && is_covered(&other.kind, &self.kind)
            && is_covered(&other.version, &self.version)
            && is_covered(&other.group, &self.group)
    }

    /// Whether an object of type `gvk` has this field.
    pub(crate) fn selects(&self, gvk: &Gvk) -> bool {
        (self.kind.is_empty() || self.kind == gvk.kind)
            && (self.group.is_empty() || self.group == gvk.group)
            && (self.version.is_empty() || self.version == gvk.version)
    }
}

/// Splits a path at `separator`; `\` before it makes it part of a field, one leading separator is ignored.
pub(crate) fn split_path(path: &str, separator: char) -> Vec<String> {
    let path = path.strip_prefix(separator).unwrap_or(path);
    let mut parts = vec![String::new()];
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        if c == separator {
            parts.push(String::new());
            continue;
        }
        let Some(last) = parts.last_mut() else { continue };
        if c == '\\' && chars.peek() == Some(&separator) {
            chars.next();
            last.push(separator);
        } else {
            last.push(c);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_split_at_unescaped_separators() {
        let cases: [(&str, &[&str]); 4] = [
            ("metadata/labels", &["metadata", "labels"]),
            ("/metadata/name", &["metadata", "name"]),
            (
                r"metadata/annotations/example.com\/a",
                &["metadata", "annotations", "example.com/a"],
            ),
            ("", &[""]),
        ];
        for (path, parts) in cases {
            assert_eq!(split_path(path, '/'), parts, "{path}");
        }
    }
}
