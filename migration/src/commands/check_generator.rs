//! `openflux convert artifactgenerator --check`: what a Transformation makes, beside what source-watcher has made.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use flux_api::SOURCE_GROUP;
use flux_transform::spec::Spec;
use flux_transform::{Inputs, Limits, Source, Tree, Work, build, outputs};

use crate::cluster::{Artifacts, CommandError};

/// Group of ArtifactGenerators.
const GENERATORS: &str = "source.extensions.fluxcd.io";
/// What source-watcher makes.
const EXTERNAL_ARTIFACT: &str = "ExternalArtifact";
/// How many files that differ are listed of one artifact.
const LISTED: usize = 20;

/// Makes what is wanted of the sources as they are, and prints how its files compare with those that source-watcher offers; false
/// if anything differs.
pub(super) async fn check(
    artifacts: &Artifacts,
    namespace: &str,
    generator: &str,
    spec: &Spec,
    out: &mut dyn Write,
) -> Result<bool, CommandError> {
    let inputs = inputs(artifacts, namespace, spec).await?;
    let work = Work::within(Limits::default());
    let wanted = match outputs(spec, &inputs, &work) {
        Ok(wanted) => wanted,
        Err(failure) => {
            writeln!(out, "{generator}: nothing can be made: {failure}")?;
            return Ok(false);
        }
    };
    let (mut is_same, mut made) = (true, BTreeSet::new());
    for wanted in wanted {
        let name = wanted.name.clone().unwrap_or_else(|| generator.to_owned());
        made.insert(name.clone());
        let built = match build(&wanted, &inputs, &work) {
            Ok(built) => built,
            Err(failure) => {
                writeln!(out, "{name}: cannot be made: {failure}")?;
                is_same = false;
                continue;
            }
        };
        let theirs = artifacts.offered(SOURCE_GROUP, EXTERNAL_ARTIFACT, namespace, &name);
        let Some(theirs) = theirs.await? else {
            writeln!(out, "{name}: source-watcher offers no such artifact")?;
            is_same = false;
            continue;
        };
        let differences = differences(&built.files, &theirs.files);
        if differences.is_empty() {
            writeln!(out, "{name}: the same {} files", built.files.len())?;
            continue;
        }
        is_same = false;
        writeln!(out, "{name}: {} files differ", differences.len())?;
        for line in differences.iter().take(LISTED) {
            writeln!(out, "  {line}")?;
        }
        if differences.len() > LISTED {
            writeln!(out, "  and {} more", differences.len() - LISTED)?;
        }
    }
    for name in inventory(artifacts, namespace, generator).await? {
        if !made.contains(&name) {
            writeln!(out, "{name}: made by source-watcher alone")?;
            is_same = false;
        }
    }
    Ok(is_same)
}

/// The sources of an ArtifactGenerator, which are all of Flux's own group.
async fn inputs(artifacts: &Artifacts, namespace: &str, spec: &Spec) -> Result<Inputs, CommandError> {
    let mut inputs = Inputs::new();
    for input in &spec.inputs {
        let Some(source) = &input.source_ref else { continue };
        let namespace = source.namespace.as_deref().unwrap_or(namespace);
        let offered = artifacts.offered(SOURCE_GROUP, &source.kind, namespace, &source.name);
        let Some(offered) = offered.await? else {
            return Err(CommandError::NotFound(format!(
                "source {}: {} {namespace}/{} offers no artifact",
                input.name, source.kind, source.name
            )));
        };
        let source = Source {
            files: Arc::new(offered.files),
            revision: Some(offered.revision),
            origin: offered.origin,
        };
        inputs.insert(input.name.clone(), source);
    }
    Ok(inputs)
}

/// The names of what source-watcher says that it has made.
async fn inventory(
    artifacts: &Artifacts,
    namespace: &str,
    generator: &str,
) -> Result<BTreeSet<String>, CommandError> {
    let object = artifacts
        .object(GENERATORS, flux_transform::GENERATOR, namespace, generator)
        .await?;
    let entries = object.map(|object| object.data["status"]["inventory"].clone());
    let entries = entries.as_ref().and_then(serde_json::Value::as_array);
    let names = entries.into_iter().flatten();
    let names = names.filter_map(|entry| entry["name"].as_str().map(str::to_owned));
    Ok(names.collect())
}

/// What is another file in one of two trees, or not there.
fn differences(ours: &Tree, theirs: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, file) in ours.files() {
        match theirs.file(path) {
            None => found.push(format!("+ {path}")),
            Some(there) if there.content != file.content => found.push(format!("~ {path}")),
            Some(there) if there.executable != file.executable => {
                found.push(format!("~ {path} (whether it can be executed)"));
            }
            Some(_) => {}
        }
    }
    let gone = theirs.files().filter(|(path, _)| ours.file(path).is_none());
    found.extend(gone.map(|(path, _)| format!("- {path}")));
    found
}

#[cfg(test)]
mod tests {
    use flux_transform::File;

    use super::*;

    #[test]
    fn each_file_that_differs_is_told() {
        let ours: Tree = [("a", "1"), ("b", "2"), ("c", "3")].into_iter().collect();
        assert!(differences(&ours, &ours).is_empty());
        let mut theirs: Tree = [("b", "2"), ("c", "4"), ("d", "5")].into_iter().collect();
        let file = File {
            content: "2".into(),
            executable: true,
        };
        theirs.insert("b", file).expect("a path");
        let expected = ["+ a", "~ b (whether it can be executed)", "~ c", "- d"];
        assert_eq!(differences(&ours, &theirs), expected);
    }
}
