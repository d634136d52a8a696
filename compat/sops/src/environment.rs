//! Keys of the process itself, which sops falls back to where it was given none.

use crate::age::{self, Identity};

/// What is around a process: its environment and its files.
pub trait Surroundings {
    /// The value of a variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// The content of a file; nothing if there is none.
    fn file(&self, path: &str) -> Result<Option<String>, String>;
}

/// The keys of age that a process has, and where others were looked for.
#[derive(Clone, Default)]
pub(crate) struct ProcessKeys {
    pub(crate) identities: Vec<Identity>,
    failures: Vec<String>,
    unused: Vec<String>,
}

impl ProcessKeys {
    /// Looks where sops looks, but for programs that print keys: none is run.
    pub(crate) fn find(around: &dyn Surroundings) -> Self {
        let mut found = Self::default();
        match around.variable("SOPS_AGE_SSH_PRIVATE_KEY_FILE") {
            Some(path) => found.ssh_file(around, &path, true),
            None => found.unused.push("SOPS_AGE_SSH_PRIVATE_KEY_FILE".to_owned()),
        }
        found.program(around, "SOPS_AGE_SSH_PRIVATE_KEY_CMD");
        match around.variable("HOME").filter(|home| !home.is_empty()) {
            Some(home) => {
                for name in ["id_ed25519", "id_rsa"] {
                    found.ssh_file(
                        around,
                        &format!("{}/.ssh/{name}", home.trim_end_matches('/')),
                        false,
                    );
                }
            }
            None => found.failures.push("$HOME is not defined".to_owned()),
        }
        let mut is_given = false;
        match around.variable("SOPS_AGE_KEY") {
            Some(text) => {
                is_given = true;
                // Several may stand in one line, which they have to where a variable can have no other.
                let apart = |line: &str| {
                    if line.starts_with('#') {
                        line.to_owned()
                    } else {
                        line.split_whitespace().collect::<Vec<_>>().join("\n")
                    }
                };
                let lines: Vec<_> = text.lines().map(apart).collect();
                found.age("SOPS_AGE_KEY", &lines.join("\n"));
            }
            None => found.unused.push("SOPS_AGE_KEY".to_owned()),
        }
        match around.variable("SOPS_AGE_KEY_FILE") {
            Some(path) => match around.file(&path) {
                Ok(Some(text)) => {
                    is_given = true;
                    found.age("SOPS_AGE_KEY_FILE", &text);
                }
                Ok(None) => found.failures.push(format!(
                    "failed to open SOPS_AGE_KEY_FILE file: open {path}: no such file or directory"
                )),
                Err(error) => found
                    .failures
                    .push(format!("failed to open SOPS_AGE_KEY_FILE file: {error}")),
            },
            None => found.unused.push("SOPS_AGE_KEY_FILE".to_owned()),
        }
        found.program(around, "SOPS_AGE_KEY_CMD");
        let configuration = || {
            let own = around.variable("XDG_CONFIG_HOME").filter(|path| !path.is_empty());
            own.or_else(|| Some(format!("{}/.config", around.variable("HOME")?)))
        };
        if let Some(folder) = configuration() {
            let path = format!("{}/sops/age/keys.txt", folder.trim_end_matches('/'));
            match around.file(&path) {
                Ok(Some(text)) => found.age(&path, &text),
                Ok(None) if !is_given && found.identities.is_empty() => found.unused.push(path),
                Ok(None) => {}
                Err(error) => found.failures.push(format!("failed to open file: {error}")),
            }
        }
        found
    }

    fn program(&mut self, around: &dyn Surroundings, name: &str) {
        if around.variable(name).is_some() {
            self.failures
                .push(format!("{name} is set, and no program is run for a key"));
        } else {
            self.unused.push(name.to_owned());
        }
    }

    fn ssh_file(&mut self, around: &dyn Surroundings, path: &str, is_asked_for: bool) {
        match around.file(path) {
            Ok(Some(text)) => match age::ssh_identity(&text) {
                Ok(identity) => self.identities.push(identity),
                Err(error) => self
                    .failures
                    .push(format!("malformed SSH identity in {path:?}: {error}")),
            },
            Ok(None) if is_asked_for => self.failures.push(format!(
                "failed to open file: open {path}: no such file or directory"
            )),
            Ok(None) => self.unused.push(path.to_owned()),
            Err(error) => self.failures.push(format!("failed to open file: {error}")),
        }
    }

    fn age(&mut self, place: &str, text: &str) {
        match age::identities(text) {
            Ok(found) if found.is_empty() => self.unused.push(place.to_owned()),
            Ok(found) => self.identities.extend(found),
            Err(error) => self
                .failures
                .push(format!("failed to parse '{place}' age identities: {error}")),
        }
    }

    /// What is told behind the reason why a key is not opened: where keys are damaged, and where there are none.
    pub(crate) fn told(&self) -> String {
        let mut text = String::new();
        if !self.failures.is_empty() {
            text.push_str(". Errors while loading age identities: ");
            text.push_str(&self.failures.join("; "));
        }
        let places = match self.unused.as_slice() {
            [] => return text,
            [one] => format!(" '{one}'"),
            [one, other] => format!("s '{one}' and '{other}'"),
            [most @ .., last] => format!("s '{}', and '{last}'", most.join("', '")),
        };
        text.push_str(". Did not find keys in location");
        text.push_str(&places);
        text.push('.');
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Around {
        variables: BTreeMap<&'static str, &'static str>,
        files: BTreeMap<&'static str, &'static str>,
    }

    impl Surroundings for Around {
        fn variable(&self, name: &str) -> Option<String> {
            self.variables.get(name).map(|value| (*value).to_owned())
        }

        fn file(&self, path: &str) -> Result<Option<String>, String> {
            Ok(self.files.get(path).map(|text| (*text).to_owned()))
        }
    }

    fn find(
        variables: &[(&'static str, &'static str)],
        files: &[(&'static str, &'static str)],
    ) -> (usize, String) {
        let around = Around {
            variables: variables.iter().copied().collect(),
            files: files.iter().copied().collect(),
        };
        let found = ProcessKeys::find(&around);
        (found.identities.len(), found.told())
    }

    const KEY: &str = include_str!("../cases/keys/a.agekey");

    #[test]
    fn where_nothing_is_found_all_places_are_told() {
        let (count, told) = find(&[("HOME", "/home/x")], &[]);
        assert_eq!(count, 0);
        assert_eq!(
            told,
            ". Did not find keys in locations 'SOPS_AGE_SSH_PRIVATE_KEY_FILE', 'SOPS_AGE_SSH_PRIVATE_KEY_CMD', \
             '/home/x/.ssh/id_ed25519', '/home/x/.ssh/id_rsa', 'SOPS_AGE_KEY', 'SOPS_AGE_KEY_FILE', 'SOPS_AGE_KEY_CMD', \
             and '/home/x/.config/sops/age/keys.txt'."
        );
    }

    #[test]
    fn keys_are_found_in_variables_and_files() {
        let (count, told) = find(
            &[
                ("SOPS_AGE_KEY_FILE", "/k"),
                ("XDG_CONFIG_HOME", "/c"),
                ("SOPS_AGE_KEY_CMD", "date"),
            ],
            &[("/k", KEY), ("/c/sops/age/keys.txt", KEY)],
        );
        assert_eq!(count, 2);
        assert!(
            told.contains("SOPS_AGE_KEY_CMD is set, and no program is run"),
            "{told}"
        );
        assert_eq!(find(&[("SOPS_AGE_KEY", KEY.lines().last().unwrap())], &[]).0, 1);
    }
}
