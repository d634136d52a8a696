//! OpenPGP as far as secrets and signed charts need it: packets, armour, key rings, and signatures over text.
//!
//! [`packets`] and [`armor`] read what all of OpenPGP is made of. A [`KeyRing`] knows public keys, and verifies the
//! signature of a [`ClearSigned`] text with the rules and in the words of the library that Helm uses: a key counts if it
//! has a name that it has signed itself, if it is meant for signatures, and if it is neither revoked nor expired.
//!
//! Keys of RSA, Ed25519 and ECDSA over P-256 verify; keys of other algorithms are passed over.
//!
//! Follow a signature from `cleartext` (what is signed, and by what) to `ring` (which keys may have made it), with
//! `signature` (a packet of that kind) and `key` (the mathematics) below them.

pub mod armor;
mod cleartext;
mod error;
mod key;
pub mod packets;
mod ring;
mod signature;

pub use cleartext::ClearSigned;
pub use error::VerifyError;
pub use ring::KeyRing;
