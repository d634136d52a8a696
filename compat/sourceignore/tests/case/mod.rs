//! Rules and paths as `e2e/tools/artifact-oracle` tells them, and the verdicts here.

use serde::Deserialize;
use sourceignore::{Matcher, read};

#[derive(Deserialize)]
struct Case {
    rules: String,
    domain: Vec<String>,
    archive: bool,
    paths: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    path: String,
    directory: bool,
    ignored: bool,
}

/// Compares all verdicts of a line.
pub(crate) fn check(line: &str) -> Result<(), String> {
    let case: Case = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
    let domain: Vec<_> = case.domain.iter().map(String::as_str).collect();
    let patterns = read(&case.rules, &domain);
    let matcher = if case.archive {
        Matcher::for_archives(patterns)
    } else {
        Matcher::new(patterns)
    };
    for verdict in &case.paths {
        let ours = matcher.ignores(&verdict.path, verdict.directory);
        if ours != verdict.ignored {
            return Err(format!(
                "{:?} (directory: {}) is ignored: {ours}, and by Flux: {} {line}",
                verdict.path, verdict.directory, verdict.ignored
            ));
        }
    }
    Ok(())
}
