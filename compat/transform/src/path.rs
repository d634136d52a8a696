//! Paths, as fields of a specification write them.

use crate::error::Problem;

/// The longest path of a file, in bytes.
const LONGEST: usize = 4096;
/// The most components of a path.
const DEEPEST: usize = 255;

/// The name by which copies call the output that they write to.
pub(crate) const ARTIFACT: &str = "artifact";

/// A path of an input: `@name/path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference<'s> {
    /// The name of the input.
    pub(crate) input: &'s str,
    /// What follows the slash, as it is written.
    pub(crate) path: &'s str,
}

impl<'s> Reference<'s> {
    /// Reads a reference; `None` for a text that is a path of the output itself.
    pub(crate) fn read(text: &'s str) -> Option<Self> {
        let rest = text.strip_prefix('@')?;
        let (input, path) = rest.split_once('/').unwrap_or((rest, ""));
        (input != ARTIFACT).then_some(Self { input, path })
    }

    /// Reads a text that has to be a reference.
    pub(crate) fn required(field: &str, text: &'s str) -> Result<Self, Problem> {
        let form = || Problem::invalid(field, format!("{text:?} has to have the form @input/path"));
        let reference = Self::read(text).ok_or_else(form)?;
        if !text.contains('/') || reference.input.is_empty() {
            return Err(form());
        }
        Ok(reference)
    }
}

/// Reads `@input`, which names an input as a whole.
pub(crate) fn input_name<'s>(field: &str, text: &'s str) -> Result<&'s str, Problem> {
    text.strip_prefix('@')
        .filter(|name| !name.is_empty() && !name.contains('/'))
        .ok_or_else(|| Problem::invalid(field, format!("{text:?} has to have the form @input")))
}

/// A path of the output, cleaned; `@artifact/` may stand before it. The root is the empty path.
pub(crate) fn own(field: &str, text: &str) -> Result<String, Problem> {
    let path = match text.strip_prefix('@') {
        None => text,
        Some(rest) => rest
            .strip_prefix(ARTIFACT)
            .and_then(|rest| rest.strip_prefix('/').or_else(|| rest.is_empty().then_some(rest)))
            .ok_or_else(|| {
                let problem = format!("{text:?} is a path of an input, and has to be one of the output");
                Problem::invalid(field, problem)
            })?,
    };
    clean(field, path)
}

/// [`own`], for a file, which the root is not.
pub(crate) fn own_file(field: &str, text: &str) -> Result<String, Problem> {
    let path = own(field, text)?;
    if path.is_empty() || text.ends_with('/') {
        return Err(Problem::invalid(
            field,
            format!("{text:?} has to be the path of a file"),
        ));
    }
    Ok(path)
}

/// Resolves `.` and `..`, which stay below the root, and takes repeated and trailing slashes away.
pub(crate) fn clean(field: &str, path: &str) -> Result<String, Problem> {
    let refuse = |why: &str| {
        let shown: String = path.chars().take(200).collect();
        Err(Problem::invalid(field, format!("path {shown:?} {why}")))
    };
    if path.starts_with('/') {
        return refuse("has to be relative, without a slash before it");
    }
    if path.contains(['\\', '\0']) {
        return refuse("must have neither backslashes nor NULs");
    }
    let mut components: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                if components.pop().is_none() {
                    return refuse("leaves its root");
                }
            }
            component => components.push(component),
        }
    }
    let clean = components.join("/");
    if clean.len() > LONGEST || components.len() > DEEPEST {
        return refuse(&format!("is longer than {LONGEST} bytes or {DEEPEST} components"));
    }
    Ok(clean)
}

/// Joins a directory, which may be the root, and a path below it.
pub(crate) fn join(directory: &str, path: &str) -> String {
    match (directory, path) {
        ("", path) => path.to_owned(),
        (directory, "") => directory.to_owned(),
        (directory, path) => format!("{directory}/{path}"),
    }
}

/// The last component.
pub(crate) fn base(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, base)| base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_their_root() {
        for (path, expected) in [
            ("", Some("")),
            (".", Some("")),
            ("a//b/./c/", Some("a/b/c")),
            ("a/../b", Some("b")),
            ("a/../../b", None),
            ("..", None),
            ("/a", None),
            ("a\\b", None),
        ] {
            assert_eq!(clean("to", path).ok().as_deref(), expected, "{path:?}");
        }
        assert_eq!(own("to", "@artifact/a/").ok().as_deref(), Some("a"));
        assert_eq!(own("to", "@artifact").ok().as_deref(), Some(""));
        assert!(own("to", "@git/a").is_err() && own("to", "@artifacts/a").is_err());
        assert!(own_file("to", "@artifact/").is_err() && own_file("to", "a/").is_err());
    }

    #[test]
    fn references_name_an_input_and_a_path() {
        let read = Reference::required("from", "@git/a/*.yaml").ok();
        assert_eq!(
            read,
            Some(Reference {
                input: "git",
                path: "a/*.yaml"
            })
        );
        for text in ["git/a", "@git", "@/a", "@artifact/a", ""] {
            assert!(Reference::required("from", text).is_err(), "{text:?}");
        }
        assert_eq!(input_name("origin", "@git").ok(), Some("git"));
        assert!(input_name("origin", "@git/a").is_err());
    }
}
