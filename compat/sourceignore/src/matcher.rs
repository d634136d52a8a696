//! Many patterns, the last of which decides.

use crate::pattern::{Pattern, Verdict};
use crate::{DEFAULTS, VCS};

/// The longest line that is read, in bytes; what follows a longer one is not read either, as with Go's `bufio.Scanner`.
const LONGEST_LINE: usize = 65_535;

/// Reads the text of an ignore file of the directory `domain`, or of a source's `spec.ignore`.
pub fn read(text: &str, domain: &[&str]) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for line in text.split('\n') {
        if line.len() > LONGEST_LINE {
            break;
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        if !line.starts_with('#') && !line.trim().is_empty() {
            patterns.push(Pattern::parse(line, domain));
        }
    }
    patterns
}

/// Decides which paths are left out.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The last one that matches decides.
    patterns: Vec<Pattern>,
}

impl Matcher {
    /// Takes patterns as they are; the last one that matches a path decides.
    pub fn new(patterns: Vec<Pattern>) -> Self {
        Self { patterns }
    }

    /// What an artifact leaves out: git's own files and what `patterns` say, or stock's defaults where there are none.
    pub fn for_archives(patterns: Vec<Pattern>) -> Self {
        let own = !patterns.is_empty();
        let built_in = VCS.iter().chain(if own { &[] } else { DEFAULTS });
        let mut all: Vec<_> = built_in.map(|line| Pattern::parse(line, &[])).collect();
        all.extend(patterns);
        Self { patterns: all }
    }

    /// Gives the number of patterns, by which the time of a verdict grows.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Tells whether there is no pattern at all.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Tells whether a path, relative to the root and clean, is left out.
    pub fn ignores(&self, path: &str, is_directory: bool) -> bool {
        let path: Vec<_> = path.split('/').collect();
        let mut verdicts = self.patterns.iter().rev();
        verdicts.find_map(|pattern| pattern.verdict(&path, is_directory)) == Some(Verdict::Ignore)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_no_patterns() {
        assert_eq!(read("# a\n\n  \t\n#!b\r\n\u{a0}\n", &[]), []);
        assert_eq!(read("a\r\n b\n", &[]).len(), 2);
    }

    #[test]
    fn own_patterns_replace_the_defaults_but_not_those_about_git() {
        let (defaults, own) = (
            Matcher::for_archives(Vec::new()),
            Matcher::for_archives(read("x", &[])),
        );
        for (path, by_default, by_own) in [
            ("a/logo.png", true, false),
            ("a/.sops.yaml", true, false),
            (".git/HEAD", true, true),
            ("x", false, true),
        ] {
            assert_eq!(
                (defaults.ignores(path, false), own.ignores(path, false)),
                (by_default, by_own),
                "{path}"
            );
        }
    }

    #[test]
    fn a_line_that_is_too_long_ends_the_reading() {
        let long = "x".repeat(LONGEST_LINE);
        assert_eq!(read(&format!("a\n{long}\nb"), &[]).len(), 3);
        assert_eq!(read(&format!("a\n{long}y\nb"), &[]).len(), 1);
    }
}
