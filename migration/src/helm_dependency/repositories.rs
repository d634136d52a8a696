//! Which repository each dependency means.

use std::collections::HashMap;
use std::io::Write;

use helm::Dependency;
use helm_remote::{Kept, Repositories, same_repository};

use super::HelmDependencyError;
use super::chart::{is_local, is_registry, local_path};

/// The names of the repositories by those of the dependencies.
pub(super) type Names = HashMap<String, String>;

/// Finds the repositories that dependencies mean, and puts URLs in the places of their names.
pub(super) fn find(
    dependencies: &mut [Dependency],
    repositories: &Repositories<'_>,
    chart: &str,
    debug: &mut dyn FnMut(&str) -> std::io::Result<()>,
) -> Result<Names, HelmDependencyError> {
    let (mut names, mut missing) = (Names::new(), Vec::new());
    for dependency in dependencies {
        let repository = dependency.repository.clone();
        if repository.is_empty() {
            continue;
        }
        if is_local(&repository) {
            local_path(&repository, chart)?;
            debug(&repository)?;
            names.insert(dependency.name.clone(), repository);
            continue;
        }
        if is_registry(&repository) {
            names.insert(dependency.name.clone(), repository);
            continue;
        }
        let alias = repository
            .strip_prefix('@')
            .or_else(|| repository.strip_prefix("alias:"));
        let is_meant =
            |listed: &Kept| alias == Some(listed.name()) || same_repository(listed.url(), &repository);
        if let Some(listed) = repositories.listed().find(is_meant) {
            if alias == Some(listed.name()) {
                listed.url().clone_into(&mut dependency.repository);
            }
            names.insert(dependency.name.clone(), listed.name().to_owned());
        } else if !is_url(&repository) {
            missing.push(repository);
        }
    }
    if missing.is_empty() {
        return Ok(names);
    }
    Err(HelmDependencyError::NoRepository { names: missing })
}

/// Whether a text is a URL, or an absolute path, as Go's `ParseRequestURI` sees it.
fn is_url(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let has_scheme = scheme.is_some_and(|scheme| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    text.starts_with('/') || has_scheme
}

/// Gives the repositories that are not in Helm's list a name, and fetches their indexes.
pub(super) fn ensure_unlisted(
    dependencies: &[Dependency],
    names: &mut Names,
    repositories: &Repositories<'_>,
    refresh: bool,
    out: &mut dyn Write,
) -> Result<(), HelmDependencyError> {
    let mut unlisted = Vec::new();
    for dependency in dependencies {
        if dependency.repository.is_empty() || names.contains_key(&dependency.name) {
            continue;
        }
        let kept = Repositories::unlisted(&dependency.repository);
        names.insert(dependency.name.clone(), kept.name().to_owned());
        unlisted.push(kept);
    }
    if refresh && !unlisted.is_empty() {
        writeln!(out, "Getting updates for unmanaged Helm repositories...")?;
        fetch_indexes(unlisted, repositories, out)?;
    }
    Ok(())
}

/// Fetches the indexes of all repositories of Helm's list.
pub(super) fn update_listed(
    repositories: &Repositories<'_>,
    out: &mut dyn Write,
) -> Result<(), HelmDependencyError> {
    let listed: Vec<_> = repositories.listed().collect();
    if listed.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "Hang tight while we grab the latest from your chart repositories..."
    )?;
    fetch_indexes(listed, repositories, out)?;
    writeln!(out, "Update Complete. ⎈Happy Helming!⎈")?;
    Ok(())
}

/// Fetches indexes, one for each URL. A repository that does not answer is told, and is no error.
fn fetch_indexes(
    wanted: Vec<Kept>,
    repositories: &Repositories<'_>,
    out: &mut dyn Write,
) -> Result<(), HelmDependencyError> {
    let mut unique: Vec<Kept> = Vec::new();
    for kept in wanted {
        let url = kept.url().strip_suffix('/').unwrap_or(kept.url());
        let known = unique
            .iter()
            .position(|other| other.url().strip_suffix('/').unwrap_or(other.url()) == url);
        match known.and_then(|at| unique.get_mut(at)) {
            // The last one of the list counts, as with Helm.
            Some(place) => *place = kept,
            None => unique.push(kept),
        }
    }
    for kept in &unique {
        Repositories::check_scheme(kept)?;
    }
    for kept in &unique {
        let quoted = go_std::quote(kept.shown());
        match repositories.update(kept) {
            Ok(()) => writeln!(
                out,
                "...Successfully got an update from the {quoted} chart repository"
            )?,
            Err(error) if kept.is_listed() => writeln!(
                out,
                "...Unable to get an update from the {quoted} chart repository ({}):\n\t{error}",
                kept.url()
            )?,
            Err(error) => writeln!(
                out,
                "...Unable to get an update from the {quoted} chart repository:\n\t{error}"
            )?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_url;

    #[test]
    fn urls_are_told_from_names() {
        for (text, expected) in [
            ("https://charts.test", true),
            ("/charts", true),
            ("stable", false),
            ("@stable", false),
            ("alias:stable", true),
            ("1a:b", false),
            ("", false),
        ] {
            assert_eq!(is_url(text), expected, "{text}");
        }
    }
}
