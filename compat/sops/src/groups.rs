//! The data key of a file, from the keys that it is encrypted for.

use zeroize::Zeroizing;

use crate::metadata::{MasterKey, Metadata};
use crate::shamir;
use crate::wrap::{indent, wrap};

/// The key that the values of a file are encrypted by. It is wiped when it is dropped, and never printed.
pub struct DataKey(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(..)")
    }
}

impl DataKey {
    /// A key that is known.
    pub fn new(key: Vec<u8>) -> Self {
        Self(Zeroizing::new(key))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Somebody who decrypts a data key, or a part of it, with some of the keys that it is encrypted for.
pub trait KeyService {
    /// Decrypts what is encrypted for `key`. An error is the text that is told to people.
    fn decrypt(&self, key: &MasterKey) -> Result<Zeroizing<Vec<u8>>, String>;
}

/// Why there is no data key; its text is that of sops for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataKeyError {
    /// Too few groups could be opened.
    #[error("{0}")]
    Recovery(String),
    /// The parts do not make a key.
    #[error("could not get data key from shamir parts: {0}")]
    Parts(String),
}

impl Metadata {
    /// Asks for the data key: in each group the keys of age first, then those of PGP, then the others.
    pub fn data_key(&self, service: &dyn KeyService) -> Result<DataKey, DataKeyError> {
        let mut parts = Vec::new();
        let mut reports = Vec::new();
        for (at, group) in self.groups.iter().enumerate() {
            match open_group(group, service) {
                Ok(part) => {
                    parts.push(part);
                    reports.push(format!("Group {at}: SUCCESS"));
                }
                Err(why) => reports.push(format!("Group {at}: FAILED\n{}", indent(&why, "  "))),
            }
        }
        if let [_] = self.groups.as_slice() {
            return match parts.pop() {
                Some(key) => Ok(DataKey(key)),
                None => Err(self.failure(&reports, 0)),
            };
        }
        if parts.len() < self.shamir_threshold {
            return Err(self.failure(&reports, parts.len()));
        }
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_slice()).collect();
        let key = shamir::combine(&parts).map_err(|error| DataKeyError::Parts(error.to_string()))?;
        Ok(DataKey::new(key))
    }

    fn failure(&self, reports: &[String], opened: usize) -> DataKeyError {
        let needed = self.shamir_threshold;
        let why = if needed == 0 {
            "Recovery failed because no master key was able to decrypt the file. In order for SOPS to recover the file, \
             at least one key has to be successful, but none were."
                .to_owned()
        } else {
            format!(
                "Recovery failed because the file was encrypted with a Shamir threshold of {needed}, but only {opened} \
                 part(s) were successfully recovered, one for each successful key group. In order for SOPS to recover \
                 the file, at least {needed} groups have to be successful. In order for a group to be successful, \
                 decryption has to succeed with any of the keys in that key group."
            )
        };
        DataKeyError::Recovery(format!(
            "Failed to get the data key required to decrypt the SOPS file.\n\n{}\n\n{}",
            reports.join("\n\n"),
            wrap(&why, 75)
        ))
    }
}

/// Tries the keys of a group, and tells why none of them helps.
fn open_group(group: &[MasterKey], service: &dyn KeyService) -> Result<Zeroizing<Vec<u8>>, String> {
    let rank = |key: &&MasterKey| match key {
        MasterKey::Age(_) => 0,
        MasterKey::Pgp(_) => 1,
        _ => 2,
    };
    let mut keys: Vec<_> = group.iter().collect();
    keys.sort_by_key(rank);
    let mut failures = Vec::new();
    for key in keys {
        match service.decrypt(key) {
            Ok(part) => return Ok(part),
            Err(why) => {
                let why = indent(&wrap(&why, 60), "  | ");
                let why = why.replacen(' ', "-", 1);
                failures.push(format!("{}: FAILED\n{}", key.name(), indent(&why, "  ")));
            }
        }
    }
    Err(failures.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{AgeKey, PgpKey, Rule};
    use crate::time::Time;

    struct Service;

    impl KeyService for Service {
        fn decrypt(&self, key: &MasterKey) -> Result<Zeroizing<Vec<u8>>, String> {
            match key.name().as_str() {
                "one" => Ok(Zeroizing::new(vec![1, 2])),
                name => Err(format!(
                    "nobody here knows the key of {name}, which is a pity for all who want it"
                )),
            }
        }
    }

    fn metadata(groups: Vec<Vec<MasterKey>>, shamir_threshold: usize) -> Metadata {
        Metadata {
            last_modified: Time::parse("2024-01-02T03:04:05Z").unwrap(),
            mac: String::new(),
            mac_only_encrypted: false,
            rule: Rule::EncryptedSuffix(String::new()),
            shamir_threshold,
            groups,
        }
    }

    fn age(recipient: &str) -> MasterKey {
        MasterKey::Age(AgeKey {
            recipient: recipient.to_owned(),
            encrypted: String::new(),
        })
    }

    #[test]
    fn failures_are_told_as_sops_tells_them() {
        let pgp = MasterKey::Pgp(PgpKey {
            fingerprint: "PGP".to_owned(),
            ..PgpKey::default()
        });
        let error = metadata(vec![vec![pgp, age("AGE")]], 0)
            .data_key(&Service)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "Failed to get the data key required to decrypt the SOPS file.\n\n\
             Group 0: FAILED\n  AGE: FAILED\n    - | nobody here knows the key of AGE, which is a pity for all\n      \
             | who want it\n  \n  PGP: FAILED\n    - | nobody here knows the key of PGP, which is a pity for all\n      \
             | who want it\n\nRecovery failed because no master key was able to decrypt the file. In\norder for SOPS \
             to recover the file, at least one key has to be successful,\nbut none were."
        );
    }

    #[test]
    fn parts_are_counted() {
        let error = metadata(vec![vec![age("one")], vec![age("two")]], 2)
            .data_key(&Service)
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("Group 0: SUCCESS\n\nGroup 1: FAILED\n  two: FAILED\n"),
            "{text}"
        );
        let text = text.replace('\n', " ");
        assert!(
            text.contains("a Shamir threshold of 2, but only 1 part(s)"),
            "{text}"
        );
        let error = metadata(vec![vec![age("one")], vec![age("one")]], 2)
            .data_key(&Service)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "could not get data key from shamir parts: duplicate part detected"
        );
    }
}
