//! Makes the certificates of `certificates/` again, recorded from Helm's function map by `cargo xtask record sprig`, with the serial
//! number and the time that Go took: every byte must be the same.
#![expect(clippy::unwrap_used, reason = "a broken case file may stop the test")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gotmpl::{Env, Options, TemplateSet, Value};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sprig::Environment;

/// What Go drew when it made a certificate.
struct Drawn {
    serial: [u8; 16],
    not_before: Timestamp,
}

impl Environment for Drawn {
    fn now(&self) -> Timestamp {
        self.not_before
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.serial);
    }
}

#[test]
fn same_as_helm() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("certificates");
    let mut count = 0;
    for entry in fs::read_dir(root).unwrap() {
        let folder = entry.unwrap().path();
        let template = fs::read_to_string(folder.join("input.txt")).unwrap();
        let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
        let expected = go_std::unquote(expected.trim_end().strip_prefix("= ").unwrap().as_bytes()).unwrap();
        let expected = String::from_utf8(expected).unwrap();
        let values: serde_json::Value = go_yaml::sigs::build_any(
            &fs::read(folder.join("values.yaml")).unwrap(),
            &go_yaml::Limits::default(),
            &mut go_yaml::ToJson::floats(),
        )
        .unwrap();
        let values = values.as_object().unwrap().iter();
        let values = values.map(|(key, value)| (key.as_str(), Value::from(value.as_str().unwrap())));

        let functions = sprig::functions(Arc::new(drawn(&expected)));
        let mut templates = TemplateSet::new(Arc::new(functions), Options::default());
        templates.parse("t", template.trim_end()).unwrap();
        let mut out = Vec::new();
        templates
            .execute("t", Value::Map(values.collect()), &Env::default(), &mut out)
            .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{}", folder.display());
        count += 1;
    }
    assert!(count > 0);
}

/// Reads serial number and start of validity out of a certificate.
fn drawn(pem: &str) -> Drawn {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let bytes = base64(&body);
    let (_, certificate, _) = element(&bytes);
    let (_, mut fields, _) = element(certificate);
    let mut next = || {
        let (_, content, rest) = element(fields);
        fields = rest;
        content
    };
    let (_version, number, _algorithm, _issuer, validity) = (next(), next(), next(), next(), next());
    let mut serial = [0; 16];
    let number: Vec<u8> = number.iter().copied().skip_while(|&b| b == 0).collect();
    serial[16 - number.len()..].copy_from_slice(&number);
    let (_, time, _) = element(validity);
    let time = format!("20{}", std::str::from_utf8(time).unwrap());
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", time).unwrap();
    Drawn {
        serial,
        not_before: time.to_zoned(TimeZone::UTC).unwrap().timestamp(),
    }
}

/// Tag, content and rest of DER text.
fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (mut length, mut start) = (usize::from(der[1]), 2);
    if length >= 0x80 {
        let count = length & 0x7f;
        length = der[2..2 + count]
            .iter()
            .fold(0, |length, &b| length << 8 | usize::from(b));
        start += count;
    }
    (der[0], &der[start..start + length], &der[start + length..])
}

fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = text
        .bytes()
        .filter_map(|b| alphabet.iter().position(|&a| a == b))
        .map(|d| d as u32)
        .collect();
    let mut out = Vec::new();
    for chunk in digits.chunks(4) {
        let word = (0..4).fold(0, |word, i| word << 6 | chunk.get(i).copied().unwrap_or(0));
        out.extend_from_slice(&word.to_be_bytes()[1..chunk.len()]);
    }
    out
}
