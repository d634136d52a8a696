//! What rendering steps have in common: charts among the files, and what becomes of the result.

use helm::{Chart, File as ChartFile, HELMIGNORE, IgnoreRules, Limits};

use crate::error::Problem;
use crate::path::join;
use crate::stage::Stage;
use crate::tree::File;

/// Writes what was rendered; the other files go unless they are to stay.
pub(super) fn finish(stage: &mut Stage<'_>, to: &str, text: String, keep: bool) -> Result<(), Problem> {
    if !keep {
        stage.clear();
    }
    let file = File {
        content: text.into(),
        executable: false,
    };
    stage.write(to, file)
}

/// The paths, relative to its directory, of the files that are part of a chart.
pub(super) fn chart_files(stage: &Stage<'_>, directory: &str) -> Result<Vec<String>, Problem> {
    let ignore_file = join(directory, HELMIGNORE);
    let rules = match stage.tree().file(&ignore_file) {
        Some(file) => {
            stage.check_text(&ignore_file, file.content.len())?;
            let text = String::from_utf8_lossy(&file.content);
            IgnoreRules::parse(&text).map_err(|error| Problem::file(&ignore_file, error))?
        }
        None => IgnoreRules::default(),
    };
    let skipped = if directory.is_empty() {
        0
    } else {
        directory.len() + 1
    };
    let mut paths = Vec::new();
    for (path, _) in stage.tree().below(directory) {
        let below = &path[skipped..];
        stage.work.spend(rules.steps(below))?;
        let mut folders = below.match_indices('/').map(|(at, _)| &below[..at]);
        if folders.any(|folder| rules.ignores(folder, true)) || rules.ignores(below, false) {
            continue;
        }
        paths.push(below.to_owned());
    }
    Ok(paths)
}

/// Loads the chart of a directory.
pub(super) fn chart_of_directory(stage: &Stage<'_>, directory: &str) -> Result<Chart, Problem> {
    let paths = chart_files(stage, directory)?;
    let files = paths.into_iter().filter_map(|below| {
        let file = stage.tree().file(&join(directory, &below))?;
        Some(ChartFile::new(below, &file.content))
    });
    load(directory, files.collect())
}

/// Loads a chart from its files.
pub(super) fn load(path: &str, files: Vec<ChartFile>) -> Result<Chart, Problem> {
    let limits = Limits::default();
    if let Some(file) = files.iter().find(|file| file.content.size() > limits.file_bytes) {
        let what = format!("the size of {} of chart {path:?} in bytes", file.name);
        return Err(Problem::limit(what, limits.file_bytes));
    }
    Chart::from_files(files, &limits).map_err(|error| Problem::Chart {
        path: path.to_owned(),
        error: Box::new(error),
    })
}

/// Loads the chart at a path: a directory or an archive.
pub(super) fn chart_at(stage: &Stage<'_>, path: &str) -> Result<Chart, Problem> {
    if let Some(file) = stage.tree().file(path) {
        return Chart::from_archive(&file.content, &Limits::default()).map_err(|error| Problem::Chart {
            path: path.to_owned(),
            error: Box::new(error),
        });
    }
    if !stage.tree().is_directory(path) {
        let problem = format!("there is no chart {path:?} in the output at this step");
        return Err(Problem::nothing("path", problem));
    }
    chart_of_directory(stage, path)
}
