//! The charts of scenarios: packed here, and served with an index for each scenario.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::deployer::Deployer;
use super::scenario::{ChartFiles, PublicChart, Scenario};
use super::shelf::Shelf;
use crate::testbed::{Archive, hex};

/// Packs the charts of a scenario, and gives the URL of its repository.
pub(super) fn offer(shelf: &Shelf, scenario: &Scenario) -> Result<String> {
    let mut packed: BTreeMap<&str, Vec<(&str, Vec<u8>)>> = BTreeMap::new();
    for (name, version, archive) in own_archives(&scenario.name, &scenario.charts)? {
        packed.entry(name).or_default().push((version, archive));
    }
    for chart in &scenario.public {
        let PublicChart {
            name,
            version,
            archive,
        } = chart;
        packed.entry(name).or_default().push((version, archive.clone()));
    }
    let mut index = "apiVersion: v1\nentries:\n".to_owned();
    for (name, versions) in packed {
        writeln!(index, "  {name}:")?;
        for (version, archive) in versions {
            let digest = hex(&Sha256::digest(&archive));
            let file = format!("{name}-{version}.tgz");
            writeln!(
                index,
                "  - {{apiVersion: v2, name: {name}, version: {version:?}, digest: {digest}, urls: [{file}]}}"
            )?;
            shelf.put(&format!("/{}/{file}", scenario.name), archive);
        }
    }
    shelf.put(&format!("/{}/index.yaml", scenario.name), index.into_bytes());
    Ok(shelf.url(&format!("/{}", scenario.name)))
}

/// Packs charts of ours in all of their versions.
pub(super) fn own_archives<'a>(
    scenario: &str,
    charts: &'a BTreeMap<String, Vec<String>>,
) -> Result<Vec<(&'a str, &'a str, Vec<u8>)>> {
    let mut all = Vec::new();
    for (name, versions) in charts {
        for version in versions {
            let chart = own(scenario, name, version);
            let archive = chart.and_then(|files| pack(name, files));
            let archive = archive.with_context(|| format!("chart {name}"))?;
            all.push((name.as_str(), version.as_str(), archive));
        }
    }
    Ok(all)
}

/// Reads one of our charts; the folder of a version, where there is one, has files besides or instead.
fn own(scenario: &str, name: &str, version: &str) -> Result<ChartFiles> {
    let charts = Deployer::Helm.folder().join("charts");
    let mut files = read(&charts.join(name))?;
    let further = charts.join(format!("{name}@{version}"));
    if further.is_dir() {
        let instead = read(&further)?;
        files.retain(|(path, _)| instead.iter().all(|(other, _)| other != path));
        files.extend(instead);
    }
    for (path, content) in &mut files {
        let mut text = String::from_utf8(std::mem::take(content))?.replace("SCENARIO", scenario);
        if path == "Chart.yaml" {
            write!(text, "\nversion: {version}\nappVersion: '{version}'\n")?;
        }
        *content = text.into_bytes();
    }
    Ok(files)
}

fn pack(name: &str, mut files: ChartFiles) -> Result<Vec<u8>> {
    files.sort();
    let mut archive = Archive::default();
    for (path, content) in &files {
        let path = format!("{name}/{path}");
        if path.len() > NAME {
            archive = archive.about_the_next(tar::EntryType::GNULongName, path.as_bytes());
        }
        archive = archive.file(&path, content);
    }
    archive.pack()
}

/// How long names in the headers of archives may be.
const NAME: usize = 100;

/// Reads the files below a folder.
fn read(folder: &Path) -> Result<ChartFiles> {
    let mut files = Vec::new();
    read_below(folder, "", &mut files)?;
    Ok(files)
}

fn read_below(folder: &Path, below: &str, files: &mut ChartFiles) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            read_below(&entry.path(), &format!("{below}{name}/"), files)?;
        } else {
            files.push((format!("{below}{name}"), std::fs::read(entry.path())?));
        }
    }
    Ok(())
}
