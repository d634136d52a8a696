//! A tree as `e2e/tools/artifact-oracle` tells it, and what becomes of it here.

use std::collections::BTreeSet;

use flux_archive::{Algorithm, File, Hasher, TarWriter, content_hash};
use serde::Deserialize;
use sourceignore::{Matcher, patterns_of, read};

#[derive(Deserialize)]
struct Tree {
    entries: Vec<Entry>,
    filtered: bool,
    #[serde(default)]
    rules: String,
    content: String,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    kind: String,
    #[serde(default)]
    size: usize,
    #[serde(default)]
    text: String,
    #[serde(default)]
    mode: u32,
}

impl Entry {
    fn content(&self) -> Vec<u8> {
        let made = (0..self.size).map(|at| (7 * at + self.size).to_le_bytes()[0]);
        self.text.bytes().chain(made).collect()
    }
}

/// Archives the tree of a line, and compares; the other way of archiving, by files alone, where that is the same.
pub(crate) fn check(line: &str) -> Result<(), String> {
    let mut tree: Tree = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
    tree.entries
        .sort_by(|one, other| one.path.split('/').cmp(other.path.split('/')));
    let contents: Vec<_> = tree.entries.iter().map(Entry::content).collect();
    let is_file = |entry: &Entry| entry.kind == "file";
    let matcher = tree.filtered.then(|| {
        let entries = tree.entries.iter().zip(&contents);
        let files = entries.filter(|(entry, _)| is_file(entry));
        let mut patterns = patterns_of(files.map(|(entry, content)| (entry.path.as_str(), &content[..])));
        patterns.extend(read(&tree.rules, &[]));
        Matcher::for_archives(patterns)
    });
    let ignored = |entry: &Entry| {
        let is_directory = entry.kind == "directory";
        matcher
            .as_ref()
            .is_some_and(|matcher| matcher.ignores(&entry.path, is_directory))
    };

    let mut tar = TarWriter::new(Vec::new());
    let mut written = || {
        tar.directory(".")?;
        for (entry, content) in tree.entries.iter().zip(&contents) {
            match entry.kind.as_str() {
                _ if ignored(entry) => {}
                "directory" => tar.directory(&entry.path)?,
                "file" => tar.file(&entry.path, entry.mode & 0o111 != 0, content)?,
                _ => {}
            }
        }
        Ok::<_, std::io::Error>(())
    };
    written().map_err(|error| format!("{error}: {line}"))?;
    let bytes = tar.finish().map_err(|error| format!("{error}: {line}"))?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(&bytes);
    let content = hasher.finish();
    if content != tree.content {
        return Err(format!("ours is {content}: {line}"));
    }

    let kept = || {
        tree.entries
            .iter()
            .zip(&contents)
            .filter(|(entry, _)| !ignored(entry))
    };
    let files: Vec<_> = kept()
        .filter(|(entry, _)| is_file(entry))
        .map(|(entry, content)| File {
            path: &entry.path,
            content,
            executable: entry.mode & 0o111 != 0,
        })
        .collect();
    let above = files.iter().flat_map(|file| {
        let slashes = file.path.match_indices('/');
        slashes.map(|(at, _)| &file.path[..at])
    });
    let derived: BTreeSet<_> = above.collect();
    let directories = kept().filter(|(entry, _)| entry.kind == "directory");
    let found: BTreeSet<_> = directories.map(|(entry, _)| entry.path.as_str()).collect();
    if derived == found && content_hash(files).ok().as_ref() != Some(&tree.content) {
        return Err(format!("the files alone make something else: {line}"));
    }
    Ok(())
}
