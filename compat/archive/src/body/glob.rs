//! Globs over paths: `**` as a component means any number of them.

use go_std::pattern;

/// Tells whether a path matches a glob: component by component, `**` for any number of components, and within one what
/// Go's `path.Match` knows. A glob that is not well formed matches nothing.
pub fn glob(glob: &str, path: &str) -> bool {
    let (globs, path): (Vec<_>, Vec<_>) = (glob.split('/').collect(), path.split('/').collect());
    // Which parts of the path the globs so far can stand for.
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for glob in globs {
        let mut next = vec![false; path.len() + 1];
        for at in 0..=path.len() {
            if glob == "**" {
                next[at] = reached[at] || at > 0 && next[at - 1];
            } else if at > 0 && reached[at - 1] {
                next[at] = pattern::matches(glob, path[at - 1]) == Ok(true);
            }
        }
        reached = next;
    }
    reached[path.len()]
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn two_stars_mean_any_number_of_directories() {
        for (pattern, path, expected) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "a/b.yaml", false),
            ("**/*.yaml", "b.yaml", true),
            ("**/*.yaml", "a/b/c.yaml", true),
            ("a/**", "a/b/c", true),
            ("a/**/c", "a/c", true),
            ("a/**/c", "a/b/b/c", true),
            ("a/**/c", "a/b/d", false),
            ("**", "a/b", true),
            ("a**", "a/b", false),
            ("[", "[", false),
            ("**/**/**/x", "a/b/c/y", false),
        ] {
            assert_eq!(glob(pattern, path), expected, "{pattern} {path}");
        }
    }
}
