//! The names of Artifacts.

use sha2::{Digest, Sha256};

/// The longest name that Kubernetes takes.
const MAX_NAME: usize = 253;

/// Gives the two names that the Artifact of an object may have: the one of Open Flux, and one for when that is taken.
///
/// The first is `<kind>-<namespace>-<name>` in lower case, cut and followed by a hash when it is too long. The second
/// always ends in the hash of group, kind, namespace and name, which no other object shares.
pub fn names(group: &str, kind: &str, namespace: &str, name: &str) -> [String; 2] {
    let plain = format!("{kind}-{namespace}-{name}").to_lowercase();
    let digest = Sha256::digest(format!("{group}/{kind}/{namespace}/{name}"));
    let hash = format!(
        "{:08x}",
        digest
            .iter()
            .take(4)
            .fold(0_u32, |hash, byte| hash << 8 | u32::from(*byte))
    );
    let room = MAX_NAME - hash.len() - 1;
    let stem = plain.get(..room).unwrap_or(&plain).trim_end_matches(['-', '.']);
    let hashed = format!("{stem}-{hash}");
    let first = if plain.len() > MAX_NAME {
        hashed.clone()
    } else {
        plain
    };
    [first, hashed]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_open_flux_when_they_fit() {
        let [plain, hashed] = names("example.org", "Http", "apps", "web");
        assert_eq!(plain, "http-apps-web");
        assert!(hashed.starts_with("http-apps-web-") && hashed.len() == plain.len() + 9);
        assert_ne!(names("example.com", "Http", "apps", "web")[1], hashed);
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let names = ["x", "y"].map(|last| names("g", "Http", "apps", &format!("{}{last}", "a".repeat(252))));
        assert!(names.iter().flatten().all(|name| name.len() <= MAX_NAME));
        assert_ne!(names[0], names[1]);
    }
}
