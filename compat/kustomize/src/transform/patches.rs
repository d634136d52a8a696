//! Patches: strategic merge patches and JSON patches, with and without a target.

use go_yaml::{Node, v3};

use super::Transformer;
use crate::Error;
use crate::budget::Budget;
use crate::edit::wrong_kind;
use crate::error::Context;
use crate::load::kustomization::{Patch, PatchOptions, Selector};
use crate::load::loader::Session;
use crate::object::resmap::ResMap;
use crate::object::resource::{History, Resource};
use crate::openapi::SchemaRef;
use crate::patch::json_patch::JsonPatch;
use crate::patch::strategic_merge::{Fate, merge};
use crate::select::selection::Selection;
use go_std::quote;

/// Reads a file that a patch names.
pub(crate) type ReadFile<'a> = dyn Fn(&str) -> Result<Vec<u8>, Error> + 'a;

/// One entry of `patches`.
pub(crate) struct PatchTransformer {
    /// Where the patch came from, as errors say it.
    source: String,
    target: Option<Selector>,
    kind: Kind,
}

enum Kind {
    Merge(StrategicMerge),
    Json(JsonPatch),
}

/// Patches with what they are allowed to change.
struct StrategicMerge {
    patches: Vec<Resource>,
    options: PatchOptions,
    schema: SchemaRef,
}

impl PatchTransformer {
    /// Reads a patch and finds out which sort it is; `config` is the entry as YAML, for errors.
    pub(crate) fn new(
        patch: &Patch,
        read: &ReadFile<'_>,
        config: impl FnOnce() -> String,
        session: &Session<'_>,
    ) -> Result<Self, Error> {
        let inline = patch.text.trim();
        let (text, source) = match (inline.is_empty(), patch.path.is_empty()) {
            (true, true) => {
                return Err(Error::invalid(format!(
                    "must specify one of patch and path in\n{}",
                    config()
                )));
            }
            (false, false) => {
                return Err(Error::invalid(format!(
                    "patch and path can't be set at the same time\n{}",
                    config()
                )));
            }
            (false, true) => (inline.as_bytes().to_vec(), format!("[patch: {}]", quote(inline))),
            (true, false) => {
                let path = &patch.path;
                let text =
                    read(path).with_context(|| format!("failed to get the patch file from path({path})"))?;
                (text, format!("[path: {}]", quote(path)))
            }
        };
        let options = patch.options.clone().unwrap_or_default();
        let kind = Kind::recognise(&text, options, session).map_err(|error| {
            if error.is_final() {
                error.context(&source)
            } else {
                Error::invalid(format!("unable to parse SM or JSON patch from {source}"))
            }
        })?;
        Ok(Self {
            source,
            target: patch.target.clone(),
            kind,
        })
    }
}

impl Kind {
    /// A text is tried as a strategic merge patch first, but a list of operations is one at first sight.
    fn recognise(text: &[u8], options: PatchOptions, session: &Session<'_>) -> Result<Self, Error> {
        // Several entries may have the text of one anchor.
        session.budget.make(text.len())?;
        if text.starts_with(b"- ") {
            match JsonPatch::parse(text, &session.budget) {
                Err(error) if !error.is_final() => {}
                parsed => return parsed.map(Self::Json),
            }
        }
        match session.reader.resources(text) {
            Ok(mut patches) => {
                if options.allow_name_change || options.allow_kind_change {
                    // Upstream marks the patch with an annotation, which rewrites those it has as strings.
                    for patch in &mut patches {
                        let annotations = patch.annotations();
                        patch.set_annotations(annotations)?;
                    }
                }
                Ok(Self::Merge(StrategicMerge {
                    patches,
                    options,
                    schema: session.schema(),
                }))
            }
            Err(error) if error.is_final() => Err(error),
            Err(_) => JsonPatch::parse(text, &session.budget).map(Self::Json),
        }
    }
}

impl Transformer for PatchTransformer {
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        match (&self.kind, &self.target) {
            (Kind::Merge(merge), None) => merge.apply_by_id(objects, budget),
            (Kind::Merge(merge), Some(target)) => {
                let [patch] = merge.patches.as_slice() else {
                    return merge.refuse_several(&self.source);
                };
                let selected =
                    Selection::new(target, budget).and_then(|selection| selection.select(objects, budget));
                let selected = selected.with_context(|| {
                    format!(
                        "unable to find patch target {} in `resources`",
                        quote(&target.to_string())
                    )
                })?;
                merge.apply_to(patch, objects, &selected, budget)?;
                budget.step(objects.resources.len())?;
                objects.check_distinct(|_| true)
            }
            (Kind::Json(patch), None) if patch.is_empty() => Ok(()),
            (Kind::Json(_), None) => Err(Error::invalid(format!(
                "must specify a target for JSON patch {}",
                self.source
            ))),
            (Kind::Json(patch), Some(target)) => {
                for index in Selection::new(target, budget)?.select(objects, budget)? {
                    let Some(object) = objects.resources.get_mut(index) else {
                        continue;
                    };
                    object.store_previous_id(budget)?;
                    apply_json(patch, object, Unnamed::Lost, budget)?;
                }
                Ok(())
            }
        }
    }
}

impl StrategicMerge {
    fn refuse_several(&self, source: &str) -> Result<(), Error> {
        if self.patches.is_empty() {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {source}"
        )))
    }

    /// Each patch goes to the object that has, or had, its id.
    fn apply_by_id(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        for patch in &self.patches {
            let id = patch.original_id();
            let index = objects
                .unique_by_any_id(&id, budget)
                .with_context(|| format!("no resource matches strategic merge patch {:?}", id.to_string()))?;
            if let Some(object) = objects.resources.get_mut(index) {
                self.apply(budget.copy(&patch.node)?, object, budget)?;
            }
        }
        Ok(())
    }

    /// A patch goes to selected objects, whatever type, name and namespace it has itself.
    fn apply_to(
        &self,
        patch: &Resource,
        objects: &mut ResMap,
        selected: &[usize],
        budget: &Budget,
    ) -> Result<(), Error> {
        let mut patch = patch.clone();
        // Upstream copies labels and annotations as strings: a null no longer removes anything.
        let (labels, annotations) = (patch.labels(), patch.annotations());
        patch.set_labels(labels)?;
        patch.set_annotations(annotations)?;
        let size = patch.node.size();
        for index in selected {
            let Some(object) = objects.resources.get_mut(*index) else {
                continue;
            };
            budget.make(size.bytes)?;
            let mut patch = patch.clone();
            patch.set_api_version(object.api_version())?;
            self.apply(patch.node, object, budget)?;
        }
        objects.drop_empties();
        Ok(())
    }

    fn apply(&self, patch: Node, object: &mut Resource, budget: &Budget) -> Result<(), Error> {
        let PatchOptions {
            allow_name_change,
            allow_kind_change,
        } = self.options;
        let (name, namespace, kind) = (
            object.name().to_owned(),
            object.namespace().to_owned(),
            object.kind().to_owned(),
        );
        if allow_name_change || allow_kind_change {
            object.store_previous_id(budget)?;
        }
        let merged = merge(&mut object.node, patch, &self.schema, budget);
        if merged.limit_at(|| format!("object {}", object.id()))? == Fate::Remove {
            object.node = Node::null();
            return Ok(());
        }
        object.follow_shared_after_merge();
        if !allow_kind_change {
            object.set_kind(&kind)?;
        }
        if !allow_name_change {
            object.set_name(&name)?;
        }
        object.set_namespace(&namespace)
    }
}

/// What becomes of annotations that a patch leaves as a list, where the name of one is no text: upstream cannot write
/// them, but `patches` drops that error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unnamed {
    Lost,
    Refused,
}

fn apply_json(
    patch: &JsonPatch,
    object: &mut Resource,
    unnamed: Unnamed,
    budget: &Budget,
) -> Result<(), Error> {
    // Into JSON and back.
    budget.walk(&object.node)?;
    budget.walk(&object.node)?;
    let invalid = |e: go_yaml::Error| Error::invalid(e.to_string());
    budget.as_json(&object.node)?;
    let mut document = v3::to_json(&object.node).map_err(invalid)?;
    if object.history.is_recorded()
        && let Some(metadata) = document
            .pointer_mut("/metadata")
            .and_then(serde_json::Value::as_object_mut)
    {
        // Where upstream keeps the history, so that a patch may add to it.
        metadata
            .entry("annotations")
            .or_insert_with(|| serde_json::json!({}));
    }
    patch
        .apply(&mut document, budget)
        .limit_at(|| format!("object {}", object.id()))?;
    if !document.is_object() {
        return Err(Error::invalid(
            "json: cannot unmarshal array into Go value of type map[string]interface {}",
        ));
    }
    object.node = v3::from_json(&document);
    object.shared.clear();
    let list = object
        .node
        .get_path(&["metadata", "annotations"])
        .map_or(&[][..], Node::items);
    if list.is_empty() {
        return object.set_annotations(object.annotations());
    }
    let annotations = annotations_of_list(list)?;
    if annotations.iter().any(|(key, _)| key.is_empty()) {
        if unnamed == Unnamed::Refused {
            return Err(wrong_kind(&Node::mapping(), go_yaml::Kind::Scalar));
        }
        // All annotations are gone, and upstream's bookkeeping with them.
        object.history = History::default();
        return object.set_annotations(Vec::new());
    }
    object.set_annotations(annotations)
}

/// Upstream reads a list as it reads a mapping: keys and values take turns.
fn annotations_of_list(items: &[Node]) -> Result<Vec<(String, String)>, Error> {
    let pairs = items.chunks(2).map(|pair| match pair {
        [key, value] => Ok((key.text().to_owned(), value.text().to_owned())),
        _ => Err(Error::invalid(
            "the annotations that a JSON patch leaves are a list",
        )),
    });
    pairs.collect()
}

/// The field `patchesStrategicMerge`: each entry is the text of patches, or the path of a file with them.
pub(crate) struct StrategicMergeTransformer {
    merge: StrategicMerge,
}

impl StrategicMergeTransformer {
    /// Reads all patches: `entries`, and then the documents of `text`.
    pub(crate) fn new(
        entries: &[String],
        text: &str,
        read: &ReadFile<'_>,
        session: &Session<'_>,
    ) -> Result<Self, Error> {
        let reader = &session.reader;
        if entries.is_empty() && text.is_empty() {
            return Err(Error::invalid("empty file path and empty patch content"));
        }
        let mut patches = Vec::new();
        for entry in entries {
            patches.extend(reader.resources(entry.as_bytes()).or_else(|error| {
                if error.is_final() {
                    return Err(error);
                }
                let resources = reader.resources(&read(entry)?);
                resources.map_err(|error| error.in_file(entry))
            })?);
        }
        if !text.is_empty() {
            patches.extend(reader.resources(text.as_bytes())?);
        }
        if patches.is_empty() {
            let files = entries.join(" ");
            return Err(Error::invalid(format!(
                "patch appears to be empty; files=[{files}], Patch={text}"
            )));
        }
        Ok(Self {
            merge: StrategicMerge {
                patches,
                options: PatchOptions::default(),
                schema: session.schema(),
            },
        })
    }
}

impl Transformer for StrategicMergeTransformer {
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        for (number, patch) in self.merge.patches.iter().enumerate() {
            let index = objects.unique_by_any_id(&patch.original_id(), budget)?;
            self.merge.apply_to(patch, objects, &[index], budget)?;
            // These patches change no ids: what is distinct after the first one stays so.
            if number == 0 {
                objects.check_distinct(|_| true)?;
            }
        }
        Ok(())
    }
}

/// One entry of `patchesJson6902`.
pub(crate) struct Json6902Transformer {
    target: Selector,
    patch: JsonPatch,
}

impl Json6902Transformer {
    /// Reads the operations, given as text or in the file at `path`.
    pub(crate) fn new(
        target: Option<&Selector>,
        path: &str,
        text: &str,
        read: &ReadFile<'_>,
        session: &Session<'_>,
    ) -> Result<Self, Error> {
        let target = target.ok_or_else(|| Error::invalid("must specify a target for the JSON patch"))?;
        if target.name.is_empty() {
            return Err(Error::invalid("must specify the target name"));
        }
        let text = match (path.is_empty(), text.is_empty()) {
            (true, true) => return Err(Error::invalid("empty file path and empty jsonOp")),
            (false, false) => return Err(Error::invalid("must specify a file path or jsonOp, not both")),
            (true, false) => text.as_bytes().to_vec(),
            (false, true) => {
                let content = read(path)?;
                if content.is_empty() {
                    return Err(Error::invalid(format!(
                        "patch file '{path}' empty seems to be empty"
                    )));
                }
                content
            }
        };
        let patch = JsonPatch::parse(&text, &session.budget)
            .with_context(|| format!("decoding {}", String::from_utf8_lossy(&text)))?;
        if patch.is_empty() {
            let text = String::from_utf8_lossy(&text);
            return Err(Error::invalid(format!(
                "patch appears to be empty; file={path}, JsonOp={text}"
            )));
        }
        Ok(Self {
            target: target.clone(),
            patch,
        })
    }
}

impl Transformer for Json6902Transformer {
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        for index in Selection::new(&self.target, budget)?.select(objects, budget)? {
            if let Some(object) = objects.resources.get_mut(index) {
                apply_json(&self.patch, object, Unnamed::Refused, budget)?;
            }
        }
        Ok(())
    }
}
