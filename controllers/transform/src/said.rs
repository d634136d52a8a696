//! What is said about an output beside its content: labels, annotations and metadata of its Artifact.

use std::collections::BTreeMap;

use artifact_producer::Owner;
use flux_api::ORIGIN_REVISION;
use flux_transform::Wanted;
use flux_transform::spec::CommonMetadata;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::decide::{TRANSFORMATION_LABEL, label_of};
use crate::heavy::Waits;
use crate::inputs::{HOPS, Snapshot};
use crate::kind::CONTROLLER;

/// What labels with captures begin with.
const CAPTURE_LABEL: &str = "openfluxcd.ocm.software/capture-";
/// What the artifact was made of, in its metadata.
const INPUTS: &str = "openfluxcd.ocm.software/inputs";
/// The longest text about that.
const LONGEST_INPUTS: usize = 4096;

/// What all outputs of a run have in common.
pub(crate) struct Common<'r> {
    pub(crate) owner: &'r Owner,
    pub(crate) metadata: Option<&'r CommonMetadata>,
    pub(crate) snapshot: &'r Snapshot,
    pub(crate) waits: &'r Waits,
    pub(crate) bare_capture_labels: bool,
}

/// What decides whether an output is offered as it is wanted: its build key, and what is said beside its content.
pub(crate) fn key(build: &str, common: &Common<'_>, wanted: &Wanted, is_first: bool) -> String {
    let said = json!([
        build,
        labels(common, wanted),
        annotations(common, wanted),
        is_first
    ]);
    flux_archive::hex(&Sha256::digest(said.to_string()))
}

pub(crate) fn labels(common: &Common<'_>, wanted: &Wanted) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    if common.bare_capture_labels {
        labels.extend(wanted.captures.clone());
    }
    for (name, value) in &wanted.captures {
        labels.insert(format!("{CAPTURE_LABEL}{name}"), value.clone());
    }
    labels.extend(wanted.output.labels.clone());
    labels.extend(
        common
            .metadata
            .into_iter()
            .flat_map(|metadata| metadata.labels.clone()),
    );
    labels.insert("app.kubernetes.io/managed-by".to_owned(), CONTROLLER.to_owned());
    let name = label_of(&common.owner.name).to_owned();
    labels.insert(TRANSFORMATION_LABEL.to_owned(), name);
    labels
}

pub(crate) fn annotations(common: &Common<'_>, wanted: &Wanted) -> BTreeMap<String, String> {
    let mut annotations = wanted.output.annotations.clone();
    annotations.extend(
        common
            .metadata
            .into_iter()
            .flat_map(|metadata| metadata.annotations.clone()),
    );
    annotations
}

/// What is said about a content.
pub(crate) fn metadata(
    common: &Common<'_>,
    wanted: &Wanted,
    origin: Option<&str>,
) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::new();
    if let Some(origin) = origin {
        metadata.insert(ORIGIN_REVISION.to_owned(), origin.to_owned());
    }
    let used = wanted.inputs();
    let mut inputs = String::new();
    for input in common
        .snapshot
        .status
        .iter()
        .filter(|input| used.contains(&input.name))
    {
        let revision = if input.revision.is_empty() {
            &input.digest
        } else {
            &input.revision
        };
        let entry = format!("{}={revision}", input.name);
        if inputs.len() + entry.len() < LONGEST_INPUTS {
            if !inputs.is_empty() {
                inputs.push(' ');
            }
            inputs.push_str(&entry);
        }
    }
    metadata.insert(INPUTS.to_owned(), inputs);
    metadata.insert(HOPS.to_owned(), (common.snapshot.hops + 1).to_string());
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::owner;

    #[test]
    fn what_is_said_beside_the_content_is_part_of_the_key() {
        let (owner, snapshot, waits) = (owner("1"), Snapshot::default(), Waits::default());
        let metadata = CommonMetadata {
            labels: [("team".to_owned(), "a".to_owned())].into(),
            ..CommonMetadata::default()
        };
        let common = |metadata, bare_capture_labels| Common {
            owner: &owner,
            metadata,
            snapshot: &snapshot,
            waits: &waits,
            bare_capture_labels,
        };
        let wanted = |app: &str| Wanted {
            name: Some("out".to_owned()),
            output: flux_transform::spec::Output::default(),
            captures: [("app".to_owned(), app.to_owned())].into(),
            path: None,
        };
        let keys = [
            key("b", &common(None, false), &wanted("x"), false),
            key("c", &common(None, false), &wanted("x"), false),
            key("b", &common(Some(&metadata), false), &wanted("x"), false),
            key("b", &common(None, true), &wanted("x"), false),
            key("b", &common(None, false), &wanted("y"), false),
            key("b", &common(None, false), &wanted("x"), true),
        ];
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(keys[0], key("b", &common(None, false), &wanted("x"), false));
    }
}
