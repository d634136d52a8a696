//! What a chart asks for, and what of it is there.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use helm::{Chart, Dependency, Limits};
use sprig::semver::{Constraints, Version};

use super::HelmDependencyError;
use super::args::ListArgs;
use super::chart::load;
use crate::helm_template::load_archive;

/// Tells the dependencies of a chart as `helm dependency list` does.
pub(super) fn list(args: &ListArgs, out: &mut dyn Write) -> Result<(), HelmDependencyError> {
    let limits = Limits::default();
    let path = args.chart()?;
    let chart = load(&path, &limits)?;
    let folder = go_std::path::join(&path, "charts");
    let Some(dependencies) = &chart.metadata().dependencies else {
        return Ok(writeln!(out, "WARNING: no dependencies at {folder}")?);
    };
    let mut rows = vec![["NAME", "VERSION", "REPOSITORY", "STATUS"].map(str::to_owned)];
    for dependency in dependencies {
        let Dependency {
            name,
            version,
            repository,
            ..
        } = dependency;
        let status = status(&folder, dependency, &chart, &limits);
        rows.push([
            name.clone(),
            version.clone(),
            repository.clone(),
            status.to_owned(),
        ]);
    }
    write_table(&rows, args.max_col_width, out)?;
    writeln!(out)?;
    tell_superfluous(&folder, dependencies, &limits, out)
}

/// The names in a folder, in their order; none if it cannot be read.
fn names_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What is there of a dependency.
fn status(folder: &str, dependency: &Dependency, parent: &Chart, limits: &Limits) -> &'static str {
    let prefix = format!("{}-", dependency.name);
    let mut archives = names_in(folder);
    archives.retain(|name| name.starts_with(&prefix) && name.strip_suffix(".tgz").is_some());
    if archives.len() > 1 {
        // The names of other charts may begin with that of this one.
        archives.retain(|name| {
            let version = name
                .strip_prefix(&prefix)
                .and_then(|rest| rest.strip_suffix(".tgz"));
            version.is_some_and(|version| Version::parse_strict(version).is_ok())
        });
        if archives.len() > 1 {
            return "too many matches";
        }
    }
    if let [archive] = archives.as_slice() {
        let path = format!("{folder}/{archive}");
        return match load_archive(Path::new(&path), limits) {
            Err(_) => "corrupt",
            Ok(chart) if chart.name() != dependency.name => "misnamed",
            Ok(chart) => of_version(&chart.metadata().version, &dependency.version).unwrap_or("ok"),
        };
    }
    let mut subcharts = parent.subcharts().iter().rev();
    match subcharts.find(|subchart| subchart.name() == dependency.name) {
        None => "missing",
        Some(found) => of_version(&found.metadata().version, &dependency.version).unwrap_or("unpacked"),
    }
}

/// What is wrong with a version, if something is.
fn of_version(found: &str, wanted: &str) -> Option<&'static str> {
    if found == wanted {
        return None;
    }
    let (Ok(constraint), Ok(version)) = (Constraints::parse(wanted), Version::parse(found)) else {
        return Some("invalid version");
    };
    (!constraint.check(&version)).then_some("wrong version")
}

/// Tells of charts that nobody asks for.
fn tell_superfluous(
    folder: &str,
    dependencies: &[Dependency],
    limits: &Limits,
    out: &mut dyn Write,
) -> Result<(), HelmDependencyError> {
    for name in names_in(folder) {
        let path = format!("{folder}/{name}");
        if !Path::new(&path).is_dir() && name.strip_suffix(".tgz").is_none() {
            continue;
        }
        let quoted = go_std::quote(&path);
        match load(&path, limits) {
            Err(_) => writeln!(out, "WARNING: {quoted} is not a chart.")?,
            Ok(chart) if dependencies.iter().all(|wanted| wanted.name != chart.name()) => {
                writeln!(out, "WARNING: {quoted} is not in Chart.yaml.")?;
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Writes columns of equal width, each followed by a tab but the last.
fn write_table(rows: &[[String; 4]], widest: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut widths = [0; 4];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            let length = cell.chars().count();
            let length = if widest == 0 { length } else { length.min(widest) };
            *width = length.max(*width);
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| resized(cell, width));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("\t"))?;
    }
    Ok(())
}

/// A text filled up with blanks, or cut, to a width.
fn resized(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if width == 0 || length <= width {
        return format!("{text:width$}");
    }
    // At least one character stays.
    let kept = width.saturating_sub(3).max(1);
    let kept: String = text.chars().take(kept).collect();
    format!("{kept}...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let rows = [["NAME", "B", "C", "D"], ["a", "bbbbbbbb", "", "d"]].map(|row| row.map(str::to_owned));
        let text = |widest| {
            let mut out = Vec::new();
            write_table(&rows, widest, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(80), "NAME\tB       \tC\tD\na   \tbbbbbbbb\t \td\n");
        assert_eq!(text(5), "NAME\tB    \tC\tD\na   \tbb...\t \td\n");
    }
}
