//! Whether sources and their Artifacts say the same.

use artifact_crd::Artifact;
use flux_api::{Arguments, ObjectKey};

use super::facts::name;
use super::{Facts, Finding};
use crate::artifacts::{is_mirror, writer};
use crate::world::SourceState;

fn artifacts(facts: &Facts) -> impl Iterator<Item = &Artifact> {
    facts
        .world
        .artifacts
        .iter()
        .filter_map(|artifact| artifact.0.as_ref().ok())
}

fn owned_by<'a>(facts: &'a Facts, source: &'a SourceState) -> impl Iterator<Item = &'a Artifact> {
    artifacts(facts).filter(|artifact| {
        let meta = &artifact.metadata;
        let mut owners = meta.owner_references.iter().flatten();
        meta.namespace.as_deref() == Some(source.key.namespace.as_str())
            && owners.any(|owner| owner.kind == source.kind && owner.name == source.key.name)
    })
}

pub(super) fn mirrored(facts: &Facts) -> Vec<Finding> {
    let (mut missing, mut behind) = (Vec::new(), Vec::new());
    for source in &facts.world.sources {
        let Some(wanted) = &source.artifact else { continue };
        // What the bridge made of an Artifact is not made into one again.
        if source.is_bridged() {
            continue;
        }
        let shown = format!("{}/{}", source.kind, source.key);
        let mut owned = owned_by(facts, source).peekable();
        if owned.peek().is_none() {
            missing.push(shown);
        } else if !owned.any(|artifact| {
            artifact.spec.digest.as_deref() == Some(wanted.digest.as_str())
                && artifact.spec.revision == wanted.revision
        }) {
            behind.push(format!("{shown}: the source has {}", wanted.revision));
        }
    }
    let mut findings = Vec::new();
    if !missing.is_empty() {
        findings.push(
            Finding::failure(format!(
                "{} sources have an artifact and no Artifact",
                missing.len()
            ))
            .list(&missing)
            .fix("kubectl -n flux-system logs deploy/openflux-controller | grep openflux-source-adapter"),
        );
    }
    if !behind.is_empty() {
        findings.push(
            Finding::warning(format!("{} Artifacts are behind their sources", behind.len()))
                .list(&behind)
                .detail("for a moment that is how it is: look again"),
        );
    }
    findings
}

pub(super) fn foreign(facts: &Facts) -> Vec<Finding> {
    let mut foreign: Vec<_> = facts
        .world
        .sources
        .iter()
        .flat_map(|source| owned_by(facts, source))
        .filter(|artifact| !is_mirror(artifact))
        .map(|artifact| {
            let meta = &artifact.metadata;
            let key = ObjectKey::new(
                meta.namespace.clone().unwrap_or_default(),
                meta.name.clone().unwrap_or_default(),
            );
            format!("{key} was written by {}", writer(artifact))
        })
        .collect();
    foreign.dedup();
    if foreign.is_empty() {
        return Vec::new();
    }
    vec![
        Finding::warning(format!(
            "{} Artifacts of stock sources are written by others: ours stands back",
            foreign.len()
        ))
        .list(&foreign)
        .fix("stop the other mirror, and delete its Artifacts"),
    ]
}

pub(super) fn bridge(facts: &Facts) -> Vec<Finding> {
    let bridges = facts.ours().any(|(_, arguments)| {
        let controllers = arguments.value("controllers").unwrap_or_default();
        controllers.split(',').any(|name| name == "bridge")
    });
    if !bridges {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (_, deployment, container, _) in facts.deployers() {
        let arguments = Arguments::of(container);
        let gates = arguments
            .values("feature-gates", None)
            .flat_map(|gates| gates.split(','));
        if gates.last_external_artifact() != Some(true) {
            findings.push(
                Finding::failure(format!(
                    "the bridge offers ExternalArtifacts, and {} does not take them",
                    name(deployment)
                ))
                .fix("add --feature-gates=ExternalArtifact=true to its arguments"),
            );
        }
    }
    findings
}

/// The last word about the gate.
trait Gates {
    fn last_external_artifact(self) -> Option<bool>;
}

impl<'a, I: Iterator<Item = &'a str>> Gates for I {
    fn last_external_artifact(self) -> Option<bool> {
        let said = self.filter_map(|gate| gate.trim().strip_prefix("ExternalArtifact="));
        said.last().map(|value| value == "true")
    }
}
