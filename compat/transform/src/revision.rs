//! What revisions begin with.

use go_yaml::{Limits, sigs};
use sprig::semver::Version;

use crate::error::Problem;
use crate::tree::Tree;

/// The longest word.
const LONGEST: usize = 128;

/// What a revision begins with when nobody says.
pub(crate) fn default_word() -> String {
    "latest".to_owned()
}

/// What a revision begins with that of an input is carried over: its branch, tag or version.
pub(crate) fn word_of(revision: &str) -> String {
    let is_digest = |text: &str| {
        let digits = text.split_once(':').map(|(_, digits)| digits);
        digits.is_some_and(|digits| digits.len() >= 32 && digits.chars().all(|c| c.is_ascii_hexdigit()))
    };
    let word = match revision.rsplit_once('@') {
        Some((word, digest)) if is_digest(digest) => word,
        _ if is_digest(revision) => "",
        _ => revision,
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._/+-".contains(c);
    let word = word.chars().map(|c| if allowed(c) { c } else { '-' });
    let word: String = word.take(LONGEST).collect();
    if word.is_empty() { default_word() } else { word }
}

/// Refuses a word that is a version where there is a chart of another one: helm-controller takes it for the chart's.
pub(crate) fn check_chart(tree: &Tree, word: &str) -> Result<(), Problem> {
    let Some((top, _)) = tree.files().next().and_then(|(path, _)| path.split_once('/')) else {
        return Ok(());
    };
    let file = format!("{top}/Chart.yaml");
    let inside = format!("{top}/");
    let Some(metadata) = tree
        .file(&file)
        .filter(|_| tree.files().all(|(path, _)| path.starts_with(&inside)))
    else {
        return Ok(());
    };
    let Ok(claimed) = Version::parse(word) else {
        return Ok(());
    };
    let metadata = sigs::to_value_of(&metadata.content, |key| key == "version", &Limits::default())
        .map_err(|error| Problem::file(&file, error))?;
    let version = metadata
        .get("version")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let is_same = Version::parse(version).is_ok_and(|version| version.to_string() == claimed.to_string());
    if is_same {
        return Ok(());
    }
    Err(Problem::invalid(
        "revision",
        format!(
            "it begins with version {word}, but the chart has version {version}; leave it out, or use the step `chart`"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_an_input_is_its_branch_tag_or_version() {
        let sha = "0123456789012345678901234567890123456789";
        for (revision, expected) in [
            (format!("6.1.0@sha256:{sha}"), "6.1.0"),
            (format!("main@sha1:{sha}"), "main"),
            (format!("refs/heads/a b@sha1:{sha}"), "refs/heads/a-b"),
            (format!("user@host@sha1:{sha}"), "user-host"),
            (format!("sha256:{sha}"), "latest"),
            ("6.1.0".to_owned(), "6.1.0"),
            (String::new(), "latest"),
        ] {
            assert_eq!(word_of(&revision), expected, "{revision}");
        }
    }

    #[test]
    fn a_chart_and_its_revision_have_one_version() {
        let chart: Tree = [
            ("podinfo/Chart.yaml", "name: podinfo\nversion: 6.1.0\n"),
            ("podinfo/x", ""),
        ]
        .into_iter()
        .collect();
        assert!(check_chart(&chart, "6.1.0").is_ok() && check_chart(&chart, "latest").is_ok());
        assert!(check_chart(&chart, "6.2.0").is_err());
        let other: Tree = [("podinfo/Chart.yaml", "version: 6.1.0\n"), ("x", "")]
            .into_iter()
            .collect();
        assert!(check_chart(&other, "6.2.0").is_ok());
    }
}
