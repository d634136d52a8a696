//! The two parts of an `apiVersion`.

/// Splits `group/version` at the first slash; without one the whole text is the version.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}
