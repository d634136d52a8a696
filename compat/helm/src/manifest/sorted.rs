//! From rendered files to manifests and hooks, in the order in which Helm installs them.

use std::collections::BTreeMap;

use crate::record::{TypeMismatch, decode};
use go_std::{go_record, path};

/// A Kubernetes object of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The file it was rendered from.
    pub path: String,
    /// The YAML text.
    pub content: String,
    /// The `apiVersion`.
    pub api_version: String,
    /// The `kind`.
    pub kind: String,
}

/// A Kubernetes object that Helm creates at a point of a release's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The name of the object.
    pub name: String,
    /// The `kind`.
    pub kind: String,
    /// The file it was rendered from.
    pub path: String,
    /// The YAML text.
    pub manifest: String,
    /// When to run it.
    pub events: Vec<HookEvent>,
    /// Hooks of one event run in the order of their weights, lightest first.
    pub weight: i64,
    /// When to delete the object; as given, Helm knows `before-hook-creation`, `hook-succeeded` and `hook-failed`.
    pub delete_policies: Vec<String>,
    /// When to show the logs of its pods; as given, Helm knows `hook-succeeded` and `hook-failed`.
    pub output_log_policies: Vec<String>,
}

/// A point of a release's life at which hooks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEvent {
    /// Before the objects of a new release are created.
    PreInstall,
    /// After that.
    PostInstall,
    /// Before a release is deleted.
    PreDelete,
    /// After that.
    PostDelete,
    /// Before a release is upgraded.
    PreUpgrade,
    /// After that.
    PostUpgrade,
    /// Before a release is rolled back.
    PreRollback,
    /// After that.
    PostRollback,
    /// When the release is tested.
    Test,
}

impl HookEvent {
    /// The name in the `helm.sh/hook` annotation and in release records.
    pub fn name(self) -> &'static str {
        match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreDelete => "pre-delete",
            Self::PostDelete => "post-delete",
            Self::PreUpgrade => "pre-upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::PreRollback => "pre-rollback",
            Self::PostRollback => "post-rollback",
            Self::Test => "test",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Some(match name.trim().to_lowercase().as_str() {
            "pre-install" => Self::PreInstall,
            "post-install" => Self::PostInstall,
            "pre-delete" => Self::PreDelete,
            "post-delete" => Self::PostDelete,
            "pre-upgrade" => Self::PreUpgrade,
            "post-upgrade" => Self::PostUpgrade,
            "pre-rollback" => Self::PreRollback,
            "post-rollback" => Self::PostRollback,
            // The second name is that of Helm 2.
            "test" | "test-success" => Self::Test,
            _ => return None,
        })
    }
}

/// Most documents of a release: a short one takes many times the memory of its text.
const MAX_DOCUMENTS: usize = 100_000;

/// Most values in a document, or in all of them when a post-renderer gets them: each takes up to some 100 bytes.
pub(crate) const MAX_VALUES: usize = 2_000_000;

/// How many values a text in YAML can hold at most: one for each sign that stands before or behind one.
pub(crate) fn most_values(text: &str) -> usize {
    let mut bytes = text.bytes().peekable();
    let mut count = 1;
    while let Some(byte) = bytes.next() {
        let is_sign = match byte {
            b'\n' | b',' | b':' | b'[' | b'{' => true,
            b'-' | b'?' => bytes.peek().is_none_or(u8::is_ascii_whitespace),
            _ => false,
        };
        count += usize::from(is_sign);
    }
    count
}

/// A rendered document that is not a Kubernetes object.
#[derive(Debug, thiserror::Error)]
#[error("YAML parse error on {path}: {reason}")]
pub struct ManifestError {
    path: String,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("error converting YAML to JSON: {0}")]
    Yaml(go_yaml::Error),
    #[error("{0}")]
    Field(TypeMismatch),
    #[error("the text is not valid UTF-8")]
    Encoding,
    #[error("the release has more than {MAX_DOCUMENTS} documents")]
    TooMany,
    #[error("the document holds more than {MAX_VALUES} values")]
    TooLarge,
}

/// The objects of a release, in Helm's install order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SortedManifests {
    /// The objects to create.
    pub manifests: Vec<Manifest>,
    /// The objects to create at points of the release's life; those of one event run by weight, then name.
    pub hooks: Vec<Hook>,
    /// Documents that Helm drops because their hook annotation names an event it does not know: path and annotation.
    pub dropped: Vec<(String, String)>,
}

/// Splits rendered files into documents, tells hooks from manifests, and sorts both by kind.
///
/// Files whose name starts with `_` and blank ones are left out.
pub fn sort_manifests(files: &BTreeMap<String, Vec<u8>>) -> Result<SortedManifests, ManifestError> {
    let mut sorted = SortedManifests::default();
    let mut documents = 0;
    for (path, content) in files {
        if path::base(path).starts_with('_') {
            continue;
        }
        let error = |reason| ManifestError {
            path: path.clone(),
            reason,
        };
        let content = std::str::from_utf8(content).map_err(|_| {
            // The YAML reader tells what exactly is wrong.
            let read = go_yaml::sigs::to_value(content, &go_yaml::Limits::default());
            error(read.map_or_else(Reason::Yaml, |_| Reason::Encoding))
        })?;
        for document in split_manifests(content) {
            documents += 1;
            if documents > MAX_DOCUMENTS {
                return Err(error(Reason::TooMany));
            }
            let head = Head::read(document).map_err(error)?;
            sorted.add(path, document, head);
        }
    }
    sorted
        .manifests
        .sort_by_cached_key(|manifest| install_rank(&manifest.kind));
    sorted.hooks.sort_by_cached_key(|hook| install_rank(&hook.kind));
    Ok(sorted)
}

/// Splits a stream at each line that starts with `---`; blank documents are left out.
///
/// What follows the dashes on their line belongs to the next document: charts rely on `---apiVersion: v1`.
pub fn split_manifests(stream: &str) -> impl Iterator<Item = &str> {
    let stream = stream.trim_start();
    let at_line_start = move |at: &usize| *at == 0 || stream.as_bytes().get(at - 1) == Some(&b'\n');
    let mut separators = memchr::memmem::find_iter(stream.as_bytes(), b"---").filter(at_line_start);
    let mut next = Some(0);
    let documents = std::iter::from_fn(move || {
        let start = next?;
        let end = separators.next();
        next = end.map(|at| at + 3);
        let text = stream.get(start..end.unwrap_or(stream.len())).unwrap_or_default();
        Some(text.trim_start())
    });
    documents.filter(|document| !document.is_empty())
}

/// What Helm reads of a document.
#[derive(Default)]
struct Head {
    api_version: String,
    kind: String,
    metadata: HeadMetadata,
}

go_record!(Head = "util.SimpleHead" {
    api_version = "apiVersion",
    kind = "kind",
    metadata = "metadata",
});

#[derive(Default)]
struct HeadMetadata {
    name: String,
    annotations: BTreeMap<String, String>,
}

go_record!(
    HeadMetadata = r#"struct { Name string "json:\"name\""; Annotations map[string]string "json:\"annotations\"" }"# {
        name = "name",
        annotations = "annotations",
    }
);

impl Head {
    fn read(document: &str) -> Result<Self, Reason> {
        if document.len() > MAX_VALUES && most_values(document) > MAX_VALUES {
            return Err(Reason::TooLarge);
        }
        // Go tells the keys of structs apart regardless of case, also of the letters that fold to ASCII ones.
        let wanted = |key: &str| {
            let fields = ["apiVersion", "kind", "metadata"];
            !key.is_ascii() || fields.iter().any(|field| field.eq_ignore_ascii_case(key))
        };
        let json = go_yaml::sigs::to_value_of(document.as_bytes(), wanted, &go_yaml::Limits::default())
            .map_err(Reason::Yaml)?;
        decode(&json).map_err(Reason::Field)
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata.annotations.get(name).map(String::as_str)
    }

    fn list(&self, annotation: &str) -> Vec<String> {
        let values = self.annotation(annotation).map(|value| value.split(','));
        values
            .into_iter()
            .flatten()
            .map(|value| value.trim().to_lowercase())
            .collect()
    }
}

impl SortedManifests {
    fn add(&mut self, path: &str, document: &str, head: Head) {
        let Some(hook) = head.annotation("helm.sh/hook") else {
            self.manifests.push(Manifest {
                path: path.to_owned(),
                content: document.to_owned(),
                api_version: head.api_version,
                kind: head.kind,
            });
            return;
        };
        let Some(events) = hook.split(',').map(HookEvent::parse).collect::<Option<Vec<_>>>() else {
            self.dropped.push((path.to_owned(), hook.to_owned()));
            return;
        };
        let weight = head
            .annotation("helm.sh/hook-weight")
            .and_then(|weight| go_std::atoi(weight).ok());
        self.hooks.push(Hook {
            path: path.to_owned(),
            manifest: document.to_owned(),
            events,
            weight: weight.unwrap_or_default(),
            delete_policies: head.list("helm.sh/hook-delete-policy"),
            output_log_policies: head.list("helm.sh/hook-output-log-policy"),
            name: head.metadata.name,
            kind: head.kind,
        });
    }
}

/// Where a kind stands in Helm's install order: the known ones in theirs, the others after them by name.
fn install_rank(kind: &str) -> (usize, String) {
    match INSTALL_ORDER.iter().position(|known| *known == kind) {
        Some(rank) => (rank, String::new()),
        None => (INSTALL_ORDER.len(), kind.to_owned()),
    }
}

/// The kinds in the order in which Helm creates them.
pub const INSTALL_ORDER: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_split_at_dashes_only_at_the_start_of_a_line() {
        let check = |stream: &str, want: &[&str]| {
            assert_eq!(split_manifests(stream).collect::<Vec<_>>(), want, "{stream:?}");
        };
        check("", &[]);
        check("---\n", &[]);
        check("a: 1\n---\nb: 2\n", &["a: 1\n", "b: 2\n"]);
        check("\n\n---apiVersion: v1\n", &["apiVersion: v1\n"]);
        check("--- # comment\na: 1", &["# comment\na: 1"]);
        check("a: |\n  ---\n  b\n", &["a: |\n  ---\n  b\n"]);
        check("a: 1\n  \n---\n\n---\nb: 1", &["a: 1\n  \n", "b: 1"]);
        check("------\na", &["---\na"]);
    }

    #[test]
    fn documents_are_counted_over_all_files() {
        let half = "a: 1\n---\n".repeat(MAX_DOCUMENTS / 2).into_bytes();
        let mut files = BTreeMap::from([("a".to_owned(), half.clone()), ("b".to_owned(), half)]);
        assert!(sort_manifests(&files).is_ok());
        files.insert("c".to_owned(), b"a: 1".to_vec());
        let error = sort_manifests(&files).expect_err("too many");
        assert!(
            error
                .to_string()
                .ends_with("the release has more than 100000 documents")
        );
    }
}
