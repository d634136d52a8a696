//! Private keys: generating, writing, reading, signing.

use std::sync::Arc;

use gotmpl::{Context, FuncError, FuncMap, Str};
use p256::ecdsa;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::signature::{SignatureEncoding as _, Signer as _};
use rsa::traits::PublicKeyParts as _;

use super::dsa_parameters::domain_parameters;
use super::{STEPS_PER_MS, der, pem};
use crate::environment::Environment;

/// Longest text of a key that is read, and then used: 8192 bits of RSA.
const MAX_DER: usize = 8 << 10;

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

pub(crate) fn register(functions: &mut FuncMap, environment: &Arc<dyn Environment>) {
    let source = Arc::clone(environment);
    functions.add("genPrivateKey", move |cx: &mut Context<'_>, kind: Str| {
        cx.charge(STEPS_PER_MS / 4)?;
        let random = &mut Random(&*source);
        let key = match &*kind {
            b"" | b"rsa" => Key::generate_rsa(cx, random, 4096)?,
            b"ecdsa" => Key::generate_p256(random)?,
            b"ed25519" => {
                let mut seed = [0; 32];
                source.fill_random(&mut seed);
                Key::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
            }
            b"dsa" => Key::generate_dsa(cx, random)?,
            _ => return Ok::<_, FuncError>(Str::from([b"Unknown type ", &*kind].concat())),
        };
        Ok(key.to_pem()?.into())
    });
}

/// The environment as a source of randomness for key generation.
pub(super) struct Random<'e>(pub(super) &'e dyn Environment);

impl TryRng for Random<'_> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill_random(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill_random(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill_random(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Random<'_> {}

/// A private key of one of the kinds that Sprig makes.
pub(super) enum Key {
    Rsa(Box<rsa::PrivateKey>),
    P256(ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
    /// DSA parameters and numbers in the order of the key file: p, q, g, y, x. It signs nothing.
    Dsa([Vec<u8>; 5]),
}

fn failed(error: impl std::fmt::Display) -> FuncError {
    FuncError::new(format!("failed to generate private key: {error}"))
}

fn algorithm(oid: &[u8], parameters: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::element(der::OID, oid), parameters])
}

impl Key {
    pub(super) fn generate_rsa(
        cx: &mut Context<'_>,
        random: &mut Random<'_>,
        bits: usize,
    ) -> Result<Self, FuncError> {
        // Twice of what it takes on average for the large ones, since it may take as long by chance.
        let milliseconds = if bits > 2048 { 800 } else { 60 };
        cx.charge(milliseconds * STEPS_PER_MS)?;
        let key = rsa::PrivateKey::new(random, bits).map_err(failed)?;
        Ok(Self::Rsa(Box::new(key)))
    }

    fn generate_p256(random: &mut Random<'_>) -> Result<Self, FuncError> {
        // A scalar out of range is as likely as a hash collision.
        let mut bytes = [0; 32];
        random.0.fill_random(&mut bytes);
        ecdsa::SigningKey::from_slice(&bytes)
            .map(Self::P256)
            .map_err(failed)
    }

    fn generate_dsa(cx: &mut Context<'_>, random: &mut Random<'_>) -> Result<Self, FuncError> {
        cx.charge(4 * STEPS_PER_MS)?;
        let components = domain_parameters().map_err(failed)?;
        let Ok(key) = dsa::SigningKey::try_generate_from_rng_with_components(random, components);
        let public = key.verifying_key();
        let components = public.components();
        let bytes = |number: &[u8]| number.to_vec();
        Ok(Self::Dsa([
            bytes(&components.p().to_be_bytes()),
            bytes(&components.q().to_be_bytes()),
            bytes(&components.g().to_be_bytes()),
            bytes(&public.y().to_be_bytes()),
            bytes(&key.x().to_be_bytes()),
        ]))
    }

    pub(super) fn to_pem(&self) -> Result<String, FuncError> {
        Ok(match self {
            Self::Rsa(key) => {
                let document = key.to_pkcs1_der().map_err(failed)?;
                pem::encode("RSA PRIVATE KEY", document.as_bytes())
            }
            Self::P256(key) => {
                let private = der::octet_string(&key.to_bytes());
                let curve = der::element(0xa0, &der::element(der::OID, P256));
                let public = der::element(0xa1, &der::bit_string(&self.public_bits()));
                pem::encode(
                    "EC PRIVATE KEY",
                    &der::sequence(&[&der::integer(&[1]), &private, &curve, &public]),
                )
            }
            Self::Ed25519(key) => {
                let seed = der::octet_string(&der::octet_string(&key.to_bytes()));
                pem::encode(
                    "PRIVATE KEY",
                    &der::sequence(&[&der::integer(&[0]), &algorithm(ED25519, &[]), &seed]),
                )
            }
            Self::Dsa(numbers) => {
                let numbers: Vec<u8> = numbers.iter().flat_map(|number| der::integer(number)).collect();
                pem::encode(
                    "DSA PRIVATE KEY",
                    &der::sequence(&[&der::integer(&[0]), &numbers]),
                )
            }
        })
    }

    /// Counts what reading a key and signing with it takes towards the limits.
    pub(super) fn charge_use(cx: &mut Context<'_>, text: &[u8]) -> Result<(), FuncError> {
        let length = text.len().min(MAX_DER) as u64;
        cx.charge(length.pow(3) >> 18)
    }

    /// Reads a key; the error has Sprig's words where they do not come from a parser.
    pub(super) fn from_pem(text: &[u8]) -> Result<Self, String> {
        let block = pem::decode(text).ok_or("no PEM data in input")?;
        match block.label.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8(&block.bytes)
                .ok_or_else(|| "decoding PEM as PKCS#8: malformed key".to_owned()),
            "RSA PRIVATE KEY" => Self::rsa_from_pkcs1(&block.bytes)
                .ok_or_else(|| "parsing RSA private key from PEM: malformed key".to_owned()),
            "EC PRIVATE KEY" => Self::ec_from_sec1(&block.bytes, None).ok_or_else(|| {
                "parsing EC private key from PEM: malformed key, or another curve than P-256".to_owned()
            }),
            "DSA PRIVATE KEY" => Self::dsa_from_der(&block.bytes)
                .ok_or_else(|| "parsing DSA private key from PEM: malformed key".to_owned()),
            label if label.ends_with(" PRIVATE KEY") => Err(format!("invalid private key type {label}")),
            label => Err(format!("no private key data in PEM block of type {label}")),
        }
    }

    fn from_pkcs8(bytes: &[u8]) -> Option<Self> {
        let mut key = der::Reader(bytes).sequence()?;
        key.integer()?;
        let mut algorithm = key.sequence()?;
        let kind = algorithm.expect(der::OID)?.content;
        let private = key.expect(der::OCTET_STRING)?.content;
        if kind == RSA_ENCRYPTION {
            return Self::rsa_from_pkcs1(private);
        }
        if kind == EC_PUBLIC_KEY {
            return Self::ec_from_sec1(private, Some(algorithm.expect(der::OID)?.content));
        }
        if kind == ED25519 {
            let seed = der::Reader(private).expect(der::OCTET_STRING)?.content;
            return Some(Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(
                seed.try_into().ok()?,
            )));
        }
        None
    }

    fn rsa_from_pkcs1(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= MAX_DER)
            .then(|| rsa::PrivateKey::from_pkcs1_der(bytes).ok())
            .flatten()
            .map(|key| Self::Rsa(Box::new(key)))
    }

    fn ec_from_sec1(bytes: &[u8], curve: Option<&[u8]>) -> Option<Self> {
        let mut key = der::Reader(bytes).sequence()?;
        key.integer()?;
        let scalar = key.expect(der::OCTET_STRING)?.content;
        let named = match curve {
            Some(curve) => curve,
            None => der::Reader(key.expect(0xa0)?.content).expect(der::OID)?.content,
        };
        if named != P256 {
            return None;
        }
        ecdsa::SigningKey::from_slice(scalar).ok().map(Self::P256)
    }

    fn dsa_from_der(bytes: &[u8]) -> Option<Self> {
        let mut key = der::Reader(bytes).sequence()?;
        key.integer()?;
        let mut number = || key.integer().map(<[u8]>::to_vec);
        Some(Self::Dsa([number()?, number()?, number()?, number()?, number()?]))
    }

    /// The public key as it stands in a certificate (`SubjectPublicKeyInfo`); nothing for DSA.
    pub(super) fn public_key_info(&self) -> Vec<u8> {
        let algorithm = match self {
            Self::Rsa(_) => algorithm(RSA_ENCRYPTION, &der::element(der::NULL, &[])),
            Self::P256(_) => algorithm(EC_PUBLIC_KEY, &der::element(der::OID, P256)),
            Self::Ed25519(_) => algorithm(ED25519, &[]),
            Self::Dsa(_) => return Vec::new(),
        };
        der::sequence(&[&algorithm, &der::bit_string(&self.public_bits())])
    }

    /// The content of the bit string in [`Key::public_key_info`], over which key identifiers are computed.
    pub(super) fn public_bits(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => der::sequence(&[&der::integer(&key.n_bytes()), &der::integer(&key.e_bytes())]),
            Self::P256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
            Self::Dsa(_) => Vec::new(),
        }
    }

    /// Signs with [`Key::signature_algorithm`]; DSA keys cannot.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        Ok(match self {
            Self::Rsa(key) => {
                let signer = rsa::pkcs1v15::SigningKey::<sha2::Sha256>::new(key.as_ref().clone());
                let signature = signer.try_sign(message).map_err(|error| error.to_string())?;
                signature.to_vec()
            }
            Self::P256(key) => {
                let signature: ecdsa::Signature = key.try_sign(message).map_err(|error| error.to_string())?;
                let bytes = signature.to_bytes();
                let (r, s) = bytes.split_at(32);
                der::sequence(&[&der::integer(r), &der::integer(s)])
            }
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Self::Dsa(_) => {
                return Err("x509: certificate private key does not implement crypto.Signer".to_owned());
            }
        })
    }

    /// The algorithm of the key's signatures as DER.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        match self {
            Self::Rsa(_) => algorithm(SHA256_WITH_RSA, &der::element(der::NULL, &[])),
            Self::P256(_) => algorithm(ECDSA_WITH_SHA256, &[]),
            Self::Ed25519(_) => algorithm(ED25519, &[]),
            Self::Dsa(_) => Vec::new(),
        }
    }
}
