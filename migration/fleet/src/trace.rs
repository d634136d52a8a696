//! `trace`: from an object to who applied it, and from there to the source and its address.

use std::collections::BTreeMap;

use artifact_crd::{Artifact, BRIDGED_TO_ANNOTATION};
use flux_api::ObjectKey;
use jiff::Timestamp;

use crate::artifacts::readiness;
use crate::live::Traced;
use crate::subject::applied_by;
use crate::text::{Mark, Node, Tone, age, short_hash, shorten, size};
use crate::tree::{line, name_of};
use crate::{DeployerKind, Handle, Owners, SourceState, Subject, World};

/// The most steps from one object to the next, so that a circle has an end.
const MAX_STEPS: usize = 32;

/// Returns the way from an object to its source: `chain` is the object, its owner, the owner of that, and so on.
pub fn trace(world: &World, chain: &[Traced], now: Timestamp) -> Option<Node> {
    let subjects = Subject::all(world);
    let tracer = Tracer {
        world,
        owners: Owners::of(world),
        by_handle: subjects
            .iter()
            .map(|subject| (subject.handle.clone(), subject))
            .collect(),
        now,
    };
    let (first, above) = chain.split_first()?;
    Some(tracer.object(first, above))
}

struct Tracer<'a> {
    world: &'a World,
    owners: Owners,
    by_handle: BTreeMap<Handle, &'a Subject>,
    now: Timestamp,
}

impl Tracer<'_> {
    fn object(&self, object: &Traced, above: &[Traced]) -> Node {
        let own = DeployerKind::of(&object.id.group, &object.id.kind)
            .map(|kind| Handle::new(kind, object.id.namespace.as_str(), object.id.name.as_str()));
        if let Some(subject) = own.and_then(|handle| self.by_handle.get(&handle)) {
            return self.subject(subject);
        }
        let node = Node::new(object.id.kind.as_str(), name_of(&object.id), object.live.mark())
            .note(object.live.note());
        // What a controller made of an applied object has its labels too, but was not applied.
        if let Some((owner, above)) = above.split_first() {
            return node.with([self.object(owner, above)]);
        }
        match applied_by(&object.labels) {
            Some(handle) => node.with([self.deployer(&handle)]),
            None => node.note("not applied by a Kustomization or HelmRelease: it has no such labels"),
        }
    }

    fn deployer(&self, handle: &Handle) -> Node {
        match self.by_handle.get(handle) {
            Some(subject) => self.subject(subject),
            None => Node::new(handle.kind.kind(), handle.key.to_string(), Mark::Bad)
                .note("not there, though its labels are on the object"),
        }
    }

    fn subject(&self, subject: &Subject) -> Node {
        let node = line(subject, &self.owners).note(subject.path.as_str());
        node.with(self.parents(subject)).with(self.source_of(subject))
    }

    /// Who applied it, up to the root.
    fn parents(&self, subject: &Subject) -> Vec<Node> {
        let (mut parents, mut next) = (Vec::new(), subject.parent.clone());
        while let Some(handle) = next.take() {
            if handle == subject.handle || parents.len() == MAX_STEPS {
                break;
            }
            let Some(parent) = self.by_handle.get(&handle) else {
                let missing = Node::new(handle.kind.kind(), handle.key.to_string(), Mark::Bad);
                parents.push(missing.note("parent, not there"));
                break;
            };
            parents.push(line(parent, &self.owners).note("parent"));
            next = parent.parent.clone().filter(|above| *above != handle);
        }
        parents
    }

    fn source_of(&self, subject: &Subject) -> Option<Node> {
        let (kind, key) = subject.source.as_ref()?;
        let artifact = self.artifact(kind, key);
        let source = self.source(kind, key, 0);
        if let Some(artifact) = artifact {
            return Some(artifact.with(source));
        }
        let missing = Node::new("Artifact", format!("of {kind} {key}"), Mark::Warning);
        Some(missing.note("not there").with(source))
    }

    fn artifact(&self, kind: &str, key: &ObjectKey) -> Option<Node> {
        let artifacts = self.world.artifacts.iter();
        let mut there = artifacts.filter_map(|artifact| artifact.0.as_ref().ok());
        let artifact = there.find(|artifact| is_of(artifact, kind, key))?;
        let (ready, tone, message) = readiness(artifact);
        let mark = match tone {
            Tone::Good => Mark::Good,
            Tone::Warning => Mark::Warning,
            Tone::Bad => Mark::Bad,
            Tone::Plain | Tone::Faint => Mark::Unknown,
        };
        let (meta, spec) = (&artifact.metadata, &artifact.spec);
        let name = ObjectKey::new(
            meta.namespace.clone().unwrap_or_default(),
            meta.name.clone().unwrap_or_default(),
        );
        let node = Node::new(artifact_crd::KIND, name.to_string(), mark)
            .note(short_hash(&spec.revision))
            .note(short_hash(spec.digest.as_deref().unwrap_or_default()))
            .note(spec.size.map(size).unwrap_or_default());
        Some(if ready == "True" && tone == Tone::Good {
            node
        } else {
            node.note(message)
        })
    }

    fn source(&self, kind: &str, key: &ObjectKey, depth: usize) -> Option<Node> {
        let sources = self.world.sources.iter();
        let mut named = sources.filter(|source| source.kind == kind && source.key == *key);
        let Some(source) = named.next() else {
            // A custom source is none of the kinds that are read; whether it is there is not known.
            let is_stock = STOCK.contains(&kind);
            let mark = if is_stock { Mark::Bad } else { Mark::Unknown };
            let node = Node::new(kind, key.to_string(), mark);
            return (is_stock || depth > 0).then(|| node.note(if is_stock { "not there" } else { "" }));
        };
        let made_of = source.made_of.as_ref().filter(|_| depth < MAX_STEPS);
        let made_of = made_of.and_then(|reference| {
            let namespace = if reference.namespace.is_empty() {
                &key.namespace
            } else {
                &reference.namespace
            };
            let of = ObjectKey::new(namespace.as_str(), reference.name.as_str());
            self.source(&reference.kind, &of, depth + 1)
        });
        Some(self.source_line(source).with(made_of))
    }

    fn source_line(&self, source: &SourceState) -> Node {
        let ready = source.ready();
        let (mark, said) = match ready {
            _ if source.suspended => (Mark::Warning, "suspended".to_owned()),
            Some(ready) if ready.status == "False" => {
                let since = age(ready.last_transition_time.0, self.now);
                let why = shorten(&ready.message, 200);
                (Mark::Bad, format!("fails since {since}: {}: {why}", ready.reason))
            }
            Some(ready) if ready.status == "True" => (Mark::Good, String::new()),
            Some(ready) => (Mark::Busy, shorten(&ready.message, 200)),
            None => (Mark::Unknown, String::new()),
        };
        let revision = source
            .artifact
            .as_ref()
            .map(|artifact| short_hash(&artifact.revision));
        let origin = Node::new(source.origin.as_str(), source.reference.as_str(), Mark::Unknown);
        Node::new(source.kind.as_str(), source.key.to_string(), mark)
            .note(revision.unwrap_or_default())
            .note(said)
            .with((!source.origin.is_empty()).then_some(origin))
    }
}

/// The kinds of sources that are read.
const STOCK: [&str; 6] = [
    "GitRepository",
    "OCIRepository",
    "Bucket",
    "HelmRepository",
    "HelmChart",
    "ExternalArtifact",
];

/// Whether an Artifact is what a reference with this kind and name means.
fn is_of(artifact: &Artifact, kind: &str, key: &ObjectKey) -> bool {
    let meta = &artifact.metadata;
    if meta.namespace.as_deref() != Some(key.namespace.as_str()) {
        return false;
    }
    let mut owners = meta.owner_references.iter().flatten();
    let is_owned = owners.any(|owner| owner.name == key.name && owner.kind == kind);
    let bridged = meta
        .annotations
        .as_ref()
        .and_then(|all| all.get(BRIDGED_TO_ANNOTATION));
    let is_itself = ["ExternalArtifact", artifact_crd::KIND].contains(&kind)
        && (meta.name.as_deref() == Some(key.name.as_str()) || bridged == Some(&key.name));
    is_owned || is_itself
}

#[cfg(test)]
mod tests {
    use flux_api::{GitRepository, ObjectId, Tolerant};
    use serde_json::json;

    use super::*;
    use crate::live::Live;
    use crate::owner::tests::deployment;
    use crate::text::Style;
    use crate::world::Describe;

    fn world() -> World {
        let ready = |status: &str, message: &str| {
            json!([{"type": "Ready", "status": status, "reason": "GitOperationFailed", "message": message,
                    "lastTransitionTime": "1970-01-01T00:00:00Z"}])
        };
        let kustomizations = json!([
            {
                "metadata": {"name": "podinfo", "namespace": "apps", "generation": 1, "labels": {
                    "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}},
                "spec": {"path": "./deploy", "sourceRef": {"kind": "GitRepository", "name": "podinfo"}},
                "status": {"observedGeneration": 1, "lastAppliedRevision": "main@sha1:00", "conditions": ready("True", "")},
            },
            {
                "metadata": {"name": "apps", "namespace": "flux-system", "generation": 1, "labels": {
                    "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}},
                "status": {"observedGeneration": 1, "conditions": ready("True", "")},
            },
        ]);
        let artifacts = json!([{
            "metadata": {"name": "gitrepository-apps-podinfo", "namespace": "apps", "ownerReferences": [
                {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "name": "podinfo", "uid": "1"}]},
            "spec": {"url": "http://a", "revision": "main@sha1:00", "digest": "sha256:9b1c", "size": 214_000},
            "status": {"conditions": ready("True", "")},
        }]);
        let source: GitRepository = serde_json::from_value(json!({
            "metadata": {"name": "podinfo", "namespace": "apps", "generation": 1},
            "spec": {"url": "https://user:secret@github.com/example/podinfo", "ref": {"branch": "main"}},
            "status": {"conditions": ready("False", "authentication required")},
        }))
        .unwrap();
        World {
            stock: vec![deployment("kustomize-controller", &[], 1, 1)],
            kustomizations: serde_json::from_value::<Vec<Tolerant<_>>>(kustomizations).unwrap(),
            artifacts: serde_json::from_value::<Vec<Tolerant<_>>>(artifacts).unwrap(),
            sources: vec![source.state()],
            ..World::default()
        }
    }

    fn traced(kind: &str, group: &str, name: &str, labels: &[(&str, &str)]) -> Traced {
        Traced {
            id: ObjectId {
                namespace: "apps".to_owned(),
                name: name.to_owned(),
                group: group.to_owned(),
                kind: kind.to_owned(),
            },
            live: Live::new("Current", ""),
            labels: labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn the_way_leads_from_a_pod_to_the_address_of_the_source() {
        let labels = [
            ("kustomize.toolkit.fluxcd.io/name", "podinfo"),
            ("kustomize.toolkit.fluxcd.io/namespace", "apps"),
        ];
        let chain = [
            traced("Pod", "", "podinfo-x", &[]),
            traced("Deployment", "apps", "podinfo", &labels),
        ];
        let now = Timestamp::from_second(840).unwrap();
        let trace = trace(&world(), &chain, now).unwrap();
        assert_eq!(
            trace.lines(Style::default()),
            [
                "✔ Pod apps/podinfo-x",
                "└ ✔ Deployment apps/podinfo",
                "  └ ✔ Kustomization apps/podinfo  main@sha1:00  by stock  ./deploy",
                "    ├ ✔ Kustomization flux-system/apps  by stock  parent",
                "    └ ✔ Artifact apps/gitrepository-apps-podinfo  main@sha1:00  sha256:9b1c  214 kB",
                "      └ ✗ GitRepository apps/podinfo  fails since 14m: GitOperationFailed: authentication required",
                "        └ · https://github.com/example/podinfo branch main",
            ]
        );
        assert_eq!(
            trace.cause().map(|cause| cause.kind.as_str()),
            Some("GitRepository")
        );
    }

    #[test]
    fn what_nobody_applied_says_so() {
        let chain = [traced("ConfigMap", "", "mine", &[])];
        let trace = trace(&world(), &chain, Timestamp::UNIX_EPOCH).unwrap();
        assert!(trace.notes[0].starts_with("not applied by"), "{trace:?}");
        let labels = [
            ("helm.toolkit.fluxcd.io/name", "gone"),
            ("helm.toolkit.fluxcd.io/namespace", "apps"),
        ];
        let chain = [traced("ConfigMap", "", "theirs", &labels)];
        let trace = super::trace(&world(), &chain, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(trace.cause().map(|cause| cause.name.as_str()), Some("apps/gone"));
    }
}
