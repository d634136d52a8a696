//! Building a kustomization out of the files of an output.

use kustomize::{
    Entry, FileTree, Options, Resolved, TreeError, TreeErrorReason, build_flux, set_common_metadata,
};
use serde_json::{Map, Value, json};

use crate::error::Problem;
use crate::path::{own, own_file};
use crate::spec::Kustomize;
use crate::stage::Stage;
use crate::tree::Tree;

pub(super) fn build(stage: &mut Stage<'_>, step: &Kustomize) -> Result<(), Problem> {
    let (path, to) = (own("path", &step.path)?, own_file("to", &step.to)?);
    if !stage.tree().is_directory(&path) {
        let problem = format!("there is no directory {:?} in the output at this step", step.path);
        return Err(Problem::nothing("path", problem));
    }
    let mut options = Options::flux();
    options.cancelled = stage.work.cancelled().cloned();
    let failed = |error| Problem::Kustomize {
        path: if path.is_empty() {
            ".".to_owned()
        } else {
            path.clone()
        },
        error,
    };
    let built = build_flux(&Files(stage.tree()), &path, &fields(step), &options).map_err(failed)?;
    if built.objects().is_empty() {
        return Err(Problem::Build(format!(
            "kustomize build of {path:?} gives no objects"
        )));
    }
    let mut text = built.into_yaml().map_err(failed)?;
    if let Some(common) = &step.common_metadata {
        text = set_common_metadata(
            text.as_bytes(),
            &common.labels,
            &common.annotations,
            &options.limits,
        )
        .map_err(failed)?;
    }
    super::loaded::finish(stage, &to, text, step.keep)
}

/// The fields as a Flux Kustomization has them.
fn fields(step: &Kustomize) -> Value {
    let mut fields = Map::new();
    let texts = [
        ("targetNamespace", &step.target_namespace),
        ("namePrefix", &step.name_prefix),
        ("nameSuffix", &step.name_suffix),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            fields.insert(name.to_owned(), json!(value));
        }
    }
    fields.insert("patches".to_owned(), json!(step.patches));
    fields.insert("images".to_owned(), json!(step.images));
    fields.insert("components".to_owned(), json!(step.components));
    let ignore = step.ignore_missing_components;
    fields.insert("ignoreMissingComponents".to_owned(), json!(ignore));
    Value::Object(fields)
}

/// The files as a build reads them: from the root, with a slash before each path.
struct Files<'t>(&'t Tree);

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

impl FileTree for Files<'_> {
    fn resolve(&self, path: &str) -> Result<Resolved, TreeError> {
        let is_dir = self.0.file(relative(path)).is_none();
        if is_dir && !self.0.is_directory(relative(path)) {
            return Err(TreeError::new("lstat", path, TreeErrorReason::NotFound));
        }
        Ok(Resolved {
            path: path.to_owned(),
            is_dir,
        })
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        let failed = |operation, reason| Err(TreeError::new(operation, path, reason));
        match self.0.file(relative(path)) {
            Some(file) if file.content.len() as u64 > limit => {
                failed("read", TreeErrorReason::TooLarge(limit))
            }
            Some(file) => Ok(file.content.to_vec()),
            None if self.0.is_directory(relative(path)) => failed("read", TreeErrorReason::IsDirectory),
            None => failed("open", TreeErrorReason::NotFound),
        }
    }

    fn read_dir(&self, path: &str) -> Result<Vec<Entry>, TreeError> {
        let directory = relative(path);
        if !self.0.is_directory(directory) {
            return Err(TreeError::new("open", path, TreeErrorReason::NotFound));
        }
        let skipped = if directory.is_empty() {
            0
        } else {
            directory.len() + 1
        };
        let mut entries: Vec<Entry> = Vec::new();
        for (file, _) in self.0.below(directory) {
            let rest = &file[skipped..];
            let (name, is_dir) = rest
                .split_once('/')
                .map_or((rest, false), |(name, _)| (name, true));
            if entries.last().is_none_or(|last| last.name != name) {
                entries.push(Entry {
                    name: name.to_owned(),
                    is_dir,
                });
            }
        }
        entries.sort();
        entries.dedup();
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_sees_the_files_and_nothing_else() {
        let tree: Tree = [("a/x", "1"), ("a/b/y", "2"), ("a.b", "3")].into_iter().collect();
        let files = Files(&tree);
        assert_eq!(files.resolve("/a").map(|found| found.is_dir), Ok(true));
        assert_eq!(files.resolve("/").map(|found| found.is_dir), Ok(true));
        assert_eq!(files.resolve("/a/x").map(|found| found.is_dir), Ok(false));
        assert!(files.resolve("/etc/passwd").is_err() && files.read("/a", 9).is_err());
        assert!(files.read("/a/x", 0).is_err());
        let names = |path: &str| {
            let entries = files.read_dir(path).expect("a directory");
            entries
                .into_iter()
                .map(|entry| (entry.name, entry.is_dir))
                .collect::<Vec<_>>()
        };
        assert_eq!(names("/"), [("a".to_owned(), true), ("a.b".to_owned(), false)]);
        assert_eq!(names("/a"), [("b".to_owned(), true), ("x".to_owned(), false)]);
    }
}
