//! One pattern, and what it says about a path.

use go_std::pattern;

/// One ignore pattern, and the directory that it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Components of the directory that the pattern is about; nothing outside of it matches.
    domain: Vec<String>,
    components: Vec<String>,
    includes: bool,
    directories_only: bool,
    /// It has a `/` inside, and so begins at the domain.
    anchored: bool,
}

/// What a pattern says about a path that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ignore,
    Keep,
}

impl Pattern {
    /// Reads a line that is neither blank nor a comment.
    pub fn parse(line: &str, domain: &[&str]) -> Self {
        let (includes, mut text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        if !text.ends_with("\\ ") {
            text = text.trim_end_matches(' ');
        }
        let directories_only = text.ends_with('/');
        text = text.strip_suffix('/').unwrap_or(text);
        Self {
            domain: domain.iter().map(|component| (*component).to_owned()).collect(),
            components: text.split('/').map(str::to_owned).collect(),
            includes,
            directories_only,
            anchored: text.contains('/'),
        }
    }

    /// Matches the components of a path.
    pub(crate) fn verdict(&self, path: &[&str], is_directory: bool) -> Option<Verdict> {
        let inside = path.len() > self.domain.len();
        if !inside
            || self
                .domain
                .iter()
                .zip(path)
                .any(|(domain, component)| domain != component)
        {
            return None;
        }
        let path = &path[self.domain.len()..];
        let matches = if self.anchored {
            self.matches_from_start(path, is_directory)
        } else {
            self.matches_a_component(path, is_directory)
        };
        let verdict = if self.includes {
            Verdict::Keep
        } else {
            Verdict::Ignore
        };
        matches.then_some(verdict)
    }

    /// A directory that matches has everything below it match.
    fn matches_a_component(&self, path: &[&str], is_directory: bool) -> bool {
        let Some(pattern) = self.components.first() else {
            return false;
        };
        for (at, component) in path.iter().enumerate() {
            match pattern::matches(pattern, component) {
                Err(_) => return false,
                Ok(false) => {}
                Ok(true) => {
                    let is_last = at + 1 == path.len();
                    return !(self.directories_only && !is_directory && is_last);
                }
            }
        }
        false
    }

    fn matches_from_start(&self, mut path: &[&str], is_directory: bool) -> bool {
        let (mut matched, mut any_depth) = (false, false);
        for (at, pattern) in self.components.iter().enumerate() {
            if pattern.is_empty() {
                any_depth = false;
                continue;
            }
            if pattern == "**" {
                if at + 1 == self.components.len() {
                    break;
                }
                any_depth = true;
                continue;
            }
            if pattern.contains("**") || path.is_empty() {
                return false;
            }
            if any_depth {
                any_depth = false;
                while let Some((component, rest)) = path.split_first() {
                    path = rest;
                    match pattern::matches(pattern, component) {
                        Err(_) => return false,
                        Ok(true) => {
                            matched = true;
                            break;
                        }
                        // What matched before does not count if nothing is left for this.
                        Ok(false) if path.is_empty() => matched = false,
                        Ok(false) => {}
                    }
                }
            } else {
                if pattern::matches(pattern, path[0]) != Ok(true) {
                    return false;
                }
                matched = true;
                path = &path[1..];
            }
        }
        matched && !(self.directories_only && !is_directory && path.is_empty())
    }
}
