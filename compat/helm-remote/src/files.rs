//! Helm's own files: the list of repositories with their indexes, and the credentials of registries.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::FetchError;
use crate::index::Index;
use crate::login::Login;

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

    /// The credentials for a registry, from the first file that has them; or what is wrong with what it has, which need not
    /// matter. The first file has to be in order; one that stands in for it is passed over when it is not.
    pub(crate) fn login(&self, registry: &str) -> Result<Result<Login, String>, FetchError> {
        for (number, path) in self.registries.iter().enumerate() {
            let config = match config(path) {
                Err(error) if number == 0 => return Err(error),
                Ok(config) => config,
                Err(_) => Json::Null,
            };
            match Login::in_config(&config, registry) {
                Ok(login) if login == Login::default() => {}
                found => return Ok(found),
            }
        }
        Ok(Ok(Login::default()))
    }
}

/// A configuration of registries; nothing if there is none.
fn config(path: &Path) -> Result<Json, FetchError> {
    let Some(text) = read(path)? else {
        return Ok(Json::Null);
    };
    if text.trim_ascii().is_empty() {
        return Ok(Json::Null);
    }
    serde_json::from_slice(&text).map_err(|error| FetchError::Config {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
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
    use super::*;

    #[test]
    fn a_file_that_stands_in_may_be_broken() {
        let folder = std::env::temp_dir().join(format!("helm-remote-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| {
            fs::write(folder.join(name), text).unwrap();
            folder.join(name)
        };
        let broken = file("broken.json", "{\"auths\":");
        let empty = file("empty.json", " \n");
        let whole = file(
            "whole.json",
            r#"{"auths": {"r.test": {"auth": "dTpw"}, "bad.test": {"auth": "%"}}}"#,
        );
        let login = |registries: &[&PathBuf], registry: &str| {
            let registries = registries.iter().map(|path| (*path).clone()).collect();
            let files = HelmFiles {
                registries,
                ..HelmFiles::default()
            };
            files.login(registry)
        };
        assert_eq!(login(&[&empty, &whole], "r.test"), Ok(Ok(Login::of("u", "p"))));
        assert_eq!(login(&[&whole, &broken], "r.test"), Ok(Ok(Login::of("u", "p"))));
        assert_eq!(login(&[&empty, &broken], "r.test"), Ok(Ok(Login::default())));
        assert!(matches!(login(&[&whole], "bad.test"), Ok(Err(_))));
        let error = login(&[&broken, &whole], "r.test").unwrap_err().to_string();
        assert!(error.starts_with("failed to decode config file "), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing() {
        let files = HelmFiles {
            repositories: "/nowhere/repositories.yaml".into(),
            cache: "/nowhere".into(),
            registries: vec!["/nowhere/config.json".into()],
        };
        assert!(files.list().unwrap().is_empty());
        assert_eq!(files.login("registry.test"), Ok(Ok(Login::default())));
        assert_eq!(
            files.index("a").err().unwrap().to_string(),
            "no cached repo found. (try 'helm repo update'): open /nowhere/a-index.yaml: no such file or directory"
        );
    }
}
