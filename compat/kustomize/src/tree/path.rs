//! Lexical path arithmetic as Go's `path/filepath` does it on Unix.

/// Whether the path starts at the root.
pub(crate) fn is_absolute(path: &str) -> bool {
    path.starts_with('/')
}

/// `base` and `path` joined and cleaned: `.`, `..` and doubled slashes are resolved without looking at files.
pub(crate) fn join(base: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let absolute = is_absolute(base) || (base.is_empty() && is_absolute(path));
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if absolute => {}
                _ => parts.push(".."),
            },
            name => parts.push(name),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) if base.is_empty() && path.is_empty() => String::new(),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The directory of a cleaned path.
pub(crate) fn dir(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(i) => &path[..i],
        None => ".",
    }
}

/// The last element of a cleaned path.
pub(crate) fn base(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return "/";
    }
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether `path` is `root` or lies below it; both are cleaned.
pub(crate) fn is_in_or_below(path: &str, root: &str) -> bool {
    root == "/" || path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_lexically() {
        for (a, b, joined) in [
            ("/a/b", "../c", "/a/c"),
            ("/", "../x", "/x"),
            ("/a", "./b//c/", "/a/b/c"),
            ("a", "../..", ".."),
            ("a", "..", "."),
            ("", "", ""),
            ("", "x/./y", "x/y"),
        ] {
            assert_eq!(join(a, b), joined, "{a} + {b}");
        }
    }

    #[test]
    fn below_is_by_whole_elements() {
        assert!(is_in_or_below("/a/b", "/a"));
        assert!(!is_in_or_below("/ab", "/a"));
        assert!(is_in_or_below("/ab", "/"));
    }
}
