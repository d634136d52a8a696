//! The files of the image.

use std::io::Write as _;

use anyhow::Result;
use base64::Engine as _;
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// Where the program lies, and how the image starts it.
pub(crate) const PROGRAM: &str = "usr/local/bin/openflux-controller";
/// Where Linux programs look for certificate authorities.
pub(crate) const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";
/// User and group of the program: nobody's on every distribution.
pub(crate) const USER: u64 = 65532;

/// A layer: a compressed tar, and what it holds uncompressed.
pub(crate) struct Layer {
    /// The tar.
    pub(crate) tar: Vec<u8>,
    /// The same, as gzip.
    pub(crate) gzip: Vec<u8>,
}

/// Packs `program` and the certificate authorities; the same input gives the same bytes.
pub(crate) fn layer(program: &[u8]) -> Result<Layer> {
    let mut tar = Builder::new(Vec::new());
    // The runtime makes folders that are missing, but not with these modes.
    for (folder, mode) in FOLDERS {
        append(&mut tar, folder, EntryType::Directory, mode, &[])?;
    }
    append(
        &mut tar,
        AUTHORITIES,
        EntryType::Regular,
        0o644,
        authorities().as_bytes(),
    )?;
    let user = format!("nonroot:x:{USER}:{USER}:nonroot:/tmp:/sbin/nologin\n");
    append(&mut tar, "etc/passwd", EntryType::Regular, 0o644, user.as_bytes())?;
    append(&mut tar, PROGRAM, EntryType::Regular, 0o755, program)?;
    let tar = tar.into_inner()?;
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(&tar)?;
    Ok(Layer {
        gzip: gzip.finish()?,
        tar,
    })
}

const FOLDERS: [(&str, u32); 8] = [
    ("etc/", 0o755),
    ("etc/ssl/", 0o755),
    ("etc/ssl/certs/", 0o755),
    ("tmp/", 0o1777),
    ("usr/", 0o755),
    ("usr/local/", 0o755),
    ("usr/local/bin/", 0o755),
    ("var/", 0o755),
];

fn append(tar: &mut Builder<Vec<u8>>, path: &str, kind: EntryType, mode: u32, bytes: &[u8]) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(bytes.len().try_into()?);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    tar.append_data(&mut header, path, bytes)?;
    Ok(())
}

/// Mozilla's certificate authorities, as PEM.
fn authorities() -> String {
    let mut text = String::new();
    for authority in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = base64::engine::general_purpose::STANDARD.encode(authority);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = more;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
