//! Public keys, with what was signed about them, and the signatures that they have made.

use std::fmt;

use crate::key::Key;
use crate::packets::{self, Packet};
use crate::signature::{Hash, Signature, kind};
use crate::{ClearSigned, VerifyError};

/// More packets than any ring has.
const MAX_PACKETS: usize = 100_000;
/// More keys than any ring has.
const MAX_KEYS: usize = 4096;
/// Most signatures that are verified while a ring is read: each takes a part of a millisecond.
const MAX_VERIFIED: usize = 20_000;

/// Public keys that are trusted.
#[derive(Clone, Default)]
pub struct KeyRing(Vec<Owner>);

/// A key with its names and subkeys.
#[derive(Clone)]
struct Owner {
    key: Key,
    names: Vec<Name>,
    subkeys: Vec<Subkey>,
    revocations: Vec<Signature>,
}

/// A name that the key has signed, with the newest signature of that.
#[derive(Clone, Default)]
struct Name {
    signature: Option<Signature>,
    revocations: Vec<Signature>,
}

#[derive(Clone)]
struct Subkey {
    key: Key,
    /// The newest signature of its owner over it.
    signature: Signature,
    revocations: Vec<Signature>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.0.iter().map(|owner| owner.key.id).collect();
        f.debug_tuple("KeyRing").field(&ids).finish()
    }
}

impl KeyRing {
    /// Reads a ring in its binary form. Keys that are damaged or of other kinds are passed over, unless there is no other.
    pub fn read(file: &[u8]) -> Result<Self, VerifyError> {
        if file.first().is_some_and(|first| first & 0x80 == 0) {
            return Err(VerifyError::structure("tag byte does not have MSB set"));
        }
        let packets = packets::read_up_to(file, MAX_PACKETS).map_err(|error| match error {
            packets::TOO_MANY => VerifyError::Unsupported(format!("more than {MAX_PACKETS} packets")),
            _ => VerifyError::Truncated,
        })?;
        let (mut owners, mut failed, mut verified) = (Vec::new(), None, 0);
        let mut rest = packets.as_slice();
        while !rest.is_empty() {
            // A key, and all up to the next one.
            let length = 1 + rest.iter().skip(1).take_while(|packet| !is_key(packet)).count();
            let (group, after) = rest.split_at(length);
            rest = after;
            match Owner::read(group, &mut verified) {
                Ok(owner) if owners.len() < MAX_KEYS => owners.push(owner),
                Ok(_) => return Err(VerifyError::Unsupported(format!("more than {MAX_KEYS} keys"))),
                Err(error) => failed = Some(error),
            }
            if verified > MAX_VERIFIED {
                return Err(VerifyError::Unsupported(format!(
                    "more than {MAX_VERIFIED} signatures of keys"
                )));
            }
        }
        match failed {
            Some(error) if owners.is_empty() => Err(error),
            _ => Ok(Self(owners)),
        }
    }

    /// Verifies the signature of a text at a time, in seconds since 1970.
    pub fn verify(&self, message: &ClearSigned, now: u64) -> Result<(), VerifyError> {
        let packets = packets::read(&message.signature).map_err(|_| VerifyError::Truncated)?;
        for packet in packets {
            if packet.tag != 2 {
                return Err(VerifyError::structure("non signature packet found"));
            }
            let signature = match Signature::read(&packet.body) {
                Err(VerifyError::Unsupported(_)) => continue,
                read => read?,
            };
            let issuer = signature
                .issuer
                .ok_or_else(|| VerifyError::structure("signature doesn't have an issuer"))?;
            let keys = self.signers(issuer);
            if !keys.is_empty() {
                return check(&keys, message, &signature, now);
            }
        }
        Err(VerifyError::UnknownIssuer)
    }

    /// The keys of an identifier that are meant for signatures.
    fn signers(&self, id: u64) -> Vec<Signer<'_>> {
        let mut signers = Vec::new();
        for owner in &self.0 {
            let own = owner.signature().filter(|own| own.may_sign());
            if owner.key.id == id && own.is_some() {
                signers.push(Signer { owner, subkey: None });
            }
            for subkey in &owner.subkeys {
                if subkey.key.id == id && subkey.signature.may_sign() {
                    signers.push(Signer {
                        owner,
                        subkey: Some(subkey),
                    });
                }
            }
        }
        signers
    }
}

/// A key that may have made a signature.
struct Signer<'r> {
    owner: &'r Owner,
    subkey: Option<&'r Subkey>,
}

fn check(
    keys: &[Signer<'_>],
    message: &ClearSigned,
    signature: &Signature,
    now: u64,
) -> Result<(), VerifyError> {
    if signature.hash == Hash::Sha1 {
        return Err(VerifyError::Weak("SHA-1"));
    }
    // Of text, or of bytes, which are the same for a text whose lines end as they were signed.
    if signature.kind > 1 {
        return Err(VerifyError::Unsupported(format!(
            "signature type {}",
            signature.kind
        )));
    }
    let mut failed = VerifyError::UnknownIssuer;
    for signer in keys {
        let key = signer.subkey.map_or(&signer.owner.key, |subkey| &subkey.key);
        match key.verify(&[message.signed.as_slice()], signature) {
            Ok(()) => return signer.still_counts(signature, now),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

impl Signer<'_> {
    /// Whether neither the key nor a signature that it rests on was revoked or has expired.
    fn still_counts(&self, made: &Signature, now: u64) -> Result<(), VerifyError> {
        let name = self.owner.name();
        let own = name.and_then(|name| name.signature.as_ref());
        let mut signatures = vec![made];
        signatures.extend(own);
        if let Some(subkey) = self.subkey {
            signatures.push(&subkey.signature);
            signatures.extend(subkey.signature.embedded.as_deref());
        }
        let mut notes = signatures.iter().filter_map(|found| found.critical_note.as_ref());
        if let Some(note) = notes.next() {
            return Err(VerifyError::Signature(format!(
                "unknown critical notation: {note}"
            )));
        }
        let revocations = [
            Some(&self.owner.revocations),
            self.subkey.map(|subkey| &subkey.revocations),
            name.map(|name| &name.revocations),
        ];
        if revocations
            .into_iter()
            .flatten()
            .any(|list| is_revoked(list, now))
        {
            return Err(VerifyError::Revoked);
        }
        let is_old = own.is_some_and(|own| own.expires_key(self.owner.key.created, now));
        let is_old_subkey = self
            .subkey
            .is_some_and(|subkey| subkey.signature.expires_key(subkey.key.created, now));
        if is_old || is_old_subkey {
            return Err(VerifyError::KeyExpired);
        }
        if signatures.iter().any(|signature| signature.is_expired(now)) {
            return Err(VerifyError::SignatureExpired);
        }
        Ok(())
    }
}

/// Whether something was revoked: since the revocation, or for ever if others have the key.
fn is_revoked(revocations: &[Signature], now: u64) -> bool {
    const COMPROMISED: Option<u8> = Some(2);
    revocations
        .iter()
        .any(|revocation| revocation.reason == COMPROMISED || !revocation.is_expired(now))
}

/// Whether a packet is a key of its own.
fn is_key(packet: &Packet) -> bool {
    matches!(packet.tag, 5 | 6)
}

impl Owner {
    /// Reads a key and what follows it. Nothing counts that the key has not signed.
    fn read(packets: &[Packet], verified: &mut usize) -> Result<Self, VerifyError> {
        let Some((first, rest)) = packets.split_first().filter(|(first, _)| is_key(first)) else {
            return Err(VerifyError::structure(
                "first packet was not a public/private key",
            ));
        };
        let Some(key) = Key::read(&first.body) else {
            return Err(VerifyError::Unsupported("public key type".to_owned()));
        };
        if !key.can_sign() {
            return Err(VerifyError::structure(
                "primary key cannot be used for signatures",
            ));
        }
        let mut owner = Self {
            key,
            names: Vec::new(),
            subkeys: Vec::new(),
            revocations: Vec::new(),
        };
        let mut rest = rest;
        while let Some((packet, after)) = rest.split_first() {
            let count = after.iter().take_while(|packet| packet.tag == 2).count();
            let (signatures, after) = after.split_at(count);
            rest = after;
            let signatures = signatures
                .iter()
                .filter_map(|packet| match Signature::read(&packet.body) {
                    Err(VerifyError::Unsupported(_)) => None,
                    read => Some(read),
                });
            let signatures = signatures.collect::<Result<Vec<_>, _>>()?;
            *verified += signatures.len();
            match packet.tag {
                2 => owner.of_key(std::slice::from_ref(packet), signatures)?,
                13 => owner.name_of(&packet.body, signatures)?,
                7 | 14 => owner.subkey(&packet.body, signatures)?,
                // Pictures, trust and what is not known do not count, nor what is signed about them.
                _ => {}
            }
        }
        if owner.names.is_empty() {
            return Err(VerifyError::structure("v4 entity without any identities"));
        }
        Ok(owner)
    }

    /// Signatures right behind the key: of them only those count that revoke it.
    fn of_key(&mut self, first: &[Packet], others: Vec<Signature>) -> Result<(), VerifyError> {
        let first = first
            .iter()
            .filter_map(|packet| Signature::read(&packet.body).ok());
        for signature in first.chain(others) {
            if signature.kind != kind::REVOKED_KEY {
                continue;
            }
            if self
                .key
                .verify(&[self.key.hashed.as_slice()], &signature)
                .is_err()
            {
                return Err(VerifyError::structure(
                    "revocation signature signed by alternate key",
                ));
            }
            self.revocations.push(signature);
        }
        Ok(())
    }

    fn name_of(&mut self, name: &[u8], signatures: Vec<Signature>) -> Result<(), VerifyError> {
        let head = [&[0xB4], &(name.len() as u32).to_be_bytes()[..]].concat();
        let parts = [self.key.hashed.as_slice(), &head, name];
        let mut found = Name::default();
        let mut is_own = false;
        for signature in signatures {
            if !kind::NAMES.contains(&signature.kind) && signature.kind != kind::REVOKED_NAME {
                return Err(VerifyError::structure("user ID signature with wrong type"));
            }
            if signature.issuer != Some(self.key.id) {
                continue;
            }
            self.key.verify(&parts, &signature).map_err(|error| {
                VerifyError::structure(format!("user ID self-signature invalid: {error}"))
            })?;
            is_own = true;
            if signature.kind == kind::REVOKED_NAME {
                found.revocations.push(signature);
            } else if found
                .signature
                .as_ref()
                .is_none_or(|newest| signature.created > newest.created)
            {
                found.signature = Some(signature);
            }
        }
        if is_own {
            self.names.push(found);
        }
        Ok(())
    }

    fn subkey(&mut self, body: &[u8], signatures: Vec<Signature>) -> Result<(), VerifyError> {
        // One of a kind that is not known signs nothing that could be verified.
        let Some(key) = Key::read(body) else {
            return Ok(());
        };
        let parts = [self.key.hashed.as_slice(), key.hashed.as_slice()];
        let (mut newest, mut revocations) = (None::<Signature>, Vec::new());
        for signature in signatures {
            if !matches!(signature.kind, kind::SUBKEY | kind::REVOKED_SUBKEY) {
                return Err(VerifyError::structure("subkey signature with wrong type"));
            }
            let invalid =
                |error: String| VerifyError::structure(format!("subkey signature invalid: {error}"));
            self.key
                .verify(&parts, &signature)
                .map_err(|error| invalid(error.to_string()))?;
            // Who may sign has to say so: nobody makes the subkey of another one their own.
            if signature.may_sign() {
                let Some(embedded) = signature.embedded.as_deref() else {
                    let missing = VerifyError::structure("signing subkey is missing cross-signature");
                    return Err(invalid(missing.to_string()));
                };
                key.verify(&parts, embedded).map_err(|error| {
                    let error = format!("error while verifying cross-signature: {error}");
                    invalid(VerifyError::structure(error).to_string())
                })?;
            }
            if signature.kind == kind::REVOKED_SUBKEY {
                revocations.push(signature);
            } else if newest
                .as_ref()
                .is_none_or(|newest| signature.created > newest.created)
            {
                newest = Some(signature);
            }
        }
        let Some(signature) = newest else {
            return Err(VerifyError::structure("subkey packet not followed by signature"));
        };
        self.subkeys.push(Subkey {
            key,
            signature,
            revocations,
        });
        Ok(())
    }

    /// The name that speaks for the key: one that is not revoked, then one that is marked, then the newest.
    fn name(&self) -> Option<&Name> {
        self.names.iter().max_by_key(|name| {
            let signature = name.signature.as_ref();
            (
                std::cmp::Reverse(name.revocations.len()),
                signature.is_some_and(|signature| signature.is_primary),
                signature.map_or(0, |signature| signature.created),
            )
        })
    }

    /// What the key says about itself.
    fn signature(&self) -> Option<&Signature> {
        self.name()?.signature.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_577_923_300;
    const YEARS: u64 = 10 * 365 * 24 * 3600;

    fn case(name: &str) -> Vec<u8> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
        std::fs::read(folder.join(name)).unwrap()
    }

    fn ring() -> KeyRing {
        KeyRing::read(&case("ring.gpg")).unwrap()
    }

    fn message(name: &str) -> ClearSigned {
        ClearSigned::decode(&case(name)).unwrap()
    }

    #[test]
    fn signatures_of_gnupg_are_verified() {
        let ring = ring();
        // As many as gpg sees in it.
        assert_eq!(ring.0.len(), 7);
        for name in ["rsa.prov", "ed.prov", "nist.prov", "subkey.prov"] {
            assert_eq!(ring.verify(&message(name), NOW), Ok(()), "{name}");
            assert_eq!(ring.verify(&message(name), NOW + YEARS), Ok(()), "{name}");
            let before = ring.verify(&message(name), 0);
            assert_eq!(before, Err(VerifyError::KeyExpired), "{name}");
            let nobody = KeyRing::default().verify(&message(name), NOW);
            assert_eq!(nobody, Err(VerifyError::UnknownIssuer), "{name}");
        }
        let weak = ring.verify(&message("sha1.prov"), NOW);
        assert_eq!(weak, Err(VerifyError::Weak("SHA-1")));
    }

    #[test]
    fn nothing_that_was_changed_is_verified() {
        let ring = ring();
        for name in ["rsa.prov", "ed.prov", "nist.prov", "subkey.prov"] {
            let whole = message(name);
            for at in (0..whole.signed.len()).step_by(5) {
                let mut changed = whole.clone();
                changed.signed[at] ^= 1;
                assert!(ring.verify(&changed, NOW).is_err(), "{name}: {at}");
            }
            for at in (0..whole.signature.len()).step_by(3) {
                let mut cut = whole.clone();
                cut.signature.truncate(at);
                assert!(ring.verify(&cut, NOW).is_err(), "{name}: {at}");
            }
            // All of it is signed, but for what is said about the issuer, the digest's first bytes and the sizes of numbers.
            let signature = Signature::read(&packets::read(&whole.signature).unwrap()[0].body).unwrap();
            for at in 4..2 + signature.trailer.len() - 6 {
                let mut changed = whole.clone();
                changed.signature[at] ^= 0x01;
                assert!(ring.verify(&changed, NOW).is_err(), "{name}: {at}");
            }
        }
    }

    #[test]
    fn a_damaged_ring_ends() {
        let file = case("ring.gpg");
        let message = message("rsa.prov");
        for at in (0..file.len()).step_by(7) {
            let _ = KeyRing::read(&file[..at]);
            let mut changed = file.clone();
            changed[at] ^= 0x41;
            if let Ok(ring) = KeyRing::read(&changed) {
                let _ = ring.verify(&message, NOW);
            }
        }
    }
}
