//! A chart as an archive, as `helm package` and `helm dependency` write it.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use flux_archive::TarWriter;
use go_std::path;

use super::archive;
use super::packed::{LoadError, Parts, bytes};
use crate::{Chart, File, Limits, Metadata, Time};

/// What Helm says in the header of each archive.
const EXTRA: &[u8] = b"rr\x28\x00aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo=";
const COMMENT: &str = "Helm";

const MODE: u32 = 0o644;

/// A chart that cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Its schema is no JSON.
    #[error("invalid JSON in values.schema.json")]
    Schema,
    /// A file of it cannot be written as YAML.
    #[error("{0}")]
    Yaml(#[from] go_yaml::Error),
    /// A name is none that an archive may have.
    #[error("{0}")]
    Write(#[from] io::Error),
}

/// Packs a chart from its files; gives what it says about itself, too. Files without a time get the present one.
///
/// # Errors
/// They are no chart.
pub fn pack(files: Vec<File>, limits: &Limits, now: Time) -> Result<(Metadata, Vec<u8>), PackError> {
    let metadata = Chart::from_files(files.clone(), limits)?.metadata().clone();
    let zipped = GzBuilder::new()
        .extra(EXTRA)
        .comment(COMMENT)
        .write(Vec::new(), Compression::default());
    let mut packer = Packer {
        tar: TarWriter::new(zipped),
        limits,
        now,
    };
    packer.chart(files, "")?;
    Ok((metadata, packer.tar.finish()?.finish()?))
}

struct Packer<'l, W> {
    tar: TarWriter<W>,
    limits: &'l Limits,
    now: Time,
}

impl<W: Write> Packer<'_, W> {
    /// Writes a chart below a folder. That it can be loaded, and how large it is, was looked at before.
    fn chart(&mut self, files: Vec<File>, below: &str) -> Result<(), PackError> {
        let values = files.iter().find(|file| file.name == "values.yaml").cloned();
        let parts = Parts::sort(files)?;
        let mut metadata = parts
            .metadata
            .ok_or(LoadError::NoChartYaml)?
            .validate()
            .map_err(LoadError::from)?;
        let is_v1 = metadata.api_version == "v1";
        let base = path::join(below, &metadata.name);
        let name = |file: &str| format!("{base}/{file}");
        if is_v1 {
            // Those of Helm 2 have a file of their own.
            metadata.dependencies = None;
        }
        let text = go_yaml::sigs::to_string(&metadata)?;
        self.file(&name("Chart.yaml"), text.as_bytes(), parts.modified)?;
        if let Some(lock) = parts.lock.filter(|_| metadata.api_version == "v2") {
            self.file(&name("Chart.lock"), lock.to_yaml()?.as_bytes(), lock.generated)?;
        }
        if let Some(values) = values {
            self.file(&name("values.yaml"), bytes(&values)?, values.modified)?;
        }
        if let Some(schema) = parts.schema {
            if serde_json::from_slice::<serde::de::IgnoredAny>(&schema).is_err() {
                return Err(PackError::Schema);
            }
            self.file(&name("values.schema.json"), &schema, parts.schema_modified)?;
        }
        for template in parts.templates {
            self.file(&name(&template.name), &template.text, template.modified)?;
        }
        for file in parts.files {
            self.file(&name(&file.name), bytes(&file)?, file.modified)?;
        }
        for (subchart, files) in parts.subcharts {
            if subchart.starts_with(['_', '.']) {
                continue;
            }
            let files = match files.first() {
                Some(file) if path::ext(&subchart) == ".tgz" => {
                    archive::read(bytes(file)?, self.limits).map_err(LoadError::from)?
                }
                _ => files.into_iter().filter_map(without_first).collect(),
            };
            self.chart(files, &name("charts"))?;
        }
        Ok(())
    }

    fn file(&mut self, name: &str, content: &[u8], modified: Time) -> io::Result<()> {
        let modified = if modified.is_zero() { self.now } else { modified };
        // Headers hold whole seconds, the nearest ones.
        let nanos = modified.timestamp().as_nanosecond() + 500_000_000;
        let seconds = u64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or_default();
        self.tar.file_of(name, MODE, seconds, content)
    }
}

/// A file of a subchart's folder by its name in there.
fn without_first(file: File) -> Option<File> {
    let (_, name) = file.name.split_once('/')?;
    Some(File {
        name: name.to_owned(),
        content: file.content,
        modified: file.modified,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Vec<File> {
        let subchart = "charts/below";
        vec![
            File::new("templates/a.yaml", "a: 1\n"),
            File::new(
                "Chart.yaml",
                "version: 1.0.0\napiVersion: v2\nname: web\nunknown: a\n",
            ),
            File::new("values.yaml", "# said\na: 1\n"),
            File::new("README.md", "text"),
            File::new(
                format!("{subchart}/Chart.yaml"),
                "apiVersion: v1\nname: other\nversion: 2.0.0\n",
            ),
            File::new(format!("{subchart}/templates/b.yaml"), "b: 1\n"),
        ]
    }

    #[test]
    fn what_is_packed_is_loaded_again() {
        let limits = Limits::default();
        let now: Time = "2020-01-02T03:04:05.6Z".parse().unwrap();
        let (metadata, archive) = pack(chart(), &limits, now).unwrap();
        assert_eq!(metadata.name, "web");
        // The fields that Helm knows, in the order of their names.
        let files = archive::read(&archive, &limits).unwrap();
        let found: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            found,
            [
                "Chart.yaml",
                "values.yaml",
                "templates/a.yaml",
                "README.md",
                "charts/other/Chart.yaml",
                "charts/other/templates/b.yaml",
            ]
        );
        assert_eq!(
            **files[0].content.bytes().unwrap(),
            *b"apiVersion: v2\nname: web\nversion: 1.0.0\n"
        );
        assert_eq!(files[1].modified.to_string(), "2020-01-02T03:04:06Z");
        assert_eq!(&archive[..4], &[0x1F, 0x8B, 8, 0x14]);
        let again = pack(files, &limits, now).unwrap();
        assert_eq!(again.1, archive);
    }

    #[test]
    fn what_is_no_chart_is_not_packed() {
        let limits = Limits::default();
        let error = |files| pack(files, &limits, Time::default()).unwrap_err().to_string();
        assert_eq!(error(Vec::new()), "Chart.yaml file is missing");
        let mut files = chart();
        files.push(File::new("values.schema.json", "{"));
        assert_eq!(error(files), "invalid JSON in values.schema.json");
    }
}
