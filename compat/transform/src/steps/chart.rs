//! Making a chart of a directory, as a HelmChart of source-controller does.

use std::collections::BTreeMap;

use serde_json::Map;

use super::loaded::{chart_files, chart_of_directory, load};
use crate::error::Problem;
use crate::path::{clean, join, own};
use crate::spec::Chart;
use crate::stage::Stage;
use crate::tree::File;
use crate::yaml;

/// What the repository of a dependency in a directory begins with.
const LOCAL: &str = "file://";
/// How many charts may lie in each other.
const DEEPEST: usize = 16;

pub(super) fn make(stage: &mut Stage<'_>, step: &Chart) -> Result<(), Problem> {
    let directory = own("path", &step.path)?;
    if !stage.tree().is_directory(&directory) {
        let problem = format!("there is no directory {:?} in the output at this step", step.path);
        return Err(Problem::nothing("path", problem));
    }
    let mut files = BTreeMap::new();
    collect(stage, &directory, "", 0, &mut files)?;
    if let Some(values) = values(stage, step)? {
        files.insert("values.yaml".to_owned(), values);
    }
    // What is offered has been loaded once.
    let loaded = files
        .iter()
        .map(|(name, file)| helm::File::new(name, &file.content));
    let chart = load(&directory, loaded.collect())?;
    let (name, version) = (chart.name().to_owned(), chart.metadata().version.clone());
    if clean("path", &name)? != name || name.contains('/') {
        return Err(Problem::file(
            join(&directory, "Chart.yaml"),
            format!("name {name:?} is no name of a directory"),
        ));
    }
    stage.clear();
    for (path, file) in files {
        stage.write(&join(&name, &path), file)?;
    }
    stage.word = Some(version);
    Ok(())
}

/// Takes the files of a chart, and of those charts in other directories that it depends on.
fn collect(
    stage: &Stage<'_>,
    directory: &str,
    below: &str,
    depth: usize,
    files: &mut BTreeMap<String, File>,
) -> Result<(), Problem> {
    if depth > DEEPEST {
        return Err(Problem::limit(
            "the number of charts that depend on each other",
            DEEPEST as u64,
        ));
    }
    let chart = chart_of_directory(stage, directory)?;
    for path in chart_files(stage, directory)? {
        if let Some(file) = stage.tree().file(&join(directory, &path)) {
            files.insert(join(below, &path), file.clone());
        }
        if files.len() > stage.work.limits().files {
            return Err(Problem::limit(
                "the number of files of the chart",
                stage.work.limits().files as u64,
            ));
        }
    }
    let missing = chart.missing_dependencies();
    for dependency in chart.metadata().dependencies.iter().flatten() {
        if !missing.contains(&dependency.name.as_str()) {
            continue;
        }
        let Some(relative) = dependency.repository.strip_prefix(LOCAL) else {
            return Err(Problem::Build(format!(
                "chart {directory:?}: its dependency {} is not in charts/, and nothing is fetched; put it there",
                dependency.name
            )));
        };
        let found = clean("repository", &join(directory, relative))?;
        if stage.tree().file(&join(&found, "Chart.yaml")).is_none() {
            let problem = format!(
                "dependency {} is not at {found:?} in the output at this step",
                dependency.name
            );
            return Err(Problem::file(join(directory, "Chart.yaml"), problem));
        }
        let name = clean("dependencies", &dependency.name)?;
        collect(
            stage,
            &found,
            &join(below, &format!("charts/{name}")),
            depth + 1,
            files,
        )?;
    }
    Ok(())
}

/// The values that take the place of the chart's own.
fn values(stage: &Stage<'_>, step: &Chart) -> Result<Option<File>, Problem> {
    if step.values_files.is_empty() {
        return Ok(None);
    }
    let mut merged = Map::new();
    for name in &step.values_files {
        let Some(content) = stage.text("valuesFiles", name)? else {
            if step.ignore_missing_values_files {
                continue;
            }
            let problem =
                format!("there is no file {name:?}; correct it, or set `ignoreMissingValuesFiles: true`");
            return Err(Problem::nothing("valuesFiles", problem));
        };
        merged = yaml::merge(merged, yaml::table(name, &content)?, false);
    }
    Ok(Some(File {
        content: yaml::text("values.yaml", &merged)?.into(),
        executable: false,
    }))
}
