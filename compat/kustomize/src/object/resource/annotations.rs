//! Annotations that belong to the build and not to the user.

use go_yaml::Node;

use super::{Behavior, Resource};
use crate::Error;
use crate::budget::Budget;
use crate::error::Context;

/// An object with this annotation takes part in the build and is left out of its result.
pub(crate) const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";
/// Where an object came from.
pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";
/// Which transformers changed an object.
pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

const PREVIOUS_KINDS: &str = "internal.config.kubernetes.io/previousKinds";
const PREVIOUS_NAMES: &str = "internal.config.kubernetes.io/previousNames";
const PREVIOUS_NAMESPACES: &str = "internal.config.kubernetes.io/previousNamespaces";
const PREFIXES: &str = "internal.config.kubernetes.io/prefixes";
const SUFFIXES: &str = "internal.config.kubernetes.io/suffixes";
const BEHAVIOR: &str = "internal.config.kubernetes.io/generatorBehavior";
const NEEDS_HASH: &str = "internal.config.kubernetes.io/needsHashSuffix";
/// Objects rendered from charts keep the namespace that the chart gave them.
pub(crate) const HELM_GENERATED: &str = "internal.config.kubernetes.io/helm-generated";

/// Annotations that never reach the output.
const BUILD_ANNOTATIONS: [&str; 19] = [
    PREVIOUS_KINDS,
    PREVIOUS_NAMES,
    PREVIOUS_NAMESPACES,
    PREFIXES,
    SUFFIXES,
    BEHAVIOR,
    NEEDS_HASH,
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    HELM_GENERATED,
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
];

impl Resource {
    /// Whether it takes part in the build only.
    pub(crate) fn is_local_config(&self) -> bool {
        self.annotation(LOCAL_CONFIG)
            .is_some_and(|value| value != "false")
    }

    /// Moves build annotations that the tree carries (from input, or from a patch) into the history.
    pub(crate) fn absorb_build_annotations(&mut self) {
        let Some(annotations) = self.node.get_path_mut(&["metadata", "annotations"]) else {
            return;
        };
        let internal = |k: &Node| k.text().starts_with("internal.config.kubernetes.io/");
        if !annotations.entries().iter().any(|(k, _)| internal(k)) {
            return;
        }
        let mut take = |key: &str| annotations.remove(key).map(|v| v.text().to_owned());
        let names = list(take(PREVIOUS_NAMES));
        let namespaces = list(take(PREVIOUS_NAMESPACES));
        let kinds = list(take(PREVIOUS_KINDS));
        for ((name, namespace), kind) in names.iter().zip(&namespaces).zip(&kinds) {
            self.history.push_previous(namespace, name, kind);
        }
        self.history.prefixes.extend(list(take(PREFIXES)));
        self.history.suffixes.extend(list(take(SUFFIXES)));
        if let Some(word) = take(BEHAVIOR) {
            self.history.behavior = Some(Behavior::parse(&word));
        }
        if let Some(word) = take(NEEDS_HASH) {
            self.history.needs_hash = word == "enabled";
        }
    }

    /// Removes what belongs to the build and rewrites the annotations that stay as strings, as the last step does to
    /// every object.
    pub(crate) fn finish_annotations(
        &mut self,
        keep_origin: bool,
        keep_transformations: bool,
        budget: &Budget,
    ) -> Result<(), Error> {
        /// Bytes that an annotation takes as text, and again as a node.
        const EACH: usize = 200;
        let map = self.node.get_path(&["metadata", "annotations"]);
        budget
            .at_once(map.map_or(0, |map| map.entries().len()) * EACH)
            .limit_at(|| format!("annotations of {}", self.id()))?;
        let mut annotations = self.annotations();
        annotations.retain(|(key, _)| {
            !BUILD_ANNOTATIONS.contains(&key.as_str())
                && (keep_origin || key != ORIGIN)
                && (keep_transformations || key != TRANSFORMATIONS)
        });
        self.set_annotations(annotations)
    }
}

fn list(text: Option<String>) -> Vec<String> {
    text.map(|t| t.split(',').map(str::to_owned).collect())
        .unwrap_or_default()
}
