//! `.helmignore` rules.

use go_std::{path, pattern};

/// The name of the file that holds the rules, at the root of a chart folder.
pub const HELMIGNORE: &str = ".helmignore";

/// A malformed `.helmignore` file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreError {
    /// A pattern contains `**`, which Helm does not support.
    #[error("double-star (**) syntax is not supported")]
    DoubleStar,
    /// A pattern is not a valid shell pattern.
    #[error("{}", pattern::BAD_PATTERN)]
    BadPattern,
}

/// The rules of a `.helmignore` file, in order, followed by Helm's own.
///
/// They are not git's rules: the first rule that decides wins, a negated rule *excludes what it does not match*, and a
/// pattern with a slash inside is compared with the whole path. Rules apply to chart folders, never to archives.
#[derive(Debug, Clone)]
pub struct IgnoreRules {
    patterns: Vec<Pattern>,
    /// How many bytes the patterns have together.
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Pattern {
    glob: Glob,
    whole_path: bool,
    negated: bool,
    only_folders: bool,
}

impl Default for IgnoreRules {
    /// The rules of a chart without a `.helmignore` file: dot files right below `templates/`.
    fn default() -> Self {
        Self {
            patterns: vec![Pattern {
                glob: Glob::new("templates/.?*"),
                whole_path: true,
                negated: false,
                only_folders: false,
            }],
            bytes: 0,
        }
    }
}

impl IgnoreRules {
    /// Parses the text of a `.helmignore` file.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut patterns = Vec::new();
        for line in text.lines() {
            patterns.extend(Pattern::parse(line.trim())?);
        }
        patterns.extend(Self::default().patterns);
        let bytes = text.len();
        Ok(Self { patterns, bytes })
    }

    /// How many steps it takes at worst to tell whether a path is ignored.
    pub fn steps(&self, path: &str) -> u64 {
        const BYTES_PER_STEP: u64 = 64;
        self.patterns.len() as u64 + (self.bytes as u64).saturating_mul(path.len() as u64) / BYTES_PER_STEP
    }

    /// Reports whether Helm skips a file or folder, given its path below the chart's root.
    ///
    /// A skipped folder is skipped with all that is in it.
    pub fn ignores(&self, path: &str, is_folder: bool) -> bool {
        if matches!(path, "" | "." | "./") {
            return false;
        }
        for pattern in &self.patterns {
            if pattern.negated {
                if (pattern.only_folders && !is_folder) || !pattern.matches(path) {
                    return true;
                }
            } else if (is_folder || !pattern.only_folders) && pattern.matches(path) {
                return true;
            }
        }
        false
    }
}

impl Pattern {
    fn parse(rule: &str) -> Result<Option<Self>, IgnoreError> {
        if rule.is_empty() || rule.starts_with('#') {
            return Ok(None);
        }
        if rule.contains("**") {
            return Err(IgnoreError::DoubleStar);
        }
        pattern::matches(rule, "abc").map_err(|_| IgnoreError::BadPattern)?;
        let (negated, rule) = rule.strip_prefix('!').map_or((false, rule), |rest| (true, rest));
        let (only_folders, rule) = rule.strip_suffix('/').map_or((false, rule), |rest| (true, rest));
        Ok(Some(Self {
            glob: Glob::new(rule.strip_prefix('/').unwrap_or(rule)),
            whole_path: rule.contains('/'),
            negated,
            only_folders,
        }))
    }

    fn matches(&self, path: &str) -> bool {
        let name = if self.whole_path { path } else { path::base(path) };
        self.glob.matches(name)
    }
}

/// A shell pattern; most are a name or an extension, and each is compared with every file of a chart.
#[derive(Debug, Clone)]
enum Glob {
    Name(String),
    /// What follows a `*`.
    Ending(String),
    Other(String),
}

impl Glob {
    fn new(pattern: &str) -> Self {
        let literal = |text: &str| !text.contains(['*', '?', '[', '\\']);
        match pattern.strip_prefix('*') {
            Some(ending) if literal(ending) => Self::Ending(ending.to_owned()),
            None if literal(pattern) => Self::Name(pattern.to_owned()),
            _ => Self::Other(pattern.to_owned()),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Ending(ending) => name
                .strip_suffix(ending.as_str())
                .is_some_and(|start| !start.contains('/')),
            Self::Other(pattern) => pattern::matches(pattern, name).unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_decide_like_helm() {
        let check = |rules: &str, path: &str, is_folder: bool, want: bool| {
            let rules = IgnoreRules::parse(rules).unwrap();
            assert_eq!(rules.ignores(path, is_folder), want, "{path}");
        };
        check("helm.txt", "helm.txt", false, true);
        check("helm.*", "rudder.txt", false, false);
        check("*", "a", false, true);
        check("/*", "a/b", false, false);
        check("*.txt", "a/b.txt", false, true);
        check("/*.txt", "a/b.txt", false, false);
        check("cargo/*.txt", "cargo/a.txt", false, true);
        check("cargo/", "cargo", true, true);
        check("cargo/", "cargo", false, false);
        check("!helm.txt", "helm.txt", false, false);
        check("!helm.txt", "tiller.txt", false, true);
        check("# comment\n\n", "a", false, false);
        check("", "templates/.git", false, true);
        check("", "templates/a/.git", false, false);
        assert_eq!(IgnoreRules::parse("a/**").unwrap_err(), IgnoreError::DoubleStar);
        assert_eq!(IgnoreRules::parse("a[").unwrap_err(), IgnoreError::BadPattern);
    }
}
