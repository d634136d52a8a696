//! As whom servers are asked, and how much they may answer.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Credentials and transport, as the flags of Helm give them.
#[derive(Clone, Default)]
pub struct Access {
    /// `--username`.
    pub username: String,
    /// `--password`.
    pub password: String,
    /// `--pass-credentials`: credentials are sent to every host that a repository names, not to its own alone.
    pub pass_credentials: bool,
    /// `--ca-file`: the certificates to trust, in the place of the system's.
    pub ca_file: Option<PathBuf>,
    /// `--cert-file`: the certificate to show.
    pub cert_file: Option<PathBuf>,
    /// `--key-file`: its key.
    pub key_file: Option<PathBuf>,
    /// `--insecure-skip-tls-verify`.
    pub insecure: bool,
    /// `--plain-http`: registries are asked without TLS.
    pub plain_http: bool,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither names nor passwords belong into a log.
        f.debug_struct("Access")
            .field("ca_file", &self.ca_file)
            .field("insecure", &self.insecure)
            .field("plain_http", &self.plain_http)
            .finish_non_exhaustive()
    }
}

/// Bounds on what servers send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an archive. Default 100 MiB, which is also what Helm allows unpacked.
    pub chart_bytes: u64,
    /// Bytes of the index of a repository. Default 64 MiB; Helm has no such limit.
    pub index_bytes: u64,
    /// Bytes of any other answer: manifests, tags, tokens. Default 4 MiB, as much as registries allow a manifest.
    pub answer_bytes: u64,
    /// Pages of the tags of a repository, of a thousand each. Default 20; Helm has no such limit.
    pub tag_pages: usize,
    /// How long one request may take, redirects and body included. Default two minutes, as in Helm.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chart_bytes: 100 << 20,
            index_bytes: 64 << 20,
            answer_bytes: 4 << 20,
            tag_pages: 20,
            time: Duration::from_mins(2),
        }
    }
}
