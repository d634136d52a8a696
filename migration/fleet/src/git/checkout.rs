//! The files of a checkout.

use std::collections::BTreeMap;

use kustomize::MemoryTree;

/// Files by their path from the top, with `/` between names.
#[derive(Clone, Debug, Default)]
pub struct Checkout {
    files: BTreeMap<String, Vec<u8>>,
}

impl Checkout {
    /// Takes files.
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self {
            files: files.into_iter().collect(),
        }
    }

    /// Returns a file.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// Puts another content into a file.
    pub fn set(&mut self, path: &str, content: Vec<u8>) {
        self.files.insert(path.to_owned(), content);
    }

    /// Returns whether there is a directory with something in it.
    pub fn has_directory(&self, path: &str) -> bool {
        if path.is_empty() {
            return !self.files.is_empty();
        }
        let below = format!("{path}/");
        let mut from = self.files.range(below.clone()..);
        from.next().is_some_and(|(file, _)| file.starts_with(&below))
    }

    /// Returns the files below a directory.
    pub fn below(&self, path: &str) -> impl Iterator<Item = &str> {
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let files = self.files.range(prefix.clone()..);
        files
            .map(|(file, _)| file.as_str())
            .take_while(move |file| file.starts_with(&prefix))
    }

    /// Returns the YAML files.
    pub fn manifests(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let is_yaml = |path: &str| [".yaml", ".yml", ".json"].iter().any(|end| path.ends_with(end));
        let files = self.files.iter().filter(move |(path, _)| is_yaml(path));
        files.map(|(path, text)| (path.as_str(), text.as_slice()))
    }

    /// Returns the files as a build reads them.
    pub fn tree(&self) -> MemoryTree {
        let mut tree = MemoryTree::new();
        for (path, content) in &self.files {
            tree.insert(path, content.clone());
        }
        tree
    }
}

/// A path from the top, without `.` and `..`; nothing if it leads out.
pub(super) fn clean(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A path that is written in a file of `directory`.
pub(super) fn join(directory: &str, path: &str) -> Option<String> {
    clean(&format!("{directory}/{path}"))
}

/// The directory of a file.
pub(super) fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}
