//! Slash-separated paths as Go's `path` and `path/filepath` packages treat them on Unix: lexically, without files.

/// Whether the path starts at the root.
pub fn is_absolute(path: &str) -> bool {
    path.starts_with('/')
}

/// The last element of a path, `.` for the empty path (`path.Base`).
pub fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/";
    }
    trimmed.rsplit_once('/').map_or(trimmed, |(_, last)| last)
}

/// The directory of a cleaned path (`path.Dir`).
pub fn dir(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(at) => &path[..at],
        None => ".",
    }
}

/// The file name extension with its dot, or the empty string (`path.Ext`).
pub fn ext(path: &str) -> &str {
    let name = path.rsplit_once('/').map_or(path, |(_, last)| last);
    name.rfind('.').map_or("", |dot| &name[dot..])
}

/// The shortest equivalent of a path (`path.Clean`).
pub fn clean(path: &str) -> String {
    let rooted = is_absolute(path);
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Two path elements as one path, cleaned (`path.Join`).
pub fn join(left: &str, right: &str) -> String {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => String::new(),
        (true, false) => clean(right),
        (false, true) => clean(left),
        (false, false) => clean(&format!("{left}/{right}")),
    }
}

/// Whether `path` is `root` or lies below it; both are cleaned.
pub fn is_in_or_below(path: &str, root: &str) -> bool {
    root == "/" || path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_like_go() {
        for (path, want) in [
            ("", "."),
            ("a/./b//c", "a/b/c"),
            ("../a", "../a"),
            ("a/../..", ".."),
            ("/..", "/"),
            ("a/..", "."),
        ] {
            assert_eq!(clean(path), want, "{path:?}");
        }
    }

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
            ("", "/x", "/x"),
        ] {
            assert_eq!(join(a, b), joined, "{a} + {b}");
        }
    }

    #[test]
    fn elements_of_paths() {
        assert_eq!(
            (base(""), base("//"), base("a/b/"), base("b")),
            (".", "/", "b", "b")
        );
        assert_eq!((dir("/a"), dir("a"), dir("/a/b")), ("/", ".", "/a"));
        assert_eq!((ext("a.b/c"), ext("c.tar.gz"), ext("")), ("", ".gz", ""));
    }

    #[test]
    fn below_is_by_whole_elements() {
        assert!(is_in_or_below("/a/b", "/a"));
        assert!(!is_in_or_below("/ab", "/a"));
        assert!(is_in_or_below("/ab", "/"));
    }
}
