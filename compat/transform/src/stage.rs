//! The files of an output while it is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Part, Problem};
use crate::limits::Work;
use crate::path::{self, Reference};
use crate::tree::{File, Mark, PathError, Tree};

/// What an input of a transformation is at the moment.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Its files.
    pub files: Arc<Tree>,
    /// Its revision, if it has one.
    pub revision: Option<String>,
    /// Where it comes from: the revision of the repository that it was made of, such as `main@sha1:...`.
    pub origin: Option<String>,
}

/// The inputs of a transformation by their names.
pub type Inputs = BTreeMap<String, Source>;

/// The longest path of a file, in bytes.
const LONGEST_PATH: usize = 4096;

/// The files of an output while it is made, and what it is made from.
pub(crate) struct Stage<'r> {
    tree: Tree,
    bytes: u64,
    inputs: &'r Inputs,
    /// What the run may still take.
    pub(crate) work: &'r Work,
    /// The parts of the output that were begun, the last of which is at work.
    parts: Vec<Part>,
    /// What the revision begins with, where a step knows that.
    pub(crate) word: Option<String>,
    /// What people should know, though it is no failure.
    pub(crate) warnings: Vec<String>,
}

impl<'r> Stage<'r> {
    pub(crate) fn new(inputs: &'r Inputs, work: &'r Work) -> Self {
        Self {
            tree: Tree::new(),
            bytes: 0,
            inputs,
            work,
            parts: Vec::new(),
            word: None,
            warnings: Vec::new(),
        }
    }

    /// Begins a part of the output.
    pub(crate) fn begin(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// The files so far.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Gives the files away.
    pub(crate) fn into_tree(self) -> Tree {
        self.tree
    }

    /// The files of an input.
    pub(crate) fn input(&self, field: &str, name: &str) -> Result<&'r Arc<Tree>, Problem> {
        let source = self.inputs.get(name);
        source.map(|source| &source.files).ok_or_else(|| {
            Problem::invalid(
                field,
                format!("there is no input {name:?}; declare it under `inputs`"),
            )
        })
    }

    /// Adds or replaces a file.
    pub(crate) fn write(&mut self, path: &str, file: File) -> Result<(), Problem> {
        self.write_copy(path, file, Mark::default())
    }

    /// [`write`](Self::write) of a file of which something is known.
    pub(crate) fn write_copy(&mut self, path: &str, file: File, mark: Mark) -> Result<(), Problem> {
        if path.len() > LONGEST_PATH {
            return Err(Problem::limit(
                "the length of a path in bytes",
                LONGEST_PATH as u64,
            ));
        }
        let by = u16::try_from(self.parts.len()).unwrap_or(u16::MAX);
        let added = file.content.len() as u64;
        let replaced = self
            .tree
            .insert_by(path, file, by, mark)
            .map_err(|error| self.refused(error))?;
        let removed = replaced.map_or(0, |file| file.content.len() as u64);
        self.bytes = (self.bytes + added).saturating_sub(removed);
        let limits = self.work.limits();
        if self.tree.len() > limits.files {
            return Err(Problem::limit(
                "the number of files of the output",
                limits.files as u64,
            ));
        }
        if self.bytes > limits.bytes {
            return Err(Problem::limit(
                "the size of the output's files in bytes",
                limits.bytes,
            ));
        }
        Ok(())
    }

    /// Takes a file out.
    pub(crate) fn remove(&mut self, path: &str) -> Option<File> {
        let removed = self.tree.remove(path)?;
        self.bytes = self.bytes.saturating_sub(removed.content.len() as u64);
        Some(removed)
    }

    /// Takes all files out.
    pub(crate) fn clear(&mut self) {
        self.tree = Tree::new();
        self.bytes = 0;
    }

    /// A file of the output, or of an input where the path begins with `@`.
    pub(crate) fn text(&self, field: &str, text: &str) -> Result<Option<Bytes>, Problem> {
        let found = match Reference::read(text) {
            Some(reference) => {
                let tree = self.input(field, reference.input)?;
                tree.file(&path::clean(field, reference.path)?)
            }
            None => self.tree.file(&path::own_file(field, text)?),
        };
        let Some(found) = found else { return Ok(None) };
        self.check_text(text, found.content.len())?;
        Ok(Some(found.content.clone()))
    }

    /// [`text`](Self::text) of a file that has to be there.
    pub(crate) fn required_text(&self, field: &str, text: &str) -> Result<Bytes, Problem> {
        self.text(field, text)?.ok_or_else(|| {
            let at = if text.starts_with('@') {
                "that input"
            } else {
                "the output at this step"
            };
            Problem::nothing(field, format!("there is no file {text:?} in {at}"))
        })
    }

    /// Refuses a file that is too large to be read as text.
    pub(crate) fn check_text(&self, name: &str, length: usize) -> Result<(), Problem> {
        let limit = self.work.limits().text_bytes;
        if length > limit {
            return Err(Problem::limit(
                format!("the size of {name} in bytes"),
                limit as u64,
            ));
        }
        Ok(())
    }

    fn refused(&self, error: PathError) -> Problem {
        let PathError::Taken { by, .. } = &error else {
            return Problem::Build(error.to_string());
        };
        let part = usize::from(*by).checked_sub(1).and_then(|at| self.parts.get(at));
        let by = part.unwrap_or(&Part::Whole).to_string();
        Problem::Taken { error, by }
    }
}
