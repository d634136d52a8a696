//! Where and how artifacts are stored.

use std::path::PathBuf;
use std::time::Duration;

use flux_archive::Algorithm;

use crate::Place;

/// Where artifacts are stored, how long, and how many.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The volume (`--storage-path`).
    pub path: PathBuf,
    /// The address in URLs (`--storage-adv-addr`).
    pub advertised: Advertised,
    /// The kinds whose files are stored, in lower case; other folders are left alone.
    pub kinds: Vec<String>,
    /// How digests are computed (`--artifact-digest-algo`).
    pub algorithm: Algorithm,
    /// How long a file stays after another took its place (`--artifact-retention-ttl`).
    pub retention_ttl: Duration,
    /// How many files of one object stay (`--artifact-retention-records`).
    pub retention_records: usize,
    /// How long a file stays in any case after another took its place (`--storage-grace`).
    pub grace: Duration,
    /// Bytes that stay free on the volume (`--storage-reserve`).
    pub reserve: u64,
    /// The most bytes that all files take; 0 for as many as fit (`--storage-max-bytes`).
    pub max_bytes: u64,
    /// The longest artifact as served (`--artifact-max-bytes`).
    pub max_artifact_bytes: u64,
    /// The longest artifact once uncompressed (`--artifact-max-unpacked-bytes`).
    pub max_unpacked_bytes: u64,
}

impl StoreOptions {
    /// Stores the files of `kinds` below `path`, under an address, with the defaults of the flags.
    pub fn new(path: impl Into<PathBuf>, advertised: &str, kinds: &[&str]) -> Self {
        Self {
            path: path.into(),
            advertised: Advertised::new(advertised),
            kinds: kinds.iter().map(|kind| kind.to_lowercase()).collect(),
            algorithm: Algorithm::Sha256,
            retention_ttl: Duration::from_mins(1),
            retention_records: 2,
            grace: Duration::from_secs(15),
            reserve: 64 << 20,
            max_bytes: 0,
            max_artifact_bytes: 128 << 20,
            max_unpacked_bytes: 256 << 20,
        }
    }
}

/// The address of the file server in URLs: `host`, `host:port`, or one with its scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised(String);

impl Advertised {
    /// Takes an address as the flag has it.
    pub fn new(address: &str) -> Self {
        let address = address.trim_end_matches('/');
        let has_scheme = address.starts_with("http://") || address.starts_with("https://");
        Self(if has_scheme {
            address.to_owned()
        } else {
            format!("http://{address}")
        })
    }

    /// Gives the URL of a file.
    pub fn url(&self, place: &Place, file: &str) -> String {
        format!("{}/{place}/{file}", self.0)
    }

    /// Gives the name of the file of `place` that a URL names, whatever its host.
    pub fn file_of<'u>(place: &Place, url: &'u str) -> Option<&'u str> {
        let (folder, file) = url.rsplit_once('/')?;
        let folder = folder.strip_suffix(&place.to_string())?;
        folder.ends_with('/').then_some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_those_of_stock() {
        let place = Place::new("Http", "apps", "web").expect("a place");
        for (address, url) in [
            (
                "files.apps.svc.cluster.local.",
                "http://files.apps.svc.cluster.local./http/apps/web/f",
            ),
            ("127.0.0.1:9790", "http://127.0.0.1:9790/http/apps/web/f"),
            ("https://files/", "https://files/http/apps/web/f"),
            ("http://cdn/sub", "http://cdn/sub/http/apps/web/f"),
        ] {
            assert_eq!(Advertised::new(address).url(&place, "f"), url);
            assert_eq!(Advertised::file_of(&place, url), Some("f"));
        }
        for other in [
            "http://host/http/apps/web2/f",
            "http://host/xhttp/apps/web/f",
            "f",
            "",
        ] {
            assert_eq!(Advertised::file_of(&place, other), None, "{other}");
        }
    }
}
