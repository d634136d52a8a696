//! Files that a build reads: which of them are decrypted, and from which format.
//!
//! Only what generators of Secrets and patches name is looked at, in the order in which kustomize-controller looks, and
//! each file once, whether it was encrypted or not: the first reference decides about its format.

use std::collections::BTreeSet;

use go_std::path;
use kustomize::{FileTree, Limits, References, TreeError, TreeErrorReason};
use sops::{FileError, Format, decrypt_file};
use url::Url;

use crate::{Decrypted, Decryption};

/// Why sources are not decrypted, in the words of kustomize-controller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file or a directory cannot be read.
    #[error("error decrypting sources: {0}")]
    Tree(String),
    /// The kustomization file of a directory is not where it should be.
    #[error("error decrypting sources: {0}")]
    Missing(String),
    /// A kustomization file cannot be read.
    #[error("error decrypting sources: failed to unmarshal kustomization file from '{path}': {reason}")]
    Kustomization {
        /// Its path in the tree.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A directory stands where a file is asked for.
    #[error("error decrypting sources: cannot decrypt irregular file as it has file mode type bits set")]
    Irregular,
    /// A file is larger than is allowed.
    #[error(
        "error decrypting sources: cannot decrypt file with size ({size} bytes) exceeding limit ({limit})"
    )]
    TooLarge {
        /// Its bytes.
        size: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A file cannot be decrypted.
    #[error("error decrypting sources: {source}")]
    File {
        /// Its path in the tree, which upstream does not tell.
        path: String,
        /// Why.
        source: FileError,
    },
    /// The files have too many bytes together once they are decrypted.
    #[error("error decrypting sources: decrypted files have more than {0} bytes together")]
    Plain(usize),
    /// Kustomizations are nested too deep.
    #[error("error decrypting sources: kustomizations are nested more than {0} deep")]
    Depth(usize),
}

/// Decrypts what the kustomization at `path`, and those that it names, read for Secrets and patches.
///
/// # Errors
/// See [`SourceError`].
pub fn decrypt_sources<'t>(
    tree: &'t dyn FileTree,
    path: &str,
    decryption: &Decryption<'_>,
    limits: &Limits,
) -> Result<Decrypted<'t>, SourceError> {
    let mut walk = Walk {
        tree,
        decryption,
        limits,
        directories: BTreeSet::new(),
        files: BTreeSet::new(),
        plain_bytes: 0,
        decrypted: Decrypted::nothing(tree),
    };
    let root = path::join("/", path);
    match walk.directory(&root, 0) {
        Ok(()) => Ok(walk.decrypted),
        Err(Stop::NoDirectory) => Err(SourceError::Tree(format!("{} is not a directory", shown(&root)))),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Why a directory is not gone through.
enum Stop {
    /// It is none: a file, something remote, or nothing at all.
    NoDirectory,
    Failed(SourceError),
}

impl From<SourceError> for Stop {
    fn from(error: SourceError) -> Self {
        Self::Failed(error)
    }
}

struct Walk<'t, 'd> {
    tree: &'t dyn FileTree,
    decryption: &'d Decryption<'d>,
    limits: &'d Limits,
    directories: BTreeSet<String>,
    files: BTreeSet<String>,
    plain_bytes: usize,
    decrypted: Decrypted<'t>,
}

impl Walk<'_, '_> {
    fn directory(&mut self, directory: &str, depth: usize) -> Result<(), Stop> {
        if !self.directories.insert(directory.to_owned()) {
            return Ok(());
        }
        if depth > self.limits.depth {
            return Err(SourceError::Depth(self.limits.depth).into());
        }
        match self.tree.resolve(directory) {
            Ok(found) if found.is_dir => {}
            Ok(_) => return Err(Stop::NoDirectory),
            Err(error) if *error.reason() == TreeErrorReason::NotFound => return Err(Stop::NoDirectory),
            Err(error) => return Err(tree_error(&error).into()),
        }
        let references = self.references(directory)?;
        self.visit(directory, &references)?;
        for entry in references.resources.iter().chain(&references.components) {
            match self.directory(&below(directory, entry), depth + 1) {
                Ok(()) | Err(Stop::NoDirectory) => {}
                Err(failed) => return Err(failed),
            }
        }
        Ok(())
    }

    /// Reads the one kustomization file of a directory.
    fn references(&self, directory: &str) -> Result<References, SourceError> {
        let mut found = None;
        for name in References::FILE_NAMES {
            let file = path::join(directory, name);
            match self.tree.resolve(&file) {
                Ok(resolved) if resolved.is_dir => {
                    return Err(SourceError::Missing(format!(
                        "expected {name} to be a regular file"
                    )));
                }
                Ok(_) if found.is_some() => {
                    return Err(SourceError::Missing(
                        "found multiple kustomization files".to_owned(),
                    ));
                }
                Ok(_) => found = Some(file),
                Err(error) if *error.reason() == TreeErrorReason::NotFound => {}
                Err(error) => {
                    return Err(SourceError::Missing(format!(
                        "failed to lstat {name}: {}",
                        without_root(&error)
                    )));
                }
            }
        }
        let file = found.ok_or_else(|| SourceError::Missing("no kustomization file found".to_owned()))?;
        let content = self.tree.read(&file, self.limits.bytes_read).map_err(|error| {
            SourceError::Missing(format!(
                "failed to read kustomization file: {}",
                without_root(&error)
            ))
        })?;
        References::read(&content, self.limits).map_err(|error| SourceError::Kustomization {
            path: shown(&file),
            reason: error.to_string(),
        })
    }

    fn visit(&mut self, directory: &str, references: &References) -> Result<(), SourceError> {
        let generators = references.secret_files.iter().zip(&references.secret_envs);
        for (files, envs) in generators {
            for entry in files {
                let (key, file) = entry.split_once('=').unwrap_or((entry, entry));
                self.file(&below(directory, file), Format::of_key(key))?;
            }
            for file in envs {
                let format = match Format::of_key(file) {
                    Format::Binary => Format::Dotenv,
                    format => format,
                };
                self.file(&below(directory, file), format)?;
            }
        }
        for file in &references.patches {
            if !is_remote(file) {
                self.file(&below(directory, file), Format::of_key(file))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, file: &str, format: Format) -> Result<(), SourceError> {
        if self.files.contains(file) {
            return Ok(());
        }
        let resolved = self.tree.resolve(file).map_err(|error| tree_error(&error))?;
        if resolved.is_dir {
            return Err(SourceError::Irregular);
        }
        let content = self.tree.read(file, self.limits.bytes_read);
        let content = content.map_err(|error| tree_error(&error))?;
        let limit = self.decryption.limits.max_bytes;
        if content.len() > limit {
            let size = content.len();
            return Err(SourceError::TooLarge { size, limit });
        }
        if format.marks(&content) {
            self.decrypt(file, &content, format)?;
        }
        self.files.insert(file.to_owned());
        Ok(())
    }

    fn decrypt(&mut self, file: &str, content: &[u8], format: Format) -> Result<(), SourceError> {
        let Decryption { keys, limits, .. } = self.decryption;
        let plain =
            decrypt_file(content, format, format, *keys, limits).map_err(|source| SourceError::File {
                path: shown(file),
                source,
            })?;
        self.plain_bytes = self.plain_bytes.saturating_add(plain.bytes.len());
        if self.plain_bytes > self.decryption.max_plain_bytes {
            return Err(SourceError::Plain(self.decryption.max_plain_bytes));
        }
        for place in &plain.lost {
            self.decrypted.lose(format!("{}: {place}", shown(file)));
        }
        self.decrypted.insert(file.to_owned(), plain.bytes);
        Ok(())
    }
}

/// Where a path that a kustomization names leads; above the root there is nothing.
fn below(directory: &str, entry: &str) -> String {
    if path::is_absolute(entry) {
        path::join("/", entry)
    } else {
        path::join(directory, entry)
    }
}

/// Whether it is a URL with a host.
fn is_remote(path: &str) -> bool {
    Url::parse(path).is_ok_and(|url| url.host_str().is_some_and(|host| !host.is_empty()))
}

/// A path as it is told: relative to the root.
fn shown(path: &str) -> String {
    let relative = path.trim_start_matches('/');
    if relative.is_empty() { "." } else { relative }.to_owned()
}

fn tree_error(error: &TreeError) -> SourceError {
    SourceError::Tree(without_root(error))
}

/// The text of an error without the slash that stands for the root.
fn without_root(error: &TreeError) -> String {
    error.to_string().replacen(" /", " ", 1)
}

#[cfg(test)]
mod tests {
    use kustomize::MemoryTree;
    use sops::LocalKeys;

    use super::*;

    const KEY: &str = include_str!("../../sops/cases/keys/a.agekey");
    const TOKEN: &[u8] = include_bytes!("../../sops/cases/enc/token.txt");
    const SECRET: &[u8] = include_bytes!("../../sops/cases/enc/secret.yaml");
    const ENV: &[u8] = include_bytes!("../../sops/cases/enc/app.env");

    fn keys() -> LocalKeys {
        let mut keys = LocalKeys::default();
        keys.add_age_identities(KEY).unwrap();
        keys
    }

    /// The files that are decrypted, or why not.
    fn walk(tree: &MemoryTree, keys: &LocalKeys) -> Result<Vec<String>, String> {
        let walked = decrypt_sources(tree, "app", &Decryption::new(keys), &Limits::default());
        let walked = walked.map_err(|error| error.to_string())?;
        for path in walked.paths() {
            let (plain, encrypted) = (walked.read(path, 1 << 20), tree.read(path, 1 << 20));
            assert_ne!(plain.unwrap(), encrypted.unwrap(), "{path}");
        }
        Ok(walked.paths().map(str::to_owned).collect())
    }

    fn file(kustomization: &str) -> MemoryTree {
        MemoryTree::new()
            .with("app/kustomization.yaml", kustomization)
            .with("app/token", TOKEN)
            .with("app/secret.yaml", SECRET)
            .with("app/app.env", ENV)
    }

    #[test]
    fn what_generators_of_secrets_and_patches_name_is_decrypted() {
        let keys = keys();
        let all = file(
            "secretGenerator: [{name: a, files: [token, x.yaml=secret.yaml], envs: [app.env]}]\n\
             patches: [{path: secret.yaml}, {path: 'https://example.com/p.yaml'}]\nresources: [absent, https://example.com/x]\n",
        );
        assert_eq!(
            walk(&all, &keys).unwrap(),
            ["/app/app.env", "/app/secret.yaml", "/app/token"]
        );
        let others = file(
            "configMapGenerator: [{name: a, files: [token]}]\nresources: [secret.yaml]\nbases: [../x]\n\
             secretGenerator: [{name: a, env: app.env}]\npatchesStrategicMerge: [secret.yaml]\n",
        );
        assert!(walk(&others, &keys).unwrap().is_empty());
    }

    #[test]
    fn the_first_reference_decides_about_the_format() {
        let keys = keys();
        let twice = file("secretGenerator: [{name: a, files: [secret.ini=secret.yaml, secret.yaml]}]\n");
        assert!(walk(&twice, &keys).unwrap().is_empty());
        let other = file("secretGenerator: [{name: a, files: [secret.yaml]}]\n");
        assert_eq!(walk(&other, &keys).unwrap(), ["/app/secret.yaml"]);
    }

    #[test]
    fn directories_are_gone_through_once() {
        let keys = keys();
        let nested = file("resources: [../base]\ncomponents: [/base, ../../../base]\n")
            .with(
                "base/kustomization.yml",
                "resources: [../app]\nsecretGenerator: [{name: a, files: [t]}]\n",
            )
            .with("base/t", TOKEN);
        assert_eq!(walk(&nested, &keys).unwrap(), ["/base/t"]);
    }

    #[test]
    fn errors_are_those_of_the_controller() {
        let (keys, none) = (keys(), LocalKeys::default());
        let tells = |tree: MemoryTree, keys: &LocalKeys, text: &str| {
            let error = walk(&tree, keys).unwrap_err();
            assert!(
                error.starts_with(&format!("error decrypting sources: {text}")),
                "{error}"
            );
        };
        let generator = |file: &str| format!("secretGenerator: [{{name: a, files: ['{file}']}}]\n");
        tells(
            file(&generator("absent")),
            &keys,
            "lstat app/absent: no such file or directory",
        );
        tells(
            file(&generator("https://example.com/x")),
            &keys,
            "lstat app/https:/example.com/x: no such file",
        );
        tells(
            file(&generator("../app")),
            &keys,
            "cannot decrypt irregular file as it has",
        );
        tells(
            file(&generator("token")),
            &none,
            "cannot get sops data key: Failed to get the data key",
        );
        tells(
            file("resources: [sub]\n").with("app/sub/a.yaml", ""),
            &keys,
            "no kustomization file found",
        );
        tells(
            file("").with("app/Kustomization", ""),
            &keys,
            "found multiple kustomization files",
        );
        tells(
            file("resources: [sub]\n").with("app/sub/kustomization.yaml/x", ""),
            &keys,
            "expected kustomization.yaml to be a regular file",
        );
        tells(
            file("resources: 5\n"),
            &keys,
            "failed to unmarshal kustomization file from 'app/kustomization.yaml': error unmarshaling JSON",
        );
        let large = file(&generator("large")).with("app/large", vec![b'x'; (5 << 20) + 1]);
        tells(
            large,
            &keys,
            "cannot decrypt file with size (5242881 bytes) exceeding limit (5242880)",
        );
        let just = file(&generator("large")).with("app/large", vec![b'x'; 5 << 20]);
        assert!(walk(&just, &keys).unwrap().is_empty());
    }

    #[test]
    fn what_is_decrypted_is_bounded() {
        let (tree, keys) = (file("secretGenerator: [{name: a, files: [token]}]\n"), keys());
        let decryption = Decryption {
            max_plain_bytes: 3,
            ..Decryption::new(&keys)
        };
        let error = decrypt_sources(&tree, "app", &decryption, &Limits::default()).unwrap_err();
        assert_eq!(error, SourceError::Plain(3));
    }
}
