//! Helm's own files: the list of repositories with their indexes, and the credentials of registries.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::FetchError;
use crate::index::Index;

/// Where Helm keeps what it was told about repositories and registries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelmFiles {
    /// `repositories.yaml`.
    pub repositories: PathBuf,
    /// The folder of the indexes that `helm repo update` fetched.
    pub cache: PathBuf,
    /// `config.json` of registries, as `helm registry login` writes it, and those that stand in for it: Docker's.
    pub registries: Vec<PathBuf>,
}

/// An entry of `repositories.yaml`.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Repository {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) username: String,
    pub(crate) password: String,
    #[serde(rename = "certFile")]
    pub(crate) cert_file: String,
    #[serde(rename = "keyFile")]
    pub(crate) key_file: String,
    #[serde(rename = "caFile")]
    pub(crate) ca_file: String,
    #[serde(rename = "insecure_skip_tls_verify")]
    pub(crate) insecure: bool,
    pub(crate) pass_credentials_all: bool,
}

/// Most bytes of a file of Helm's own, and of an index.
const MAX_FILE: u64 = 64 << 20;

impl HelmFiles {
    /// The repositories of the list; none if there is no list.
    pub(crate) fn list(&self) -> Result<Vec<Repository>, FetchError> {
        #[derive(Default, Deserialize)]
        struct List {
            #[serde(default)]
            repositories: Vec<Repository>,
        }
        let Some(text) = read(&self.repositories)? else {
            return Ok(Vec::new());
        };
        let bad = |reason: String| FetchError::File {
            path: self.repositories.display().to_string(),
            reason,
        };
        let value = go_yaml::sigs::to_value(&text, &go_yaml::Limits::default())
            .map_err(|error| bad(error.to_string()))?;
        if value.is_null() {
            return Ok(Vec::new());
        }
        let list: List = serde_json::from_value(value).map_err(|error| bad(error.to_string()))?;
        Ok(list.repositories)
    }

    /// The index of a listed repository, as it was fetched last.
    pub(crate) fn index(&self, name: &str) -> Result<Index, FetchError> {
        self.kept_index(name).map_err(FetchError::NotCached)
    }

    /// The same, with what is wrong with the file.
    pub(crate) fn kept_index(&self, name: &str) -> Result<Index, String> {
        let path = self.cache.join(format!("{name}-index.yaml"));
        match read(&path) {
            Ok(Some(text)) => Index::read(&text).map_err(|error| error.to_string()),
            Ok(None) => Err(format!("open {}: no such file or directory", path.display())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The name and the password for a registry, from the first file that has them.
    pub(crate) fn login(&self, registry: &str) -> Result<Option<(String, String)>, FetchError> {
        for path in &self.registries {
            let Some(text) = read(path)? else { continue };
            let config: Json = serde_json::from_slice(&text).map_err(|error| FetchError::File {
                path: path.display().to_string(),
                reason: error.to_string(),
            })?;
            let auths = config.get("auths").and_then(Json::as_object);
            let is_for = |key: &str| {
                let host = key.trim_start_matches("https://").trim_start_matches("http://");
                host == registry || host.split('/').next() == Some(registry)
            };
            let found = auths.and_then(|auths| {
                let exact = auths.get(registry);
                exact.or_else(|| auths.iter().find(|(key, _)| is_for(key)).map(|(_, auth)| auth))
            });
            if let Some(login) = found.and_then(login_of) {
                return Ok(Some(login));
            }
        }
        Ok(None)
    }
}

/// The credentials of one entry of `auths`.
fn login_of(auth: &Json) -> Option<(String, String)> {
    let text = |name: &str| auth.get(name).and_then(Json::as_str).unwrap_or_default();
    if !text("auth").is_empty() {
        let decoded = String::from_utf8(STANDARD.decode(text("auth")).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        return Some((user.to_owned(), password.trim_end_matches('\0').to_owned()));
    }
    let (user, password) = (text("username"), text("password"));
    (!user.is_empty()).then(|| (user.to_owned(), password.to_owned()))
}

/// A file; nothing if it is not there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, FetchError> {
    let failed = |reason: String| FetchError::File {
        path: path.display().to_string(),
        reason,
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Ok(metadata) if metadata.len() > MAX_FILE => {
            return Err(failed(format!("larger than the maximum size {MAX_FILE}")));
        }
        _ => {}
    }
    fs::read(path)
        .map(Some)
        .map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn logins_have_two_forms() {
        for (auth, login) in [
            (json!({"auth": "dTpwOnE="}), Some(("u", "p:q"))),
            (json!({"username": "u", "password": "p"}), Some(("u", "p"))),
            (json!({"auth": "%"}), None),
            (json!({}), None),
        ] {
            let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
            assert_eq!(login_of(&auth), login, "{auth}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing() {
        let files = HelmFiles {
            repositories: "/nowhere/repositories.yaml".into(),
            cache: "/nowhere".into(),
            registries: vec!["/nowhere/config.json".into()],
        };
        assert!(files.list().unwrap().is_empty());
        assert_eq!(files.login("registry.test"), Ok(None));
        assert_eq!(
            files.index("a").err().unwrap().to_string(),
            "no cached repo found. (try 'helm repo update'): open /nowhere/a-index.yaml: no such file or directory"
        );
    }
}
