//! `genCA`, `genSelfSignedCert`, `genSignedCert`, their `WithKey` forms, and `buildCustomCert`.

use std::net::IpAddr;
use std::sync::Arc;

use gotmpl::{Context, FromArg, FuncError, FuncMap, IntoReturn, List, NamedType, Object, Str, Type, Value};

use super::key::{Key, Random};
use super::{STEPS_PER_MS, pem, x509};
use crate::encoding::base64_decode;
use crate::environment::Environment;

/// Bits of an RSA key made for a certificate.
const RSA_BITS: usize = 2048;

pub(crate) fn register(functions: &mut FuncMap, environment: &Arc<dyn Environment>) {
    functions.add(
        "buildCustomCert",
        |cx: &mut Context<'_>, certificate: Str, key: Str| build_custom(cx, &certificate, &key),
    );

    let maker = Maker(Arc::clone(environment));
    let this = maker.clone();
    functions.add("genCA", move |cx: &mut Context<'_>, name: Str, days: isize| {
        let key = this.new_key(cx)?;
        this.authority(cx, &name, days, &key)
    });
    let this = maker.clone();
    functions.add(
        "genCAWithKey",
        move |cx: &mut Context<'_>, name: Str, days: isize, key: Str| {
            let key = key_argument(cx, &key)?;
            this.authority(cx, &name, days, &key)
        },
    );
    let this = maker.clone();
    functions.add(
        "genSelfSignedCert",
        move |cx: &mut Context<'_>, name: Str, ips: List, dns: List, days: isize| {
            let subject = Subject::new(&name, &ips, &dns, days);
            let key = this.new_key(cx)?;
            this.self_signed(cx, subject, &key)
        },
    );
    let this = maker.clone();
    functions.add(
        "genSelfSignedCertWithKey",
        move |cx: &mut Context<'_>, name: Str, ips: List, dns: List, days: isize, key: Str| {
            let subject = Subject::new(&name, &ips, &dns, days);
            let key = key_argument(cx, &key)?;
            this.self_signed(cx, subject, &key)
        },
    );
    let this = maker.clone();
    functions.add(
        "genSignedCert",
        move |cx: &mut Context<'_>, name: Str, ips: List, dns: List, days: isize, ca: Certificate| {
            let subject = Subject::new(&name, &ips, &dns, days);
            let key = this.new_key(cx)?;
            this.signed(cx, &subject, &ca, &key)
        },
    );
    let this = maker;
    functions.add(
        "genSignedCertWithKey",
        move |cx: &mut Context<'_>,
              name: Str,
              ips: List,
              dns: List,
              days: isize,
              ca: Certificate,
              key: Str| {
            let subject = Subject::new(&name, &ips, &dns, days);
            let key = key_argument(cx, &key)?;
            this.signed(cx, &subject, &ca, &key)
        },
    );
}

static CERTIFICATE: NamedType = NamedType::new("sprig.certificate", Type::Struct);

/// A certificate and its private key as PEM: the struct `sprig.certificate`.
#[derive(Debug, Clone)]
struct Certificate {
    cert: Str,
    key: Str,
}

impl Object for Certificate {
    fn type_info(&self) -> &'static NamedType {
        &CERTIFICATE
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Cert", Value::Str(self.cert.clone())),
            ("Key", Value::Str(self.key.clone())),
        ]
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        let other = (other as &dyn std::any::Any).downcast_ref::<Self>()?;
        Some(self.cert == other.cert && self.key == other.key)
    }
}

impl FromArg for Certificate {
    const TYPE: Type = Type::Named(&CERTIFICATE);

    fn from_arg(value: &Value) -> Result<Self, FuncError> {
        let certificate = value.downcast::<Self>().cloned();
        certificate.ok_or_else(|| FuncError::new("wrong type for value; expected sprig.certificate"))
    }
}

impl IntoReturn for Certificate {
    const TYPE: Type = Type::Named(&CERTIFICATE);

    fn into_return(self) -> Result<Value, FuncError> {
        Ok(Value::object(self))
    }
}

fn key_argument(cx: &mut Context<'_>, text: &[u8]) -> Result<Key, FuncError> {
    Key::charge_use(cx, text)?;
    Key::from_pem(text).map_err(|problem| FuncError::new(format!("parsing private key: {problem}")))
}

fn build_custom(cx: &mut Context<'_>, certificate: &[u8], key: &[u8]) -> Result<Certificate, FuncError> {
    Key::charge_use(cx, key)?;
    let cert =
        base64_decode(certificate).map_err(|_| FuncError::new("unable to decode base64 certificate"))?;
    let key = base64_decode(key).map_err(|_| FuncError::new("unable to decode base64 private key"))?;
    let block = pem::decode(&cert).ok_or_else(|| FuncError::new("unable to decode certificate"))?;
    x509::parse(&block.bytes).map_err(|problem| {
        FuncError::new(format!("error parsing certificate: decodedCert.Bytes: {problem}"))
    })?;
    Key::from_pem(&key).map_err(|problem| FuncError::new(format!("error parsing private key: {problem}")))?;
    Ok(Certificate {
        cert: cert.into(),
        key: key.into(),
    })
}

/// For whom a certificate is, as the arguments say.
struct Subject<'a> {
    name: &'a Str,
    ips: &'a List,
    dns: &'a List,
    days: isize,
}

impl<'a> Subject<'a> {
    fn new(name: &'a Str, ips: &'a List, dns: &'a List, days: isize) -> Self {
        Self { name, ips, dns, days }
    }

    fn addresses(&self) -> Result<Vec<Vec<u8>>, FuncError> {
        self.ips
            .items()
            .map(|ip| {
                let Value::Str(text) = &ip else {
                    return Err(FuncError::new(format!("error parsing ip: {ip} is not a string")));
                };
                match text.to_string_lossy().parse() {
                    Ok(IpAddr::V4(ip)) => Ok(ip.octets().to_vec()),
                    Ok(IpAddr::V6(ip)) => Ok(ip
                        .to_ipv4_mapped()
                        .map_or_else(|| ip.octets().to_vec(), |ip| ip.octets().to_vec())),
                    Err(_) => Err(FuncError::new(format!("error parsing ip: {text}"))),
                }
            })
            .collect()
    }

    fn dns_names(&self) -> Result<Vec<String>, FuncError> {
        self.dns
            .items()
            .map(|name| match &name {
                Value::Str(text) => Ok(text.to_string_lossy().into_owned()),
                other => Err(FuncError::new(format!(
                    "error processing alternate dns name: {other} is not a string"
                ))),
            })
            .collect()
    }
}

/// Makes certificates with the time and the randomness of an environment.
#[derive(Clone)]
struct Maker(Arc<dyn Environment>);

impl Maker {
    fn new_key(&self, cx: &mut Context<'_>) -> Result<Key, FuncError> {
        Key::generate_rsa(cx, &mut Random(&*self.0), RSA_BITS)
    }

    fn authority(
        &self,
        cx: &mut Context<'_>,
        name: &Str,
        days: isize,
        key: &Key,
    ) -> Result<Certificate, FuncError> {
        let none = List::nil();
        self.make(cx, &Subject::new(name, &none, &none, days), true, key, None)
    }

    fn self_signed(
        &self,
        cx: &mut Context<'_>,
        subject: Subject<'_>,
        key: &Key,
    ) -> Result<Certificate, FuncError> {
        self.make(cx, &subject, false, key, None)
    }

    fn signed(
        &self,
        cx: &mut Context<'_>,
        subject: &Subject<'_>,
        ca: &Certificate,
        key: &Key,
    ) -> Result<Certificate, FuncError> {
        Key::charge_use(cx, &ca.key)?;
        let block = pem::decode(&ca.cert).ok_or_else(|| FuncError::new("unable to decode certificate"))?;
        let parsed = x509::parse(&block.bytes).map_err(|problem| {
            FuncError::new(format!(
                "error parsing certificate: decodedSignerCert.Bytes: {problem}"
            ))
        })?;
        let signer = Key::from_pem(&ca.key)
            .map_err(|problem| FuncError::new(format!("error parsing private key: {problem}")))?;
        if signer.public_key_info() != parsed.public_key_info {
            let problem = "x509: provided PrivateKey doesn't match parent's PublicKey";
            return Err(FuncError::new(format!("error creating certificate: {problem}")));
        }
        let issuer = x509::Issuer {
            name: &parsed.subject,
            key_id: &parsed.key_id,
            key: &signer,
        };
        self.make(cx, subject, false, key, Some(&issuer))
    }

    fn make(
        &self,
        cx: &mut Context<'_>,
        subject: &Subject<'_>,
        is_authority: bool,
        key: &Key,
        issuer: Option<&x509::Issuer<'_>>,
    ) -> Result<Certificate, FuncError> {
        const NANOSECONDS_PER_DAY: i64 = 86_400_000_000_000;
        const STEPS_PER_NAME: u64 = 16;
        // Signing with the quickest of the keys; what others take besides was paid for with the key.
        let names = (subject.ips.len() + subject.dns.len()) as u64;
        cx.charge(STEPS_PER_MS / 2 + names * STEPS_PER_NAME)?;
        let mut serial = [0; 16];
        self.0.fill_random(&mut serial);
        let request = x509::Request {
            common_name: &subject.name.to_string_lossy(),
            dns_names: &subject.dns_names()?,
            addresses: &subject.addresses()?,
            is_authority,
            serial,
            not_before: self.0.now(),
            // A Go duration: more than 292 years wrap around.
            seconds_valid: (subject.days as i64).wrapping_mul(NANOSECONDS_PER_DAY) / 1_000_000_000,
        };
        let bytes = x509::create(&request, key, issuer)
            .map_err(|problem| FuncError::new(format!("error creating certificate: {problem}")))?;
        Ok(Certificate {
            cert: pem::encode("CERTIFICATE", &bytes).into(),
            key: key.to_pem()?.into(),
        })
    }
}
