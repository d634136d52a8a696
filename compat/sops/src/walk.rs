//! The walk through a tree that decrypts its leaves.

use go_regexp::Regexp;
use sha2::{Digest, Sha512};

use crate::cipher;
use crate::error::{DecryptError, WalkError};
use crate::groups::DataKey;
use crate::metadata::{Metadata, Rule};
use crate::numbers::plain;
use crate::tree::{Branch, Comment, Key, Value};

/// What the code over a part of the values starts with, so that it is never that over all of them.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8A, 0x3F, 0xD2, 0xAD, 0x54, 0xCE, 0x66, 0x52, 0x7B, 0x10, 0x34, 0xF3, 0xD1, 0x47, 0xBE, 0x0B, 0x0B,
    0x97, 0x5B, 0x3B, 0xF4, 0x4F, 0x72, 0xC6, 0xFD, 0xAD, 0xEC, 0x81, 0x76, 0xF2, 0x7D, 0x69,
];

/// Expressions longer than this match nothing, as those that do not compile.
const MAX_REGEX: usize = 4 << 10;

/// Decrypts the documents in place and says whether they are those that were encrypted.
pub(crate) fn decrypt(
    documents: &mut [Branch],
    metadata: &Metadata,
    key: &DataKey,
) -> Result<bool, DecryptError> {
    let mut walk = Walk {
        rule: CompiledRule::new(&metadata.rule),
        key,
        path: Vec::new(),
        comments: Vec::new(),
        mac_only_encrypted: metadata.mac_only_encrypted,
        hash: Sha512::new(),
    };
    if metadata.mac_only_encrypted {
        walk.hash.update(ONLY_ENCRYPTED);
    }
    for document in documents {
        walk.branch(document).map_err(DecryptError)?;
    }
    let found = hexadecimal(&walk.hash.finalize());
    let place = metadata.last_modified.whole();
    let wanted = cipher::decrypt(metadata.mac.as_bytes(), key.bytes(), place.as_bytes());
    Ok(wanted == Ok(Value::Text(found)))
}

fn hexadecimal(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

struct Walk<'k> {
    rule: CompiledRule,
    key: &'k DataKey,
    /// The keys from the root to where the walk is.
    path: Vec<Vec<u8>>,
    /// The comments above, in this object or list and in those around it; kept only if a rule asks for them.
    comments: Vec<Vec<Vec<u8>>>,
    mac_only_encrypted: bool,
    hash: Sha512,
}

impl Walk<'_> {
    fn branch(&mut self, branch: &mut Branch) -> Result<(), WalkError> {
        self.comments.push(Vec::new());
        for item in branch {
            let key = match &mut item.key {
                Key::Comment(comment) => {
                    self.note(&comment.text);
                    *comment = self.key_comment(comment)?;
                    continue;
                }
                Key::Text(text) => text.clone(),
                Key::Other(kind, text) => {
                    return Err(WalkError::Key {
                        kind,
                        text: text.clone(),
                    });
                }
            };
            self.path.push(key);
            self.entry(&mut item.value)?;
            self.path.pop();
        }
        self.comments.pop();
        Ok(())
    }

    fn list(&mut self, list: &mut [Value]) -> Result<(), WalkError> {
        self.comments.push(Vec::new());
        for value in list {
            self.entry(value)?;
        }
        self.comments.pop();
        Ok(())
    }

    /// A value of an object or a list; comments count until the first that is none.
    fn entry(&mut self, value: &mut Value) -> Result<(), WalkError> {
        let is_comment = if let Value::Comment(comment) = &*value {
            let text = comment.text.clone();
            self.note(&text);
            true
        } else {
            false
        };
        self.value(value)?;
        if !is_comment && let Some(comments) = self.comments.last_mut() {
            comments.clear();
        }
        Ok(())
    }

    fn note(&mut self, comment: &[u8]) {
        if self.rule.asks_for_comments()
            && let Some(comments) = self.comments.last_mut()
        {
            comments.push(comment.to_vec());
        }
    }

    fn value(&mut self, value: &mut Value) -> Result<(), WalkError> {
        match value {
            Value::Null => Ok(()),
            Value::Branch(branch) => self.branch(branch),
            Value::List(list) => self.list(list),
            Value::Uint(_) => Err(WalkError::Type("uint64")),
            Value::Comment(comment) => {
                if let Some(decrypted) = self.comment(comment) {
                    *value = decrypted;
                }
                Ok(())
            }
            leaf => {
                let is_encrypted = self.rule.applies(&self.path, &self.comments, false);
                if is_encrypted {
                    let Value::Text(text) = leaf else {
                        return Err(WalkError::NotAString(leaf.kind()));
                    };
                    *leaf = cipher::decrypt(text, self.key.bytes(), &self.place())?;
                }
                if is_encrypted || !self.mac_only_encrypted {
                    self.hash_leaf(leaf);
                }
                Ok(())
            }
        }
    }

    /// A comment between the entries of an object. Behind a value it moves above it once it has been decrypted.
    fn key_comment(&mut self, comment: &Comment) -> Result<Comment, WalkError> {
        match self.comment(comment) {
            None => Ok(comment.clone()),
            Some(Value::Comment(decrypted)) => Ok(decrypted),
            Some(Value::Text(text)) => Ok(Comment {
                text,
                inline: comment.inline,
            }),
            Some(other) => Err(WalkError::Comment(other.kind())),
        }
    }

    /// What a comment decrypts to; one that does not was never encrypted.
    fn comment(&self, comment: &Comment) -> Option<Value> {
        let is_encrypted = self.rule.applies(&self.path, &self.comments, true);
        is_encrypted
            .then(|| cipher::decrypt(&comment.text, self.key.bytes(), &self.place()).ok())
            .flatten()
    }

    /// What a value is authenticated with: the keys that lead to it.
    fn place(&self) -> Vec<u8> {
        let mut place = self.path.join(&b':');
        place.push(b':');
        place
    }

    fn hash_leaf(&mut self, leaf: &Value) {
        match leaf {
            Value::Text(text) => self.hash.update(text),
            Value::Int(value) => self.hash.update(value.to_string()),
            Value::Float(value) => self.hash.update(plain(*value)),
            Value::Bool(value) => self.hash.update(if *value { "True" } else { "False" }),
            Value::Time(time) => self.hash.update(time.exact()),
            // Comments do not count: sops 3.13.2 alone counts those of lists, and fails at its own files.
            _ => {}
        }
    }
}

/// A rule whose expression is compiled. One that cannot be compiled matches nothing, as in sops.
enum CompiledRule {
    UnencryptedSuffix(Vec<u8>),
    EncryptedSuffix(Vec<u8>),
    UnencryptedRegex(Option<Regexp>),
    EncryptedRegex(Option<Regexp>),
    UnencryptedCommentRegex(Option<Regexp>),
    EncryptedCommentRegex(Option<Regexp>),
}

impl CompiledRule {
    fn new(rule: &Rule) -> Self {
        let compile = |text: &String| {
            Some(text)
                .filter(|text| text.len() <= MAX_REGEX)
                .and_then(|text| Regexp::new(text).ok())
        };
        match rule {
            Rule::UnencryptedSuffix(suffix) => Self::UnencryptedSuffix(suffix.clone().into_bytes()),
            Rule::EncryptedSuffix(suffix) => Self::EncryptedSuffix(suffix.clone().into_bytes()),
            Rule::UnencryptedRegex(text) => Self::UnencryptedRegex(compile(text)),
            Rule::EncryptedRegex(text) => Self::EncryptedRegex(compile(text)),
            Rule::UnencryptedCommentRegex(text) => Self::UnencryptedCommentRegex(compile(text)),
            Rule::EncryptedCommentRegex(text) => Self::EncryptedCommentRegex(compile(text)),
        }
    }

    fn asks_for_comments(&self) -> bool {
        matches!(
            self,
            Self::UnencryptedCommentRegex(_) | Self::EncryptedCommentRegex(_)
        )
    }

    /// Says whether the value or the comment at a path is encrypted.
    fn applies(&self, path: &[Vec<u8>], comments: &[Vec<Vec<u8>>], is_comment: bool) -> bool {
        let matches =
            |regex: &Option<Regexp>, text: &Vec<u8>| regex.as_ref().is_some_and(|regex| regex.is_match(text));
        match self {
            Self::UnencryptedSuffix(suffix) => !path.iter().any(|key| key.ends_with(suffix)),
            Self::EncryptedSuffix(suffix) => path.iter().any(|key| key.ends_with(suffix)),
            Self::UnencryptedRegex(regex) => !path.iter().any(|key| matches(regex, key)),
            Self::EncryptedRegex(regex) => path.iter().any(|key| matches(regex, key)),
            Self::UnencryptedCommentRegex(regex) => {
                !comments.iter().flatten().any(|text| matches(regex, text))
            }
            Self::EncryptedCommentRegex(regex) => {
                // The comment that matches is not encrypted itself.
                let own = usize::from(is_comment && comments.last().is_some_and(|last| !last.is_empty()));
                let count = comments.iter().map(Vec::len).sum::<usize>() - own;
                comments
                    .iter()
                    .flatten()
                    .take(count)
                    .any(|text| matches(regex, text))
            }
        }
    }
}
