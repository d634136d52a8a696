//! The release that templates see.

/// The release that templates see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its revision, counted from 1.
    pub revision: i64,
    /// Whether it is there already.
    pub is_upgrade: bool,
}

/// Checks a release name by Helm's rules; fails with the name, quoted, and the rule.
///
/// Flux shortens names instead and never meets the length.
pub fn validate_release_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("\"\": no name provided".to_owned());
    }
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let valid_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(alphanumeric)
            && bytes.last().is_some_and(alphanumeric)
            && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
    };
    if name.len() <= 53 && name.split('.').all(valid_label) {
        return Ok(());
    }
    Err(format!(
        "{}: invalid release name, must match regex {NAME_PATTERN} and the length must not be longer than 53",
        go_std::quote(name)
    ))
}

/// The rule for release names, as Helm's error message spells it.
const NAME_PATTERN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
