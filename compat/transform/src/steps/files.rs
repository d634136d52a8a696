//! Steps that handle files as they are: merge, extract, remove, move and write.

use serde_json::Map;

use crate::error::Problem;
use crate::glob::{Glob, is_glob};
use crate::path::{join, own, own_file};
use crate::spec::{Extract, Merge, Move, Remove, WriteFile};
use crate::stage::Stage;
use crate::tree::File;
use crate::unpack::{is_archive, unpack};
use crate::yaml;

/// The longest content of a file that a specification writes.
const LONGEST_CONTENT: usize = 256 << 10;

pub(super) fn merge(stage: &mut Stage<'_>, step: &Merge) -> Result<(), Problem> {
    let to = own_file("to", &step.to)?;
    let mut merged = Map::new();
    for name in &step.files {
        let content = stage.required_text("files", name)?;
        merged = yaml::merge(merged, yaml::table(name, &content)?, step.null_deletes);
    }
    let file = File {
        content: yaml::text(&to, &merged)?.into(),
        executable: false,
    };
    stage.write(&to, file)
}

pub(super) fn extract(stage: &mut Stage<'_>, step: &Extract) -> Result<(), Problem> {
    let to = own("to", &step.to)?;
    let is_glob = is_glob(&step.path);
    let mut archives = matched(stage, "path", &step.path)?;
    if is_glob {
        archives.retain(|path| is_archive(path));
    }
    if archives.is_empty() && !step.optional {
        let problem = format!(
            "there is no archive {:?} in the output at this step; correct it, or set `optional: true`",
            step.path
        );
        return Err(Problem::nothing("path", problem));
    }
    for path in archives {
        let Some(file) = stage.tree().file(&path).cloned() else {
            continue;
        };
        if !step.keep_archive {
            stage.remove(&path);
        }
        unpack(stage, &path, &file, &to)?;
    }
    Ok(())
}

pub(super) fn remove(stage: &mut Stage<'_>, step: &Remove) -> Result<(), Problem> {
    for glob in &step.paths {
        for path in matched(stage, "paths", glob)? {
            stage.remove(&path);
        }
    }
    Ok(())
}

pub(super) fn rename(stage: &mut Stage<'_>, step: &Move) -> Result<(), Problem> {
    let (from, to) = (own("from", &step.from)?, own("to", &step.to)?);
    let taken = to.is_empty() || stage.tree().file(&to).is_some() || stage.tree().is_directory(&to);
    if taken && to != from {
        let problem = format!(
            "{:?} is there already; remove it first, or choose another path",
            step.to
        );
        return Err(Problem::invalid("to", problem));
    }
    let mut moved = Vec::new();
    if let Some(file) = stage.tree().file(&from) {
        moved.push((from.clone(), to.clone(), file.clone()));
    }
    if !from.is_empty() {
        let below = stage.tree().below(&from);
        moved.extend(
            below.map(|(path, file)| (path.to_owned(), join(&to, &path[from.len() + 1..]), file.clone())),
        );
    }
    if moved.is_empty() {
        let problem = format!("there is no {:?} in the output at this step", step.from);
        return Err(Problem::nothing("from", problem));
    }
    for (path, _, _) in &moved {
        stage.remove(path);
    }
    for (_, path, file) in moved {
        stage.write(&path, file)?;
    }
    Ok(())
}

pub(super) fn write(stage: &mut Stage<'_>, step: &WriteFile) -> Result<(), Problem> {
    let path = own_file("path", &step.path)?;
    if step.content.len() > LONGEST_CONTENT {
        return Err(Problem::limit(
            "the size of content in bytes",
            LONGEST_CONTENT as u64,
        ));
    }
    let file = File {
        content: step.content.clone().into(),
        executable: step.executable,
    };
    stage.write(&path, file)
}

/// Checks a path or glob of the output.
pub(super) fn check_glob(field: &str, text: &str) -> Result<(), Problem> {
    let text = text.strip_prefix("@artifact/").unwrap_or(text);
    // What is left of a path with an @ is one of an input, which is refused there.
    if is_glob(text) && !text.starts_with('@') {
        return Glob::new(field, text).map(|_| ());
    }
    own(field, text).map(|_| ())
}

/// The files that a path or a glob of the output means, directories with all that is in them.
pub(super) fn matched(stage: &Stage<'_>, field: &str, text: &str) -> Result<Vec<String>, Problem> {
    let text = text.strip_prefix("@artifact/").unwrap_or(text);
    if !is_glob(text) {
        let path = own(field, text)?;
        let own = stage.tree().file(&path).map(|_| path.clone());
        let below = stage.tree().below(&path).map(|(path, _)| path.to_owned());
        return Ok(own.into_iter().chain(below).collect());
    }
    let glob = Glob::new(field, text)?;
    let mut found = Vec::new();
    for (path, _) in stage.tree().below(glob.prefix()) {
        if glob.root_of(path, stage.work)?.is_some() {
            found.push(path.to_owned());
        }
    }
    Ok(found)
}
