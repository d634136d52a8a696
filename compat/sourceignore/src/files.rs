//! The ignore files of a tree.

use crate::matcher::read;
use crate::{IGNORE_FILE, Pattern};

/// Reads the ignore files of a tree, given its files by their clean, relative paths in any order.
///
/// Those of a directory come before those below it, whose patterns therefore win. Nothing is read below `.git`.
pub fn patterns_of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<Pattern> {
    let mut found: Vec<(Vec<&str>, &[u8])> = files
        .into_iter()
        .filter_map(|(path, content)| {
            let mut components: Vec<_> = path.split('/').collect();
            let name = components.pop();
            let counts = name == Some(IGNORE_FILE) && !components.contains(&".git");
            counts.then_some((components, content))
        })
        .collect();
    found.sort();
    let mut patterns = Vec::new();
    for (domain, content) in found {
        // What is no UTF-8 names no file of a tree.
        patterns.extend(read(&String::from_utf8_lossy(content), &domain));
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matcher;

    #[test]
    fn rules_of_a_directory_come_before_those_below_it() {
        let files: [(&str, &[u8]); 4] = [
            ("a/b/.sourceignore", b"!keep.txt"),
            (".sourceignore", b"*.txt"),
            ("a.d/.sourceignore", b"*.md"),
            (".git/.sourceignore", b"*"),
        ];
        let matcher = Matcher::new(patterns_of(files));
        for (path, ignored) in [
            ("keep.txt", true),
            ("a/keep.txt", true),
            ("a/b/keep.txt", false),
            ("a/b/c/keep.txt", false),
            ("a.d/x.md", true),
            ("a/x.md", false),
        ] {
            assert_eq!(matcher.ignores(path, false), ignored, "{path}");
        }
    }
}
