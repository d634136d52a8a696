//! Changing what a chart renders to before it is told apart into manifests and hooks.

use std::collections::BTreeMap;
use std::fmt;

use go_yaml::v3::{self, EmitOptions};
use go_yaml::{Limits, Node};

use crate::manifest::sorted::{MAX_VALUES, ManifestError, most_values, sort_manifests, split_manifests};
use go_std::path;

/// Changes a stream of manifests, as Helm's post-renderers do.
pub trait PostRenderer: Send + Sync {
    /// Returns the changed stream, or says why there is none.
    ///
    /// Each document has an annotation that names its template; documents without one count as generated.
    fn run(&self, manifests: &str) -> Result<String, String>;
}

/// Which documents a post-renderer gets (`spec.postRenderStrategy` of a HelmRelease).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PostRenderStrategy {
    /// Manifests and hooks in one stream.
    #[default]
    Combined,
    /// Manifests and hooks one after the other.
    Separate,
    /// Manifests only; hooks keep their text.
    NoHooks,
}

/// Why a post-renderer gave no result; the texts are Helm's.
#[derive(Debug, thiserror::Error)]
pub enum PostRenderError {
    /// A rendered file cannot be handed to it.
    #[error("error merging {group}: {reason}")]
    Merge {
        /// Which documents: `manifests` or `hooks`.
        group: &'static str,
        /// Why.
        reason: String,
    },
    /// It failed.
    #[error("error while running post render on {group}: {reason}")]
    Run {
        /// Which documents: `files`, `manifests` or `hooks`.
        group: &'static str,
        /// Why.
        reason: String,
    },
    /// It returned something that is not YAML.
    #[error("error while parsing post rendered output{}: {reason}", if group.is_empty() { String::new() } else { format!(" for {group}") })]
    Output {
        /// Which documents; empty for all.
        group: &'static str,
        /// Why.
        reason: String,
    },
    /// A document is no Kubernetes object, which shows while manifests and hooks are told apart.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

type Files = BTreeMap<String, Vec<u8>>;

/// Names the template of a document while it is in the hands of a post-renderer.
const FILE_ANNOTATION: &str = "postrenderer.helm.sh/postrender-filename";

/// Most bytes of a document that an error repeats.
const SHOWN: usize = 16 << 10;

/// Annotations that kyaml's reader sets, and its writer removes.
const READER_ANNOTATIONS: [&str; 4] = [
    "config.kubernetes.io/index",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    FILE_ANNOTATION,
];

/// Runs a post-renderer on rendered files.
pub(crate) fn run(
    files: &Files,
    renderer: &dyn PostRenderer,
    strategy: PostRenderStrategy,
) -> Result<Files, PostRenderError> {
    let names = |all: &'static str, some: &'static str| {
        if strategy == PostRenderStrategy::Combined {
            all
        } else {
            some
        }
    };
    let rendered = |files: &Files, group: &'static str| -> Result<Files, PostRenderError> {
        let stream = merge(files).map_err(|reason| PostRenderError::Merge { group, reason })?;
        let stream = renderer.run(&stream).map_err(|reason| PostRenderError::Run {
            group: names("files", group),
            reason,
        })?;
        let group = names("", group);
        split(&stream, group).map_err(|reason| PostRenderError::Output { group, reason })
    };
    if strategy == PostRenderStrategy::Combined {
        return rendered(files, "manifests");
    }
    let sorted = sort_manifests(files)?;
    let (mut hooks, mut manifests) = (Files::new(), Files::new());
    for hook in &sorted.hooks {
        append(&mut hooks, &hook.path, hook.manifest.as_bytes());
    }
    for manifest in &sorted.manifests {
        append(&mut manifests, &manifest.path, manifest.content.as_bytes());
    }
    if strategy == PostRenderStrategy::Separate && !hooks.is_empty() {
        hooks = rendered(&hooks, "hooks")?;
    }
    if !manifests.is_empty() {
        for (name, text) in rendered(&manifests, "manifests")? {
            append(&mut hooks, &name, &text);
        }
    }
    Ok(hooks)
}

fn append(files: &mut Files, name: &str, text: &[u8]) {
    let file = files.entry(name.to_owned()).or_default();
    if !file.is_empty() {
        file.extend_from_slice(b"\n---\n");
    }
    file.extend_from_slice(text);
}

/// Joins files to one stream; every document says where it is from.
fn merge(files: &Files) -> Result<String, String> {
    let mut documents = Vec::new();
    let mut left = MAX_VALUES;
    for (name, content) in files {
        if path::base(name).starts_with('_') {
            continue;
        }
        let content = String::from_utf8_lossy(content);
        left = left.checked_sub(most_values(&content)).ok_or_else(|| {
            format!("parsing {name}: the release holds more than {MAX_VALUES} values, which is too much to post-render")
        })?;
        for document in split_manifests(&content) {
            for mut node in
                read(document).map_err(|error| format!("parsing {name}: MalformedYAMLError: {error}"))?
            {
                annotate(&mut node, name).map_err(|reason| format!("parsing {name}: {reason}"))?;
                documents.push(node);
            }
        }
    }
    print(&documents)
}

/// Reads documents; empty ones are left out, and a list that stands alone is taken apart.
fn read(stream: &str) -> Result<Vec<Node>, go_yaml::Error> {
    let mut nodes = v3::parse(stream.as_bytes(), &Limits::default())?;
    nodes.retain(|node| !node.is_null());
    let is_list = |node: &Node| {
        let kind = node.get("kind").and_then(Node::as_str);
        matches!(kind, Some("List" | "ResourceList")) && node.has("items")
    };
    if let [list] = &mut *nodes
        && is_list(list)
    {
        let items = list.remove("items").map(Node::into_items);
        return Ok(items.unwrap_or_default());
    }
    Ok(nodes)
}

/// What is said of a document, or of a part of it, that is no mapping; one that is long is not shown whole.
fn no_mapping(node: &Node) -> String {
    let kind = if node.is_sequence() {
        "SequenceNode"
    } else {
        "ScalarNode"
    };
    let mut text = print(std::slice::from_ref(node)).unwrap_or_default();
    text.truncate(text.floor_char_boundary(SHOWN));
    format!("wrong node kind: expected MappingNode but got {kind}: node contents:\n{text}")
}

fn annotate(node: &mut Node, file: &str) -> Result<(), String> {
    let mut map = node;
    for key in ["metadata", "annotations"] {
        if !map.is_mapping() {
            return Err(no_mapping(map));
        }
        if map.get(key).is_some_and(Node::is_null) {
            map.remove(key);
        }
        let Some(next) = map.get_or_insert_with(key, Node::mapping) else {
            return Err("the document is not an object with metadata".to_owned());
        };
        map = next;
    }
    if !map.is_mapping() {
        return Err(no_mapping(map));
    }
    map.set(FILE_ANNOTATION, Node::string(file));
    Ok(())
}

/// Gives every document of a stream back to the file that it is from.
fn split(stream: &str, group: &str) -> Result<Files, String> {
    let mut by_file: BTreeMap<String, Vec<Node>> = BTreeMap::new();
    if most_values(stream) > MAX_VALUES {
        return Err(format!("the output holds more than {MAX_VALUES} values"));
    }
    let nodes = read(stream).map_err(|error| format!("error parsing YAML: MalformedYAMLError: {error}"))?;
    for (at, mut node) in nodes.into_iter().enumerate() {
        let file = node
            .get_path(&["metadata", "annotations", FILE_ANNOTATION])
            .and_then(Node::as_str)
            .filter(|file| !file.is_empty())
            .map_or_else(|| generated(group, at), str::to_owned);
        remove_annotations(&mut node);
        by_file.entry(file).or_default().push(node);
    }
    by_file
        .into_iter()
        .map(|(file, nodes)| Ok((file, print(&nodes)?.into_bytes())))
        .collect()
}

/// The name of a document that the post-renderer added.
fn generated(group: &str, at: usize) -> String {
    if group.is_empty() {
        format!("generated-by-postrender-{at}.yaml")
    } else {
        format!("generated-by-postrender-{group}-{at}.yaml")
    }
}

fn remove_annotations(node: &mut Node) {
    let Some(metadata) = node.get_mut("metadata") else {
        return;
    };
    let Some(annotations) = metadata.get_mut("annotations") else {
        return;
    };
    for key in READER_ANNOTATIONS {
        annotations.remove(key);
    }
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

fn print(nodes: &[Node]) -> Result<String, String> {
    let options = EmitOptions {
        compact_sequences: true,
        ..EmitOptions::default()
    };
    v3::to_string_all(nodes, &options).map_err(|error| error.to_string())
}

impl fmt::Debug for dyn PostRenderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostRenderer")
    }
}
