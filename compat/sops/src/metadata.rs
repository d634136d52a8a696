//! The block of SOPS in a file: the keys, the rules, the code that authenticates it.

use std::collections::BTreeMap;

use crate::error::LoadError;
use crate::limits::Limits;
use crate::time::Time;
use crate::tree::{Branch, Key, Value};

/// What a file says about its encryption.
#[derive(Clone, Debug)]
pub struct Metadata {
    pub(crate) last_modified: Time,
    pub(crate) mac: String,
    pub(crate) mac_only_encrypted: bool,
    pub(crate) rule: Rule,
    pub(crate) shamir_threshold: usize,
    /// The groups of keys. With several, the data key is split among them.
    pub groups: Vec<Vec<MasterKey>>,
}

/// Which values are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    UnencryptedSuffix(String),
    EncryptedSuffix(String),
    UnencryptedRegex(String),
    EncryptedRegex(String),
    UnencryptedCommentRegex(String),
    EncryptedCommentRegex(String),
}

/// A key that the data key of a file, or a part of it, is encrypted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterKey {
    /// An age recipient.
    Age(AgeKey),
    /// An OpenPGP key.
    Pgp(PgpKey),
    /// A key of AWS KMS.
    AwsKms(AwsKmsKey),
    /// A key of GCP KMS.
    GcpKms(GcpKmsKey),
    /// A key of Azure Key Vault.
    Azure(AzureKey),
    /// A key of the transit engine of Vault or OpenBao.
    Vault(VaultKey),
    /// A key of Huawei Cloud KMS.
    Huawei(HuaweiKey),
}

macro_rules! master_keys {
    ($($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident: $entry:literal,)* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_about])* pub $field: String,)*
        }

        impl $name {
            fn read(entry: &Reader<'_>, errors: &mut Vec<String>) -> Self {
                Self { $($field: entry.text($entry, errors),)* }
            }
        }
    )*};
}

master_keys! {
    /// An age recipient, and the data key encrypted for it.
    AgeKey {
        /// The public key.
        recipient: "recipient",
        /// The data key as an armoured age file.
        encrypted: "enc",
    }
    /// An OpenPGP key, and the data key encrypted for it.
    PgpKey {
        /// The fingerprint.
        fingerprint: "fp",
        /// The data key as an armoured OpenPGP message.
        encrypted: "enc",
        /// When it was encrypted.
        created_at: "created_at",
    }
    /// A key of GCP KMS, and the data key encrypted by it.
    GcpKmsKey {
        /// `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
        resource_id: "resource_id",
        /// The data key in base64.
        encrypted: "enc",
        /// When it was encrypted.
        created_at: "created_at",
    }
    /// A key of Azure Key Vault, and the data key encrypted by it.
    AzureKey {
        /// The address of the vault.
        vault_url: "vault_url",
        /// The name of the key.
        name: "name",
        /// The version of the key; empty for the latest.
        version: "version",
        /// The data key in base64 for addresses.
        encrypted: "enc",
        /// When it was encrypted.
        created_at: "created_at",
    }
    /// A key of Vault's transit engine, and the data key encrypted by it.
    VaultKey {
        /// The address of the server.
        address: "vault_address",
        /// Where the engine is mounted.
        engine_path: "engine_path",
        /// The name of the key.
        key_name: "key_name",
        /// The data key as Vault writes it.
        encrypted: "enc",
        /// When it was encrypted.
        created_at: "created_at",
    }
    /// A key of Huawei Cloud KMS, and the data key encrypted by it.
    HuaweiKey {
        /// `REGION:UUID`.
        key_id: "key_id",
        /// The data key as the service writes it.
        encrypted: "enc",
        /// When it was encrypted.
        created_at: "created_at",
    }
}

/// A key of AWS KMS, and the data key encrypted by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsKmsKey {
    /// The name of the key.
    pub arn: String,
    /// The role to take on; may be empty.
    pub role: String,
    /// What was given to the service with the data key; a null has no value.
    pub context: BTreeMap<String, Option<String>>,
    /// The profile that was used; it does not count here.
    pub profile: String,
    /// The data key in base64.
    pub encrypted: String,
    /// When it was encrypted.
    pub created_at: String,
}

impl MasterKey {
    /// What messages call the key.
    pub fn name(&self) -> String {
        match self {
            Self::Age(key) => key.recipient.clone(),
            Self::Pgp(key) => key.fingerprint.clone(),
            Self::GcpKms(key) => key.resource_id.clone(),
            Self::Azure(key) => format!("{}/keys/{}/{}", key.vault_url, key.name, key.version),
            Self::Vault(key) => format!("{}/v1/{}/keys/{}", key.address, key.engine_path, key.key_name),
            Self::Huawei(key) => key.key_id.clone(),
            Self::AwsKms(key) => {
                let mut name = key.arn.clone();
                if !key.role.is_empty() {
                    name.push('+');
                    name.push_str(&key.role);
                }
                let pairs = key.context.iter();
                let pairs =
                    pairs.map(|(key, value)| format!("{key}:{}", value.as_deref().unwrap_or_default()));
                let pairs = pairs.collect::<Vec<_>>().join(",");
                if !pairs.is_empty() || !key.profile.is_empty() {
                    name.push('|');
                    name.push_str(&pairs);
                }
                if !key.profile.is_empty() {
                    name.push('|');
                    name.push_str(&key.profile);
                }
                name
            }
        }
    }

    fn created_at(&self) -> Option<&str> {
        match self {
            Self::Age(_) => None,
            Self::Pgp(key) => Some(&key.created_at),
            Self::AwsKms(key) => Some(&key.created_at),
            Self::GcpKms(key) => Some(&key.created_at),
            Self::Azure(key) => Some(&key.created_at),
            Self::Vault(key) => Some(&key.created_at),
            Self::Huawei(key) => Some(&key.created_at),
        }
    }

    fn encrypted(&self) -> &str {
        match self {
            Self::Age(key) => &key.encrypted,
            Self::Pgp(key) => &key.encrypted,
            Self::AwsKms(key) => &key.encrypted,
            Self::GcpKms(key) => &key.encrypted,
            Self::Azure(key) => &key.encrypted,
            Self::Vault(key) => &key.encrypted,
            Self::Huawei(key) => &key.encrypted,
        }
    }
}

impl Metadata {
    /// Reads the block.
    pub(crate) fn read(block: &Branch, limits: &Limits) -> Result<Self, LoadError> {
        let mut errors = Vec::new();
        let entry = Reader {
            branch: Some(block),
            name: String::new(),
        };
        let text = |name: &str, errors: &mut Vec<String>| entry.text(name, errors);
        let last_modified = text("lastmodified", &mut errors);
        let mac = text("mac", &mut errors);
        let rules = [
            (
                "unencrypted_suffix",
                Rule::UnencryptedSuffix as fn(String) -> Rule,
            ),
            ("encrypted_suffix", Rule::EncryptedSuffix),
            ("unencrypted_regex", Rule::UnencryptedRegex),
            ("encrypted_regex", Rule::EncryptedRegex),
            ("unencrypted_comment_regex", Rule::UnencryptedCommentRegex),
            ("encrypted_comment_regex", Rule::EncryptedCommentRegex),
        ];
        let rules = rules.map(|(name, rule)| (text(name, &mut errors), rule));
        let mac_only_encrypted = entry.flag("mac_only_encrypted", &mut errors);
        let threshold = entry.integer("shamir_threshold", &mut errors);
        let group = entry.group(&mut errors);
        let groups: Vec<_> = entry
            .list("key_groups", &mut errors)
            .iter()
            .map(|entry| entry.group(&mut errors))
            .collect();
        if !errors.is_empty() {
            return Err(LoadError::Metadata(format!(
                "decoding failed due to the following error(s):\n\n{}",
                errors.join("\n")
            )));
        }
        let groups = if group.is_empty() { groups } else { vec![group] };
        let last_modified = moment(&last_modified)?;
        check_keys(&groups, limits)?;
        let mut rules = rules.into_iter().filter(|(text, _)| !text.is_empty());
        let rule = match rules.next() {
            Some((text, rule)) => rule(text),
            None => Rule::UnencryptedSuffix("_unencrypted".to_owned()),
        };
        if rules.next().is_some() {
            return Err(LoadError::Metadata(
                "Cannot use more than one of encrypted_suffix, unencrypted_suffix, encrypted_regex, \
                 unencrypted_regex, encrypted_comment_regex, or unencrypted_comment_regex in the same file"
                    .to_owned(),
            ));
        }
        Ok(Self {
            last_modified,
            mac,
            mac_only_encrypted,
            rule,
            shamir_threshold: usize::try_from(threshold).unwrap_or_default(),
            groups,
        })
    }
}

fn check_keys(groups: &[Vec<MasterKey>], limits: &Limits) -> Result<(), LoadError> {
    if groups.is_empty() {
        return Err(LoadError::Metadata("No keys found in file".to_owned()));
    }
    if groups.len().max(groups.iter().flatten().count()) > limits.max_keys {
        return Err(LoadError::Limit {
            what: "keys",
            allowed: limits.max_keys,
        });
    }
    for key in groups.iter().flatten() {
        if key.encrypted().len() > limits.max_encrypted_key {
            return Err(LoadError::Limit {
                what: "bytes in an encrypted data key",
                allowed: limits.max_encrypted_key,
            });
        }
        key.created_at().map(moment).transpose()?;
        if let MasterKey::Huawei(key) = key
            && key.key_id.split(':').filter(|part| !part.is_empty()).count() != 2
        {
            let id = &key.key_id;
            return Err(LoadError::Metadata(format!(
                "could not parse key ID {id:?}: it is not REGION:UUID"
            )));
        }
    }
    Ok(())
}

fn moment(text: &str) -> Result<Time, LoadError> {
    Time::parse(text).ok_or_else(|| {
        let (layout, start) = ("2006-01-02T15:04:05Z07:00", "2006");
        LoadError::Metadata(format!(
            "parsing time {text:?} as {layout:?}: cannot parse {text:?} as {start:?}"
        ))
    })
}

/// An object of the block, read as weakly as sops reads it: names in any case, numbers as texts and texts as numbers.
struct Reader<'b> {
    /// Nothing for a null.
    branch: Option<&'b Branch>,
    name: String,
}

impl<'b> Reader<'b> {
    fn find(&self, name: &str) -> Option<&'b Value> {
        let items = || {
            let items = self.branch.into_iter().flatten();
            items.filter_map(|item| Some((std::str::from_utf8(item.key_text()?).ok()?, &item.value)))
        };
        // Of a key that is there twice the last value counts.
        let exact = items().rfind(|(key, _)| *key == name);
        let found = exact.or_else(|| items().find(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value)
    }

    fn path(&self, name: &str) -> String {
        if self.name.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.name)
        }
    }

    fn text(&self, name: &str, errors: &mut Vec<String>) -> String {
        match self.find(name) {
            None => String::new(),
            Some(value) => as_text(value).unwrap_or_else(|| {
                let (path, kind) = (self.path(name), go_kind(value));
                errors.push(format!(
                    "'{path}' expected type 'string', got unconvertible type '{kind}'"
                ));
                String::new()
            }),
        }
    }

    fn flag(&self, name: &str, errors: &mut Vec<String>) -> bool {
        let parsed = match self.find(name) {
            None | Some(Value::Null) => Some(false),
            Some(Value::Bool(value)) => Some(*value),
            Some(Value::Int(value)) => Some(*value != 0),
            Some(Value::Float(value)) => Some(*value != 0.0),
            Some(Value::Text(text)) if text.is_empty() => Some(false),
            Some(Value::Text(text)) => std::str::from_utf8(text)
                .ok()
                .and_then(crate::numbers::parse_bool),
            Some(_) => None,
        };
        parsed.unwrap_or_else(|| {
            errors.push(format!("cannot parse '{}' as bool", self.path(name)));
            false
        })
    }

    fn integer(&self, name: &str, errors: &mut Vec<String>) -> i64 {
        let parsed = match self.find(name) {
            None | Some(Value::Null) => Some(0),
            Some(Value::Bool(value)) => Some(i64::from(*value)),
            Some(Value::Int(value)) => Some(*value),
            Some(Value::Float(value)) => Some(*value as i64),
            Some(Value::Text(text)) if text.is_empty() => Some(0),
            Some(Value::Text(text)) => std::str::from_utf8(text).ok().and_then(parse_any_base),
            Some(_) => None,
        };
        parsed.unwrap_or_else(|| {
            errors.push(format!("cannot parse '{}' as int", self.path(name)));
            0
        })
    }

    /// The objects of a list; an object alone is a list of one.
    fn list(&self, name: &str, errors: &mut Vec<String>) -> Vec<Reader<'b>> {
        let path = self.path(name);
        let one = |branch, at: usize| Reader {
            branch,
            name: format!("{path}[{at}]"),
        };
        match self.find(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Branch(branch)) if branch.is_empty() => Vec::new(),
            Some(Value::Branch(branch)) => vec![one(Some(branch), 0)],
            Some(Value::List(items)) => {
                let items = items.iter().filter(|item| !matches!(item, Value::Comment(_)));
                let entries = items.enumerate().filter_map(|(at, item)| match item {
                    Value::Branch(branch) => Some(one(Some(branch), at)),
                    Value::Null => Some(one(None, at)),
                    other => {
                        let kind = go_kind(other);
                        errors.push(format!("'{path}[{at}]' expected a map or struct, got \"{kind}\""));
                        None
                    }
                });
                entries.collect()
            }
            Some(other) => {
                let kind = go_kind(other);
                errors.push(format!("'{path}[0]' expected a map or struct, got \"{kind}\""));
                Vec::new()
            }
        }
    }

    /// The keys of a group, in the order in which sops lays them out.
    fn group(&self, errors: &mut Vec<String>) -> Vec<MasterKey> {
        let mut keys = Vec::new();
        for entry in self.list("kms", errors) {
            keys.push(MasterKey::AwsKms(entry.aws(errors)));
        }
        for entry in self.list("gcp_kms", errors) {
            keys.push(MasterKey::GcpKms(GcpKmsKey::read(&entry, errors)));
        }
        for entry in self.list("hckms", errors) {
            keys.push(MasterKey::Huawei(HuaweiKey::read(&entry, errors)));
        }
        for entry in self.list("azure_kv", errors) {
            keys.push(MasterKey::Azure(AzureKey::read(&entry, errors)));
        }
        for entry in self.list("hc_vault", errors) {
            keys.push(MasterKey::Vault(VaultKey::read(&entry, errors)));
        }
        for entry in self.list("pgp", errors) {
            keys.push(MasterKey::Pgp(PgpKey::read(&entry, errors)));
        }
        for entry in self.list("age", errors) {
            keys.push(MasterKey::Age(AgeKey::read(&entry, errors)));
        }
        keys
    }

    fn aws(&self, errors: &mut Vec<String>) -> AwsKmsKey {
        let mut context = BTreeMap::new();
        match self.find("context") {
            None | Some(Value::Null) => {}
            Some(Value::Branch(branch)) => {
                for item in branch {
                    let Key::Text(key) = &item.key else { continue };
                    let key = String::from_utf8_lossy(key).into_owned();
                    let value = match &item.value {
                        Value::Null => None,
                        value => as_text(value),
                    };
                    context.insert(key, value);
                }
            }
            Some(other) => {
                let (path, kind) = (self.path("context"), go_kind(other));
                errors.push(format!("'{path}' expected a map, got '{kind}'"));
            }
        }
        AwsKmsKey {
            arn: self.text("arn", errors),
            role: self.text("role", errors),
            context,
            profile: self.text("aws_profile", errors),
            encrypted: self.text("enc", errors),
            created_at: self.text("created_at", errors),
        }
    }
}

/// A value as a text, if it can be one.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        Value::Int(value) => Some(value.to_string()),
        Value::Uint(value) => Some(value.to_string()),
        Value::Float(value) => Some(crate::numbers::plain(*value)),
        Value::Bool(value) => Some(if *value { "1" } else { "0" }.to_owned()),
        Value::Time(_) | Value::Branch(_) | Value::List(_) | Value::Comment(_) => None,
    }
}

/// The Go type of a value of the block.
fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Branch(_) => "map[string]interface {}",
        other => other.kind(),
    }
}

/// Go's `ParseInt` with base 0.
fn parse_any_base(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, base) = match lower.get(..2) {
        Some("0x") => (lower.get(2..)?, 16),
        Some("0b") => (lower.get(2..)?, 2),
        Some("0o") => (lower.get(2..)?, 8),
        _ if lower.len() > 1 && lower.starts_with('0') => (lower.get(1..)?, 8),
        _ => (lower.as_str(), 10),
    };
    i64::from_str_radix(digits, base).ok().map(|value| sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Item;

    fn age(enc: Value) -> Value {
        Value::List(vec![Value::Branch(vec![
            Item::new("recipient", Value::text("r")),
            Item::new("enc", enc),
        ])])
    }

    fn block(items: Vec<(&str, Value)>) -> Result<Metadata, String> {
        let mut branch = vec![Item::new("lastmodified", Value::text("2024-01-02T03:04:05Z"))];
        branch.extend(items.into_iter().map(|(key, value)| Item::new(key, value)));
        Metadata::read(&branch, &Limits::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_block_is_read_weakly() {
        let metadata = block(vec![
            ("AGE", age(Value::Int(5))),
            ("MAC_only_encrypted", Value::text("1")),
            ("shamir_threshold", Value::text("0x2")),
            ("version", Value::Float(3.9)),
            ("mac", Value::Null),
        ])
        .unwrap();
        assert!(metadata.mac_only_encrypted);
        assert_eq!(metadata.shamir_threshold, 2);
        assert_eq!(metadata.rule, Rule::UnencryptedSuffix("_unencrypted".to_owned()));
        let [[MasterKey::Age(key)]] =
            [&metadata.groups[0][..]].map(|group| <&[MasterKey; 1]>::try_from(group).unwrap())
        else {
            panic!("{metadata:?}")
        };
        assert_eq!((key.recipient.as_str(), key.encrypted.as_str()), ("r", "5"));
    }

    #[test]
    fn what_is_wrong_in_the_block_is_told() {
        assert_eq!(block(vec![]).unwrap_err(), "No keys found in file");
        assert_eq!(
            block(vec![("age", Value::text("x"))]).unwrap_err(),
            "decoding failed due to the following error(s):\n\n'age[0]' expected a map or struct, got \"string\""
        );
        let two = block(vec![
            ("age", age(Value::text("e"))),
            ("encrypted_regex", Value::text("a")),
            ("encrypted_suffix", Value::text("b")),
        ]);
        assert!(two.unwrap_err().starts_with("Cannot use more than one of "));
        let kms = Value::Branch(vec![Item::new("arn", Value::text("a"))]);
        assert_eq!(
            block(vec![("kms", kms)]).unwrap_err(),
            r#"parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006""#
        );
    }
}
