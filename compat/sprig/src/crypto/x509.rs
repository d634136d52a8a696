//! X.509 certificates as Go's crypto/x509 lays them out.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::Digest as _;

use super::der::{self, Reader};
use super::key::Key;

/// What goes into a certificate besides keys.
pub(super) struct Request<'r> {
    pub(super) common_name: &'r str,
    pub(super) dns_names: &'r [String],
    /// Addresses of 4 or 16 bytes.
    pub(super) addresses: &'r [Vec<u8>],
    pub(super) is_authority: bool,
    pub(super) serial: [u8; 16],
    pub(super) not_before: Timestamp,
    /// Seconds that the certificate is valid.
    pub(super) seconds_valid: i64,
}

/// Who signs.
pub(super) struct Issuer<'i> {
    /// The subject of the issuer's certificate as DER.
    pub(super) name: &'i [u8],
    /// The subject key identifier of the issuer's certificate, empty if it has none.
    pub(super) key_id: &'i [u8],
    pub(super) key: &'i Key,
}

/// The parts of a certificate that matter for signing with it.
pub(super) struct Parsed {
    pub(super) subject: Vec<u8>,
    pub(super) public_key_info: Vec<u8>,
    pub(super) key_id: Vec<u8>,
}

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

/// A distinguished name with nothing but a common name, or without even that.
pub(super) fn name(common_name: &str) -> Vec<u8> {
    if common_name.is_empty() {
        return der::sequence(&[]);
    }
    let printable = |b: u8| b.is_ascii_alphanumeric() || b"'()+,-./ :=?".contains(&b);
    let tag = if common_name.bytes().all(printable) {
        der::PRINTABLE_STRING
    } else {
        der::UTF8_STRING
    };
    let value = der::element(tag, common_name.as_bytes());
    let attribute = der::sequence(&[&der::element(der::OID, COMMON_NAME), &value]);
    der::sequence(&[&der::element(der::SET, &attribute)])
}

/// Makes a certificate for `key`; without an issuer it signs itself.
pub(super) fn create(
    request: &Request<'_>,
    key: &Key,
    issuer: Option<&Issuer<'_>>,
) -> Result<Vec<u8>, String> {
    let subject = name(request.common_name);
    let signer = issuer.map_or(key, |issuer| issuer.key);
    if matches!(signer, Key::Dsa(_)) || matches!(key, Key::Dsa(_)) {
        return Err("x509: certificate private key does not implement crypto.Signer".to_owned());
    }
    let issuer_name = issuer.map_or(subject.as_slice(), |issuer| issuer.name);
    let authority = issuer
        .map(|issuer| issuer.key_id)
        .filter(|id| !id.is_empty() && issuer_name != subject);
    let not_after = request
        .not_before
        .checked_add(SignedDuration::from_secs(request.seconds_valid))
        .map_err(|_| "cannot represent time as GeneralizedTime")?;
    let validity = der::sequence(&[&time(request.not_before)?, &time(not_after)?]);
    let algorithm = signer.signature_algorithm();
    let extensions = extensions(request, key, authority, subject.len() == 2)?;
    let body = der::sequence(&[
        &der::element(0xa0, &der::integer(&[2])),
        &der::integer(&request.serial),
        &algorithm,
        issuer_name,
        &validity,
        &subject,
        &key.public_key_info(),
        &der::element(0xa3, &extensions),
    ]);
    let signature = signer.sign(&body)?;
    Ok(der::sequence(&[&body, &algorithm, &der::bit_string(&signature)]))
}

/// Two-digit years up to 2049, four digits beyond, to the second.
fn time(timestamp: Timestamp) -> Result<Vec<u8>, String> {
    let civil = timestamp.to_zoned(TimeZone::UTC).datetime();
    let year = civil.year();
    if !(0..=9999).contains(&year) {
        return Err("cannot represent time as GeneralizedTime".to_owned());
    }
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    );
    Ok(if (1950..2050).contains(&year) {
        der::element(der::UTC_TIME, format!("{:02}{rest}", year % 100).as_bytes())
    } else {
        der::element(der::GENERALIZED_TIME, format!("{year:04}{rest}").as_bytes())
    })
}

fn extensions(
    request: &Request<'_>,
    key: &Key,
    authority: Option<&[u8]>,
    subject_is_empty: bool,
) -> Result<Vec<u8>, String> {
    let oid = |bytes: &[u8]| der::element(der::OID, bytes);
    // Digital signature and key encipherment; certificate signing for authorities.
    let usage: &[u8] = if request.is_authority {
        &[2, 0xa4]
    } else {
        &[5, 0xa0]
    };
    let constraints = if request.is_authority {
        der::sequence(&[&[1, 1, 0xff]])
    } else {
        der::sequence(&[])
    };
    let mut all = vec![
        extension(KEY_USAGE, true, &der::element(der::BIT_STRING, usage)),
        extension(
            EXTENDED_KEY_USAGE,
            false,
            &der::sequence(&[&oid(SERVER_AUTH), &oid(CLIENT_AUTH)]),
        ),
        extension(BASIC_CONSTRAINTS, true, &constraints),
    ];
    if request.is_authority {
        let digest = sha2::Sha256::digest(key.public_bits());
        let id = digest.get(..20).unwrap_or_default();
        all.push(extension(SUBJECT_KEY_ID, false, &der::octet_string(id)));
    }
    if let Some(id) = authority {
        all.push(extension(
            AUTHORITY_KEY_ID,
            false,
            &der::sequence(&[&der::element(0x80, id)]),
        ));
    }
    if let Some(wrong) = request.dns_names.iter().find(|name| !name.is_ascii()) {
        let wrong = go_std::quote(wrong.as_bytes());
        return Err(format!("x509: {wrong} cannot be encoded as an IA5String"));
    }
    let names = request
        .dns_names
        .iter()
        .map(|name| der::element(0x82, name.as_bytes()));
    let names: Vec<u8> = names
        .chain(request.addresses.iter().map(|ip| der::element(0x87, ip)))
        .flatten()
        .collect();
    if !names.is_empty() {
        all.push(extension(
            ALTERNATIVE_NAMES,
            subject_is_empty,
            &der::sequence(&[&names]),
        ));
    }
    Ok(der::sequence(&[&all.concat()]))
}

fn extension(kind: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    der::sequence(&[&der::element(der::OID, kind), critical, &der::octet_string(value)])
}

/// Reads a certificate.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, String> {
    parse_parts(bytes).ok_or_else(|| "x509: malformed certificate".to_owned())
}

fn parse_parts(bytes: &[u8]) -> Option<Parsed> {
    let mut certificate = Reader(bytes).sequence()?;
    let mut body = certificate.sequence()?;
    certificate.sequence()?;
    certificate.expect(der::BIT_STRING)?;
    body.expect(0xa0);
    body.integer()?;
    body.sequence()?;
    body.sequence()?;
    body.sequence()?;
    let subject = body.expect(der::SEQUENCE)?.whole.to_vec();
    let public_key_info = body.expect(der::SEQUENCE)?.whole.to_vec();
    let mut key_id = Vec::new();
    while let Some(element) = body.any() {
        if element.tag != 0xa3 {
            continue;
        }
        let mut extensions = Reader(element.content).sequence()?;
        while let Some(mut extension) = extensions.sequence() {
            let kind = extension.expect(der::OID)?.content;
            extension.expect(0x01);
            let value = extension.expect(der::OCTET_STRING)?.content;
            if kind == SUBJECT_KEY_ID {
                key_id = Reader(value).expect(der::OCTET_STRING)?.content.to_vec();
            }
        }
    }
    Some(Parsed {
        subject,
        public_key_info,
        key_id,
    })
}
