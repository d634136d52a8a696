//! Globs over paths: those that select files, and those that leave files out.

use go_std::pattern;

use crate::error::Problem;
use crate::limits::Work;
use crate::path::{base, clean};

/// The most patterns that the braces of one may stand for.
const MOST_ALTERNATIVES: usize = 1_000;

/// A glob that selects files and whole directories: `*`, `?` and `[a-z]` within a component as Go's `path.Match` knows
/// them, and `**` for any number of components.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    /// The components before the first one with a wildcard.
    prefix: String,
    components: Vec<Component>,
    /// Whether it is `**` below a directory without wildcards: all that is in there, by its path from there.
    is_children: bool,
}

#[derive(Clone, Debug)]
enum Component {
    Any,
    Literal(String),
    Pattern(String),
}

/// Tells whether a path of a copy is a glob.
pub(crate) fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '[', ']'])
}

impl Glob {
    /// Reads a glob.
    pub(crate) fn new(field: &str, text: &str) -> Result<Self, Problem> {
        let text = clean_glob(field, text)?;
        let mut components = components(field, &text)?;
        let literal = components
            .iter()
            .take_while(|component| matches!(component, Component::Literal(_)))
            .count();
        let is_children =
            literal + 1 == components.len() && matches!(components.last(), Some(Component::Any));
        // What ends in `**` is what is in the directory, and not the directory.
        if matches!(components.last(), Some(Component::Any)) {
            components.push(Component::Pattern("*".to_owned()));
        }
        let prefix: Vec<_> = text.split('/').take(literal).collect();
        Ok(Self {
            prefix: prefix.join("/"),
            components,
            is_children,
        })
    }

    /// The directory in which everything lies that it matches.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether it means all that is in its prefix.
    pub(crate) fn is_children(&self) -> bool {
        self.is_children
    }

    /// The shortest path that it matches, of a file and the directories that it is in.
    pub(crate) fn root_of<'p>(&self, path: &'p str, work: &Work) -> Result<Option<&'p str>, Problem> {
        for end in ends(path) {
            if matches(&self.components, &path[..end], work)? {
                return Ok(Some(&path[..end]));
            }
        }
        Ok(None)
    }
}

/// Globs of what is left out, as doublestar reads them: with braces, and `**` that may stand for nothing at its end too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Excludes(Vec<Exclude>);

#[derive(Clone, Debug)]
struct Exclude {
    components: Vec<Component>,
    /// Whether it has no slash, and so is about names in any directory.
    is_name: bool,
}

impl Excludes {
    /// Reads globs.
    pub(crate) fn new(patterns: &[String]) -> Result<Self, Problem> {
        let mut all = Vec::new();
        for pattern in patterns {
            let field = "exclude";
            let mut alternatives = Vec::new();
            expand(pattern, &mut alternatives)
                .map_err(|why| Problem::invalid(field, format!("pattern {pattern:?} {why}")))?;
            for alternative in alternatives {
                let alternative = negations(&alternative);
                all.push(Exclude {
                    components: components(field, &alternative)?,
                    is_name: !alternative.contains('/'),
                });
            }
        }
        Ok(Self(all))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a file is left out, or a directory that it is in. Those that are no longer than `from` are not asked; paths
    /// are tried as they are, and from `anchor`, a directory.
    pub(crate) fn leave_out(
        &self,
        path: &str,
        from: usize,
        anchor: &str,
        work: &Work,
    ) -> Result<bool, Problem> {
        if self.0.is_empty() {
            return Ok(false);
        }
        for end in ends(path).filter(|end| *end > from) {
            let path = &path[..end];
            let below = path
                .strip_prefix(anchor)
                .and_then(|rest| rest.strip_prefix('/'))
                .filter(|_| !anchor.is_empty());
            for exclude in &self.0 {
                let candidates = [Some(path), below, Some(base(path)).filter(|_| exclude.is_name)];
                for candidate in candidates.into_iter().flatten() {
                    if matches(&exclude.components, candidate, work)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }
}

/// The ends of a path's directories, and its own.
fn ends(path: &str) -> impl Iterator<Item = usize> {
    let directories = path.match_indices('/').map(|(at, _)| at);
    directories.chain([path.len()])
}

/// Cleans a glob as a path, in which a backslash may quote what follows it.
fn clean_glob(field: &str, text: &str) -> Result<String, Problem> {
    if !text.contains('\\') {
        return clean(field, text);
    }
    // It is cleaned without its backslashes, and has to be clean already.
    let plain = text.replace('\\', "");
    if clean(field, &plain)? != plain {
        let problem = format!("glob {text:?} has to be written without `.`, `..` and repeated slashes");
        return Err(Problem::invalid(field, problem));
    }
    Ok(text.to_owned())
}

fn components(field: &str, text: &str) -> Result<Vec<Component>, Problem> {
    let component = |text: &str| {
        if text == "**" {
            return Ok(Component::Any);
        }
        if !text.contains(['*', '?', '[', ']', '\\']) {
            return Ok(Component::Literal(text.to_owned()));
        }
        // A name that is not matched makes Go read the pattern to its end.
        pattern::matches(text, "\u{1}")
            .map_err(|_| Problem::invalid(field, format!("{}: {text:?}", pattern::BAD_PATTERN)))?;
        Ok(Component::Pattern(text.to_owned()))
    };
    text.split('/').map(component).collect()
}

/// Tells whether all components of a path match, by which of them each part of the glob can end at.
fn matches(components: &[Component], path: &str, work: &Work) -> Result<bool, Problem> {
    let names: Vec<_> = path.split('/').collect();
    work.spend((components.len() * (names.len() + 1)) as u64)?;
    let mut reached = vec![false; names.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for component in components {
        let mut next = vec![false; names.len() + 1];
        let mut open = false;
        for (at, next) in next.iter_mut().enumerate() {
            let here = reached.get(at).copied().unwrap_or(false);
            if matches!(component, Component::Any) {
                open |= here;
                *next = open;
                continue;
            }
            let Some(before) = at.checked_sub(1) else { continue };
            let name = names.get(before).copied().unwrap_or_default();
            if reached.get(before).copied().unwrap_or(false) {
                *next = match component {
                    Component::Any => true,
                    Component::Literal(literal) => literal == name,
                    Component::Pattern(text) => pattern::matches(text, name) == Ok(true),
                };
            }
        }
        reached = next;
    }
    Ok(reached.last().copied().unwrap_or(false))
}

/// Takes braces apart: `{a,b}c` is `ac` and `bc`.
fn expand(pattern: &str, all: &mut Vec<String>) -> Result<(), String> {
    let Some((open, close, commas)) = braces(pattern)? else {
        if all.len() == MOST_ALTERNATIVES {
            return Err(format!("stands for more than {MOST_ALTERNATIVES} patterns"));
        }
        all.push(pattern.to_owned());
        return Ok(());
    };
    let mut start = open + 1;
    for end in commas.into_iter().chain([close]) {
        let one = [&pattern[..open], &pattern[start..end], &pattern[close + 1..]].concat();
        expand(&one, all)?;
        start = end + 1;
    }
    Ok(())
}

/// The first pair of braces that belong together, and the commas right in it.
fn braces(pattern: &str) -> Result<Option<(usize, usize, Vec<usize>)>, String> {
    let (mut depth, mut open, mut commas, mut in_class) = (0_usize, 0, Vec::new(), false);
    let mut bytes = pattern.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'[' => in_class = true,
            b']' => in_class = false,
            b'{' if !in_class => {
                if depth == 0 {
                    open = at;
                }
                depth += 1;
            }
            b',' if !in_class && depth == 1 => commas.push(at),
            b'}' if !in_class => {
                depth = depth
                    .checked_sub(1)
                    .ok_or("has a closing brace without an opening one")?;
                if depth == 0 {
                    return Ok(Some((open, at, commas)));
                }
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err("has an opening brace without a closing one".to_owned());
    }
    Ok(None)
}

/// doublestar negates a class with `!` too.
fn negations(pattern: &str) -> String {
    pattern.replace("[!", "[^")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn root(glob: &str, path: &str) -> Option<String> {
        let work = Work::within(Limits::default());
        let glob = Glob::new("from", glob).expect("a glob");
        glob.root_of(path, &work).expect("steps").map(str::to_owned)
    }

    #[test]
    fn globs_match_files_and_whole_directories() {
        for (glob, path, expected) in [
            ("*.yaml", "a.yaml", Some("a.yaml")),
            ("*.yaml", "a/b.yaml", None),
            ("*", "a/b.yaml", Some("a")),
            ("**", "a/b", Some("a")),
            ("a/**", "a/b/c", Some("a/b")),
            ("a/**", "a", None),
            ("a/*/c", "a/b/c/d", Some("a/b/c")),
            ("**/c", "a/b/c", Some("a/b/c")),
            ("**/c", "c/d", Some("c")),
            ("a/**/x.yaml", "a/x.yaml", Some("a/x.yaml")),
            ("a/**/x.yaml", "a/b/c/x.yaml", Some("a/b/c/x.yaml")),
            ("a/**/x.yaml", "b/x.yaml", None),
            ("[a-c]/?", "b/x", Some("b/x")),
            ("\\*", "*", Some("*")),
            (".*", ".hidden", Some(".hidden")),
        ] {
            assert_eq!(root(glob, path).as_deref(), expected, "{glob} {path}");
        }
        let glob = |text: &str| Glob::new("from", text);
        let of = |text: &str| {
            glob(text)
                .map(|glob| (glob.prefix().to_owned(), glob.is_children()))
                .ok()
        };
        assert_eq!(of("a/b/**"), Some(("a/b".to_owned(), true)));
        assert_eq!(of("a/*/**"), Some(("a".to_owned(), false)));
        assert_eq!(of("**"), Some((String::new(), true)));
        for bad in ["[", "a/[x", "../*", "/a*"] {
            assert!(glob(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn excludes_are_read_as_doublestar_does() {
        let work = Work::within(Limits::default());
        let out = |pattern: &str, path: &str, from: usize, anchor: &str| {
            let excludes = Excludes::new(&[pattern.to_owned()]).expect("a pattern");
            excludes.leave_out(path, from, anchor, &work).expect("steps")
        };
        for (pattern, path, anchor, expected) in [
            ("*.md", "a/b/c.md", "", true),
            ("a/*.md", "a/b/c.md", "", false),
            ("**/tests/**", "x/tests/a", "", true),
            ("tests", "x/tests/a", "", true),
            ("infra/a/**", "infra/a/b", "infra", true),
            ("a/**", "infra/a/b", "infra", true),
            ("b/**", "infra/a/b/c", "infra", false),
            ("{a,b}/{c,d{e,f}}", "b/df", "", true),
            ("{a,b}/{c,d{e,f}}", "b/d", "", false),
            ("[!a]*.x", "b.x", "", true),
            ("*.{png,jpg}", "i/x.jpg", "", true),
        ] {
            assert_eq!(out(pattern, path, 0, anchor), expected, "{pattern} {path}");
        }
        assert!(!out("a", "a/b", 1, ""), "what is copied is not asked itself");
        for bad in ["[*.md", "{a", "a}"] {
            assert!(Excludes::new(&[bad.to_owned()]).is_err(), "{bad}");
        }
        let many = "{a,b}".repeat(10);
        assert!(Excludes::new(&[many]).is_err());
    }

    #[test]
    fn comparing_takes_steps() {
        let work = Work::within(Limits {
            steps: 10,
            ..Limits::default()
        });
        let glob = Glob::new("from", "**/*/**/*/x").expect("a glob");
        assert!(glob.root_of("a/b/c/d/e/f", &work).is_err());
    }
}
