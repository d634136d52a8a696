//! Which references name a git repository, and how they split into repository, path inside it and query.

use std::time::Duration;

/// A reference to a directory of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoSpec {
    /// The reference as written.
    pub raw: String,
    /// Scheme, user and host up to and including the separator: `https://github.com/`, `git@example.com:`.
    pub host: String,
    /// Path of the repository on the host.
    pub repo: String,
    /// Path of the directory inside the repository, empty for its root.
    pub path: String,
    /// Branch, tag or commit; empty for the default branch.
    pub reference: String,
    /// How long git may take; 27 seconds by default.
    pub timeout: Duration,
    /// Whether submodules are fetched too.
    pub submodules: bool,
}

const SCHEMES: [&str; 4] = ["ssh://", "https://", "http://", "file://"];
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(27);

impl RepoSpec {
    /// The repository that a reference names, `None` if it names something else, such as a local path.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return None;
        }
        let (location, query) = text.split_once('?').unwrap_or((text, ""));
        let (host, rest) = split_host(location)?;
        let (repo, path) = split_repo(&rest, host.starts_with("file://"))?;
        if repo.is_empty() || leaves_repo(&path) {
            return None;
        }
        let query = Query::parse(query);
        Some(Self {
            raw: text.to_owned(),
            host,
            repo,
            path: path.strip_prefix('/').unwrap_or(&path).to_owned(),
            reference: query.reference,
            timeout: query.timeout,
            submodules: query.submodules,
        })
    }

    /// What git is told to clone.
    pub fn clone_spec(&self) -> String {
        format!("{}{}", self.host, self.repo)
    }
}

fn split_host(text: &str) -> Option<(String, String)> {
    let text = strip_prefix_ignore_case(text, "git::").unwrap_or(text);
    let (scheme, text) = SCHEMES
        .iter()
        .find_map(|scheme| strip_prefix_ignore_case(text, scheme).map(|rest| (*scheme, rest)))
        .unwrap_or(("", text));
    let (user, text) = split_user(text);
    let lower = text.to_ascii_lowercase();
    let github = lower.starts_with("github.com/") || lower.starts_with("github.com:");
    let scp_style = scheme.is_empty() && (!user.is_empty() || github);
    if scheme.is_empty() && !scp_style {
        return None;
    }
    if scheme == "file://" {
        return Some((scheme.to_owned(), format!("{user}{text}")));
    }
    let slash = text.find('/');
    let colon = text.find(':').filter(|_| scp_style);
    let separator = match (slash, colon) {
        (Some(slash), Some(colon)) if colon > 0 && colon < slash => Some(colon),
        (None, colon) => colon,
        (slash, _) => slash,
    };
    let (host, rest) = separator.map_or((text, ""), |at| text.split_at(at + 1));
    if github {
        // GitHub is reached in one of two ways, whatever was written.
        let host = if scheme == "ssh://" || !user.is_empty() {
            format!("{user}github.com:")
        } else {
            "https://github.com/".to_owned()
        };
        return Some((host, rest.to_owned()));
    }
    (!host.is_empty()).then(|| (format!("{scheme}{user}{host}"), rest.to_owned()))
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// `user@` at the start, and the rest.
fn split_user(text: &str) -> (&str, &str) {
    let Some(at) = text.find('@') else {
        return ("", text);
    };
    let user = &text.as_bytes()[..at];
    let is_user = user.first().is_some_and(u8::is_ascii_alphabetic)
        && user.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    if is_user {
        text.split_at(at + 1)
    } else {
        ("", text)
    }
}

fn split_repo(text: &str, whole: bool) -> Option<(String, String)> {
    if let Some((before, after)) = text.split_once("_git/") {
        let (name, path) = after.split_once('/').unwrap_or((after, ""));
        return Some((format!("{before}_git/{name}"), path.to_owned()));
    }
    if let Some((repo, path)) = text.split_once("//") {
        return Some((repo.to_owned(), path.to_owned()));
    }
    if let Some(at) = text.find(".git") {
        let (repo, path) = text.split_at(at + ".git".len());
        return Some((repo.to_owned(), path.to_owned()));
    }
    if whole {
        return Some((text.to_owned(), String::new()));
    }
    let mut segments = text.splitn(3, '/');
    let (org, name) = (segments.next()?, segments.next()?);
    Some((format!("{org}/{name}"), segments.next().unwrap_or("").to_owned()))
}

fn leaves_repo(path: &str) -> bool {
    let clean = go_std::path::join("", path.strip_prefix('/').unwrap_or(path));
    clean == ".." || clean.starts_with("../")
}

struct Query {
    reference: String,
    timeout: Duration,
    submodules: bool,
}

impl Query {
    /// Reads a query as Go's `url.ParseQuery` does; one that it refuses counts as none.
    fn parse(text: &str) -> Self {
        let text = if is_well_formed(text) { text } else { "" };
        let first = |key: &str| {
            let mut pairs = form_urlencoded::parse(text.as_bytes());
            let (_, value) = pairs.find(|(name, _)| name == key)?;
            (!value.is_empty()).then(|| value.into_owned())
        };
        let timeout = first("timeout").as_deref().and_then(seconds);
        let submodules = first("submodules").and_then(|value| go_std::parse_bool(&value));
        Self {
            reference: first("ref").or_else(|| first("version")).unwrap_or_default(),
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            submodules: submodules.unwrap_or(true),
        }
    }
}

/// Whether a query has neither a semicolon nor a `%` without two hex digits after it.
fn is_well_formed(query: &str) -> bool {
    let mut escapes = query.split('%').skip(1);
    let is_escape =
        |rest: &str| matches!(rest.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    !query.contains(';') && escapes.all(is_escape)
}

/// A positive whole number of seconds, or a positive Go duration.
fn seconds(text: &str) -> Option<Duration> {
    if let Ok(whole) = text.parse::<u32>() {
        return (whole > 0).then(|| Duration::from_secs(whole.into()));
    }
    let nanos = go_std::duration::parse(text).ok()?;
    let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos > 0)?;
    Some(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_split_into_repository_and_path() {
        for (text, clone, path, reference) in [
            (
                "https://github.com/org/repo/deploy/base?ref=v1",
                "https://github.com/org/repo",
                "deploy/base",
                "v1",
            ),
            ("github.com/org/repo", "https://github.com/org/repo", "", ""),
            (
                "git@github.com:org/repo.git//path",
                "git@github.com:org/repo.git",
                "path",
                "",
            ),
            (
                "ssh://git@host.xz:22/a/b.git/c?version=x",
                "ssh://git@host.xz:22/a/b.git",
                "c",
                "x",
            ),
            ("file:///srv/repo//sub", "file:///srv/repo", "sub", ""),
            (
                "https://dev.azure.com/o/p/_git/r/x/y",
                "https://dev.azure.com/o/p/_git/r",
                "x/y",
                "",
            ),
        ] {
            let spec = RepoSpec::parse(text);
            let seen = spec.map(|s| (s.clone_spec(), s.path, s.reference));
            assert_eq!(
                seen,
                Some((clone.to_owned(), path.to_owned(), reference.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn local_paths_are_no_repositories() {
        for text in [
            "../base",
            "/abs/dir",
            "base",
            "deployment.yaml",
            "https://example.com",
            "github.com/org",
            "a@b",
        ] {
            assert_eq!(RepoSpec::parse(text), None, "{text}");
        }
    }

    #[test]
    fn timeouts_are_seconds_or_durations() {
        assert_eq!(seconds("61"), Some(Duration::from_secs(61)));
        assert_eq!(seconds("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(seconds("-5s"), None);
        assert_eq!(seconds("0"), None);
        assert_eq!(seconds("x"), None);
    }
}
