//! Which of the references of a server is meant.

use gix_hash::ObjectId;
use kustomize::RemoteError;

use super::packets::nonsense;
use crate::wanted::Wanted;

/// What a short name may stand for, the best first, as git has it.
const RULES: [(&str, &str); 6] = [
    ("", ""),
    ("refs/", ""),
    ("refs/tags/", ""),
    ("refs/heads/", ""),
    ("refs/remotes/", ""),
    ("refs/remotes/", "/HEAD"),
];

/// What is looked for among the references of a server, which are looked at one after the other and not kept.
#[derive(Debug)]
pub(crate) enum Wish {
    /// An object, whether or not a reference names it.
    Object {
        id: ObjectId,
        /// Whether a reference names it.
        is_advertised: bool,
    },
    /// A reference.
    Name {
        name: String,
        /// The names that it may stand for.
        candidates: Vec<String>,
        /// The best of them that is there, and what it points to.
        found: Option<(usize, ObjectId)>,
    },
}

impl Wish {
    pub(crate) fn new(wanted: &Wanted) -> Result<Self, RemoteError> {
        let object = |id| Self::Object {
            id,
            is_advertised: false,
        };
        let name = match wanted {
            Wanted::Commit(id) => return Ok(object(*id)),
            Wanted::Reference(name) => name,
        };
        let text = name.strip_prefix('+').unwrap_or(name);
        if let Ok(id) = ObjectId::from_hex(text.as_bytes()) {
            return Ok(object(id));
        }
        let text = if text == "@" { "HEAD" } else { text };
        if gix_validate::reference::name_partial(text.into()).is_err() {
            return Err(RemoteError::Failed(format!("invalid refspec '{name}'")));
        }
        Ok(Self::Name {
            name: name.clone(),
            candidates: RULES
                .iter()
                .map(|(before, after)| format!("{before}{text}{after}"))
                .collect(),
            found: None,
        })
    }

    /// The names that a server need not leave out.
    pub(crate) fn prefixes(&self) -> &[String] {
        match self {
            Self::Object { .. } => &[],
            Self::Name { candidates, .. } => candidates,
        }
    }

    /// Looks at one reference: its object in hexadecimal digits, a space, and its name.
    pub(crate) fn look_at(&mut self, line: &[u8]) -> Result<(), RemoteError> {
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let (Some(hex), Some(name)) = (words.next(), words.next()) else {
            return Err(nonsense());
        };
        if hex == b"unborn" {
            return Ok(());
        }
        let object = ObjectId::from_hex(hex).map_err(|_| nonsense())?;
        match self {
            Self::Object { id, is_advertised } => *is_advertised |= *id == object,
            Self::Name {
                candidates, found, ..
            } => {
                let best = found.map_or(candidates.len(), |(rank, _)| rank);
                let rank = candidates[..best]
                    .iter()
                    .position(|known| known.as_bytes() == name);
                *found = rank.map(|rank| (rank, object)).or(*found);
            }
        }
        Ok(())
    }

    /// The object that is meant, once all references have been looked at.
    pub(crate) fn object(&self) -> Result<ObjectId, RemoteError> {
        match self {
            Self::Object { id, .. } => Ok(*id),
            Self::Name { name, found, .. } => found
                .map(|(_, id)| id)
                .ok_or_else(|| RemoteError::Failed(format!("couldn't find remote ref {name}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_rule_that_a_server_has_wins() {
        let listed = [
            "1111111111111111111111111111111111111111 HEAD",
            "2222222222222222222222222222222222222222 refs/heads/main",
            "3333333333333333333333333333333333333333 refs/heads/v1",
            "4444444444444444444444444444444444444444 refs/remotes/origin/HEAD",
            "5555555555555555555555555555555555555555 refs/tags/v1",
            "6666666666666666666666666666666666666666 refs/tags/v1^{}",
        ];
        for (name, first) in [
            ("HEAD", Some('1')),
            ("@", Some('1')),
            ("main", Some('2')),
            ("heads/main", Some('2')),
            ("refs/heads/main", Some('2')),
            ("+main", Some('2')),
            ("v1", Some('5')),
            ("heads/v1", Some('3')),
            ("origin", Some('4')),
            ("ain", None),
            ("2222222", None),
            ("7777777777777777777777777777777777777777", Some('7')),
        ] {
            let mut wish = Wish::new(&Wanted::Reference(name.to_owned())).expect("a name");
            for line in listed {
                wish.look_at(line.as_bytes()).expect("a reference");
            }
            let found = wish.object().ok().map(|id| id.to_string());
            assert_eq!(found.and_then(|id| id.chars().next()), first, "{name}");
        }
    }

    #[test]
    fn names_that_git_would_not_take_are_refused() {
        for name in [
            "a b",
            "a..b",
            "^main",
            "refs/heads/*",
            "main:other",
            "a~1",
            "a.lock",
            "/a",
        ] {
            let error = Wish::new(&Wanted::Reference(name.to_owned())).expect_err(name);
            let RemoteError::Failed(text) = error else {
                panic!("{name}: {error:?}");
            };
            assert_eq!(text, format!("invalid refspec '{name}'"));
        }
    }
}
