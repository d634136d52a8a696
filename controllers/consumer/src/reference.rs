//! From a reference to a source, in one of three dialects, to the key that the index knows.

use std::collections::BTreeMap;
use std::fmt;

use flux_api::{CrossNamespaceSourceReference, SOURCE_GROUP};

/// What a consumer refers to: group, kind, namespace and name of a source or of an Artifact.
///
/// The version is not part of it, so that objects written for different versions of a kind mean the same source.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKey {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl SourceKey {
    /// Returns whether the key names an Artifact itself, not its owner.
    pub fn is_artifact(&self) -> bool {
        self.group == artifact_crd::GROUP && self.kind == artifact_crd::KIND
    }
}

impl fmt::Display for SourceKey {
    /// Writes `group/Kind/namespace/name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.group, self.kind, self.namespace, self.name)
    }
}

/// Which sources may be referred to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether a source must be in the namespace of the object that refers to it (`--no-cross-namespace-refs`).
    pub no_cross_namespace_refs: bool,
    /// The kinds that may be referred to, as `Kind` or `group/Kind`; empty allows all.
    pub allowed_kinds: Vec<String>,
    /// Whether nothing but Flux's own kinds of sources may be referred to (`--feature-gates=ExternalArtifact=false`).
    pub no_external_artifacts: bool,
}

/// Why a reference cannot be followed. Each needs an edit: of the reference, or of the controller's flags.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The source is in another namespace, which the controller's flags forbid. The text is Flux's.
    #[error("can't access '{kind}/{namespace}/{name}', cross-namespace references have been blocked")]
    CrossNamespace {
        /// Kind of the source.
        kind: String,
        /// Namespace of the source.
        namespace: String,
        /// Name of the source.
        name: String,
    },
    /// The kind is not among the allowed ones.
    #[error("can't access '{key}', the controller allows only these source kinds: {}", .allowed.join(", "))]
    KindNotAllowed {
        /// The source.
        key: SourceKey,
        /// What is allowed.
        allowed: Vec<String>,
    },
    /// The source is none of Flux's own kinds, which the controller's gates forbid. The text is Flux's.
    #[error("can't access '{kind}/{namespace}/{name}', ExternalArtifact feature gate is disabled")]
    ExternalArtifact {
        /// Kind of the source, as the reference has it.
        kind: String,
        /// Namespace of the source.
        namespace: String,
        /// Name of the source.
        name: String,
    },
    /// `apiVersion` is none.
    #[error("{field}.apiVersion: {api_version:?} is not of the form 'version' or 'group/version'")]
    ApiVersion {
        /// Path of the reference.
        field: &'static str,
        /// What it says.
        api_version: String,
    },
    /// The kind or the name is empty.
    #[error("{field}.{part} is empty")]
    Empty {
        /// Path of the reference.
        field: &'static str,
        /// `kind` or `name`.
        part: &'static str,
    },
    /// A custom group with the stock kind, and nothing that tells the true kind.
    #[error(
        "{field}.apiVersion names the group {group:?}, which has no kind ExternalArtifact: set the annotation \
         '{annotation}' to the kind of the source",
        annotation = artifact_crd::SOURCE_KIND_ANNOTATION
    )]
    SourceKindUnknown {
        /// Path of the reference.
        field: &'static str,
        /// API group of the source.
        group: String,
    },
}

/// Resolves the reference of an object in `namespace` that has `annotations`; `field` is the path of the reference in the
/// object, such as `spec.sourceRef`.
///
/// Three dialects end in one key:
/// - stock Flux names one of its kinds, and whatever it says as `apiVersion` without a group is ignored;
/// - Open Flux honours `apiVersion` and allows any kind;
/// - with the stock CRDs a custom source is named as `kind: ExternalArtifact` with the `apiVersion` of its own group,
///   and the annotation [`artifact_crd::SOURCE_KIND_ANNOTATION`] names the kind; with the group of Artifacts itself,
///   an Artifact is meant.
///
/// Without `apiVersion`, Flux's own kinds belong to `source.toolkit.fluxcd.io`, `Artifact` to Open Flux's group, and
/// all others to the core group, as Open Flux has it.
pub fn resolve(
    reference: &CrossNamespaceSourceReference,
    field: &'static str,
    namespace: &str,
    annotations: Option<&BTreeMap<String, String>>,
    access: &Access,
) -> Result<SourceKey, ReferenceError> {
    for (part, value) in [("kind", &reference.kind), ("name", &reference.name)] {
        if value.is_empty() {
            return Err(ReferenceError::Empty { field, part });
        }
    }
    let (group, kind) = group_kind(reference, field, annotations)?;
    let key = SourceKey {
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: if reference.namespace.is_empty() {
            namespace
        } else {
            &reference.namespace
        }
        .to_owned(),
        name: reference.name.clone(),
    };
    if access.no_cross_namespace_refs && key.namespace != namespace {
        return Err(ReferenceError::CrossNamespace {
            kind: key.kind,
            namespace: key.namespace,
            name: key.name,
        });
    }
    if access.no_external_artifacts && (key.group != SOURCE_GROUP || key.kind == EXTERNAL_ARTIFACT) {
        return Err(ReferenceError::ExternalArtifact {
            kind: reference.kind.clone(),
            namespace: key.namespace,
            name: key.name,
        });
    }
    let allows = |allowed: &String| match allowed.rsplit_once('/') {
        Some((group, kind)) => group == key.group && kind == key.kind,
        None => *allowed == key.kind,
    };
    if !access.allowed_kinds.is_empty() && !access.allowed_kinds.iter().any(allows) {
        return Err(ReferenceError::KindNotAllowed {
            key,
            allowed: access.allowed_kinds.clone(),
        });
    }
    Ok(key)
}

const EXTERNAL_ARTIFACT: &str = "ExternalArtifact";

fn group_kind<'a>(
    reference: &'a CrossNamespaceSourceReference,
    field: &'static str,
    annotations: Option<&'a BTreeMap<String, String>>,
) -> Result<(&'a str, &'a str), ReferenceError> {
    let kind = reference.kind.as_str();
    let api_version = reference.api_version.as_str();
    let group = match api_version.split_once('/') {
        Some((group, version)) if !group.is_empty() && !version.is_empty() && !version.contains('/') => group,
        Some(_) => {
            let api_version = api_version.to_owned();
            return Err(ReferenceError::ApiVersion { field, api_version });
        }
        // A version alone: the core group, but stock's kinds do not live there and stock never looks at it.
        None => match kind {
            "GitRepository" | "OCIRepository" | "Bucket" | "HelmRepository" | "HelmChart"
            | EXTERNAL_ARTIFACT => SOURCE_GROUP,
            artifact_crd::KIND => artifact_crd::GROUP,
            _ => "",
        },
    };
    if kind != EXTERNAL_ARTIFACT || group == SOURCE_GROUP {
        return Ok((group, kind));
    }
    match annotations.and_then(|annotations| annotations.get(artifact_crd::SOURCE_KIND_ANNOTATION)) {
        Some(kind) if !kind.is_empty() => Ok((group, kind)),
        // The group of Artifacts has no other kind that could be meant.
        _ if group == artifact_crd::GROUP => Ok((group, artifact_crd::KIND)),
        _ => {
            let group = group.to_owned();
            Err(ReferenceError::SourceKindUnknown { field, group })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resolves `apiVersion kind namespace name` (`-` for empty) of an object in `apps`, annotated with `source_kind`.
    fn check(reference: &str, source_kind: Option<&str>, access: &Access, expected: &str) {
        let fields: Vec<_> = reference.split(' ').map(|field| field.replace('-', "")).collect();
        let reference = CrossNamespaceSourceReference {
            api_version: fields[0].clone(),
            kind: fields[1].clone(),
            namespace: fields[2].clone(),
            name: fields[3].clone(),
            ..Default::default()
        };
        let annotation = artifact_crd::SOURCE_KIND_ANNOTATION.to_owned();
        let annotations = source_kind.map(|kind| BTreeMap::from([(annotation, kind.to_owned())]));
        let result = resolve(&reference, "spec.sourceRef", "apps", annotations.as_ref(), access);
        let text = result.map_or_else(|error| format!("error: {error}"), |key| key.to_string());
        assert_eq!(text, expected, "{reference:?}");
    }

    #[test]
    fn three_dialects_end_in_one_key() {
        let all = Access::default();
        let rows = [
            (
                "- GitRepository - web",
                None,
                "source.toolkit.fluxcd.io/GitRepository/apps/web",
            ),
            (
                "v1 GitRepository - web",
                None,
                "source.toolkit.fluxcd.io/GitRepository/apps/web",
            ),
            (
                "source.toolkit.fluxcd.io/v1beta2 Bucket infra web",
                None,
                "source.toolkit.fluxcd.io/Bucket/infra/web",
            ),
            (
                "- ExternalArtifact - web",
                None,
                "source.toolkit.fluxcd.io/ExternalArtifact/apps/web",
            ),
            (
                "- ExternalArtifact - web",
                Some("Http"),
                "source.toolkit.fluxcd.io/ExternalArtifact/apps/web",
            ),
            (
                "- Artifact - web",
                None,
                "openfluxcd.ocm.software/Artifact/apps/web",
            ),
            ("- ConfigMap - web", None, "/ConfigMap/apps/web"),
            ("v1 ConfigMap - web", None, "/ConfigMap/apps/web"),
            ("example.org/v1 Http - web", None, "example.org/Http/apps/web"),
            (
                "example.org/v1 GitRepository - web",
                None,
                "example.org/GitRepository/apps/web",
            ),
            (
                "example.org/v1 ExternalArtifact - web",
                Some("Http"),
                "example.org/Http/apps/web",
            ),
            (
                "openfluxcd.ocm.software/v1alpha1 ExternalArtifact - web",
                None,
                "openfluxcd.ocm.software/Artifact/apps/web",
            ),
        ];
        for (reference, source_kind, expected) in rows {
            check(reference, source_kind, &all, expected);
        }
    }

    #[test]
    fn a_reference_that_cannot_be_followed_says_what_to_edit() {
        let all = Access::default();
        let own = Access {
            no_cross_namespace_refs: true,
            ..Access::default()
        };
        let stock = Access {
            no_external_artifacts: true,
            ..Access::default()
        };
        let some = Access {
            allowed_kinds: vec!["Bucket".into(), "example.org/Http".into()],
            ..Access::default()
        };
        let rows = [
            (
                "- ExternalArtifact - web",
                &stock,
                "error: can't access 'ExternalArtifact/apps/web', ExternalArtifact feature gate is disabled",
            ),
            (
                "example.org/v1 Http - web",
                &stock,
                "error: can't access 'Http/apps/web', ExternalArtifact feature gate is disabled",
            ),
            (
                "- HelmChart - web",
                &stock,
                "source.toolkit.fluxcd.io/HelmChart/apps/web",
            ),
            (
                "example.org/v1 ExternalArtifact - web",
                &all,
                "error: spec.sourceRef.apiVersion names the group \"example.org\", which has no kind ExternalArtifact: \
                 set the annotation 'openfluxcd.ocm.software/source-kind' to the kind of the source",
            ),
            (
                "a/b/c Http - web",
                &all,
                "error: spec.sourceRef.apiVersion: \"a/b/c\" is not of the form 'version' or 'group/version'",
            ),
            (
                "/v1 Http - web",
                &all,
                "error: spec.sourceRef.apiVersion: \"/v1\" is not of the form 'version' or 'group/version'",
            ),
            ("- - - web", &all, "error: spec.sourceRef.kind is empty"),
            (
                "- Bucket infra web",
                &own,
                "error: can't access 'Bucket/infra/web', cross-namespace references have been blocked",
            ),
            (
                "- Bucket apps web",
                &own,
                "source.toolkit.fluxcd.io/Bucket/apps/web",
            ),
            ("example.org/v1 Http - web", &some, "example.org/Http/apps/web"),
            (
                "other.org/v1 Http - web",
                &some,
                "error: can't access 'other.org/Http/apps/web', the controller allows only these source kinds: \
                 Bucket, example.org/Http",
            ),
        ];
        for (reference, access, expected) in rows {
            check(reference, None, access, expected);
        }
    }
    #[test]
    fn the_field_to_edit_is_named() {
        let reference = CrossNamespaceSourceReference::default();
        let result = resolve(&reference, "spec.chartRef", "apps", None, &Access::default());
        let error = result.expect_err("there is no kind").to_string();
        assert_eq!(error, "spec.chartRef.kind is empty");
    }
}
