//! The certificates and keys of one control plane.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Writes `ca.crt`, `server.crt`, `server.key`, `service-account.key` and `service-account.pub` into `dir`.
pub(super) fn write(dir: &Path) -> Result<()> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    ca.distinguished_name.push(DnType::CommonName, "openflux testbed");
    fs::write(dir.join("ca.crt"), ca.self_signed(&ca_key)?.pem())?;

    let server_key = KeyPair::generate()?;
    let names = ["localhost", "127.0.0.1", "kubernetes.default.svc", "10.96.0.1"].map(str::to_owned);
    let server = CertificateParams::new(names)?.signed_by(&server_key, &Issuer::new(ca, ca_key))?;
    fs::write(dir.join("server.crt"), server.pem())?;
    fs::write(dir.join("server.key"), server_key.serialize_pem())?;

    let service_account = KeyPair::generate()?;
    fs::write(dir.join("service-account.key"), service_account.serialize_pem())?;
    fs::write(dir.join("service-account.pub"), service_account.public_key_pem())?;
    Ok(())
}
