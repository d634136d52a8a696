//! TLS of the file server, with a certificate that is read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const AGAIN: Duration = Duration::from_secs(10);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// A file is not what it is meant to be, or the two do not belong together.
    #[error("{}: {reason}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The certificate of a server and its key, `tls.crt` and `tls.key` of a folder, as a mounted Secret has them.
#[derive(Debug)]
pub struct Certificates {
    folder: PathBuf,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

#[derive(Debug)]
struct Current(RwLock<Read>);

/// What was read last.
#[derive(Debug)]
struct Read {
    files: [Vec<u8>; 2],
    key: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().key))
    }
}

impl Certificates {
    /// Reads the files of a folder.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn load(folder: &Path) -> Result<Self, TlsError> {
        let read = read(folder)?;
        let current = Arc::new(Current(RwLock::new(read)));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid(&folder.join("tls.crt"), &error))?;
        let mut config = config
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            folder: folder.to_owned(),
            current,
            config: Arc::new(config),
        })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }

    /// Looks at the files for as long as the server runs. What cannot be used is told, and what was read before stays.
    pub(super) async fn follow(&self) {
        let mut told = String::new();
        loop {
            tokio::time::sleep(AGAIN).await;
            let folder = self.folder.clone();
            let read = tokio::task::spawn_blocking(move || read(&folder)).await;
            match read {
                Ok(Ok(read)) if read.files == self.current.0.read().files => told.clear(),
                Ok(Ok(read)) => {
                    *self.current.0.write() = read;
                    told.clear();
                    tracing::info!(folder = %self.folder.display(), "the certificate of the file server was read again");
                }
                Ok(Err(error)) => {
                    let text = error.to_string();
                    if told != text {
                        tracing::warn!(%error, "the certificate of the file server stays the old one");
                        told = text;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "reading a certificate panicked; this is a bug, please report it");
                }
            }
        }
    }
}

fn invalid(path: &Path, reason: &dyn std::fmt::Display) -> TlsError {
    TlsError::Invalid {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn read(folder: &Path) -> Result<Read, TlsError> {
    let paths = ["tls.crt", "tls.key"].map(|name| folder.join(name));
    let file = |path: &Path| {
        std::fs::read(path).map_err(|source| TlsError::Read {
            path: path.to_owned(),
            source,
        })
    };
    let files = [file(&paths[0])?, file(&paths[1])?];
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&files[0]).collect();
    let chain = chain.map_err(|error| invalid(&paths[0], &error))?;
    if chain.is_empty() {
        return Err(invalid(&paths[0], &"there is no certificate in it"));
    }
    // What is wrong with a key is not told in detail.
    let key = PrivateKeyDer::from_pem_slice(&files[1]);
    let key = key.map_err(|_| invalid(&paths[1], &"there is no private key in it"))?;
    let key = ring::sign::any_supported_type(&key).map_err(|error| invalid(&paths[1], &error))?;
    let key = CertifiedKey::new(chain, key);
    match key.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(_) => return Err(invalid(&paths[1], &"it is not the key of tls.crt")),
    }
    Ok(Read {
        files,
        key: Arc::new(key),
    })
}
