//! A patch, put at the head of the `patches` of a kustomization file or of a Kustomization's spec.

use go_yaml::{Limits, Node, Style};

use super::insert::{Edit, Lines, Refusal, refuse_shared};

/// Puts a patch into one document of a file: into the `patches` of the mapping at `path`, behind its key, or behind the last line of
/// the document if there are none.
///
/// `patch` are the lines of a strategic merge patch.
pub fn add_patch(text: &[u8], document: usize, path: &[&str], patch: &[String]) -> Result<Edit, Refusal> {
    let first = "patch: |".to_owned();
    let rest = patch.iter().map(|line| format!("  {line}"));
    let item: Vec<_> = std::iter::once(first).chain(rest).collect();
    add_items(text, document, path, &[item])
}

/// Puts items of `patches`, each of some lines, into one document of a file, as [`add_patch`] does; of `path` the end may be missing.
pub(super) fn add_items(
    text: &[u8],
    document: usize,
    path: &[&str],
    items: &[Vec<String>],
) -> Result<Edit, Refusal> {
    const WHERE: &str = "the mapping that patches go into";
    let source = std::str::from_utf8(text).map_err(|_| Refusal::NotText)?;
    let parse = |text: &[u8]| {
        go_yaml::v3::parse(text, &Limits::default()).map_err(|error| Refusal::Unreadable(error.to_string()))
    };
    let documents = parse(text)?;
    let node = documents.get(document).ok_or(Refusal::NoDocument(document))?;
    if node.has("sops") {
        return Err(Refusal::Encrypted);
    }
    let lines = Lines::of(source)?;
    let (mut mapping_key, mut mapping, mut missing) = (None, node, path);
    while let [name, rest @ ..] = missing {
        let mut entries = mapping.entries().iter();
        let Some((key, value)) = entries.find(|(key, _)| key.text() == *name) else {
            break;
        };
        refuse_shared(mapping, WHERE)?;
        (mapping_key, mapping, missing) = (Some(key), value, rest);
    }
    if missing.len() == path.len() && !path.is_empty() {
        return Err(Refusal::Form("the object"));
    }
    if !mapping.is_mapping() || mapping.style().contains(Style::FLOW) {
        return Err(Refusal::Form(WHERE));
    }
    refuse_shared(mapping, WHERE)?;
    let mut indent = indent_of(mapping, &lines)?;
    let entries = mapping.entries().iter();
    let list = entries
        .clone()
        .find(|(key, _)| missing.is_empty() && key.text() == "patches");
    let change = if let Some((key, list)) = list {
        refuse_shared(list, "patches")?;
        let is_block = list.is_sequence() && !list.style().contains(Style::FLOW) && !list.is_empty();
        if !is_block || !list.anchor().is_empty() {
            return Err(Refusal::Form("patches"));
        }
        // The dash of the first item stands before it.
        let first = list.items().first().ok_or(Refusal::Form("patches"))?;
        let before = lines.before(first)?;
        let is_blank = |at: &usize| before[..*at].bytes().all(|byte| byte == b' ');
        let dash = before
            .find('-')
            .filter(is_blank)
            .ok_or(Refusal::Form("patches"))?;
        lines.insert_behind(key.line(), &written(&" ".repeat(dash), items))
    } else {
        let mut new = Vec::new();
        for name in missing {
            new.push(format!("{indent}{name}:"));
            indent.push_str("  ");
        }
        new.push(format!("{indent}patches:"));
        new.extend(written(&indent, items));
        match mapping_key {
            // At the head of the mapping, where its key ends.
            Some(key) => lines.insert_behind(key.line(), &new),
            None => lines.append(&new, documents.len())?,
        }
    };
    let (edited, line) = change.apply(text);
    // What it means is judged by the builds; here that it is still read.
    if parse(&edited)?.len() != documents.len() {
        return Err(Refusal::Check);
    }
    Ok(Edit {
        text: edited,
        line,
        former: None,
    })
}

fn indent_of(mapping: &Node, lines: &Lines<'_>) -> Result<String, Refusal> {
    let (first, _) = mapping
        .entries()
        .first()
        .ok_or(Refusal::Form("the mapping that patches go into"))?;
    let indent = lines.before(first)?;
    if !indent.bytes().all(|byte| byte == b' ') {
        return Err(Refusal::Form("the mapping that patches go into"));
    }
    Ok(indent.to_owned())
}

/// The lines of items, with this indentation.
fn written(indent: &str, items: &[Vec<String>]) -> Vec<String> {
    let lines = items.iter().flat_map(|item| item.iter().enumerate());
    let lines = lines.map(|(at, line)| match at {
        0 => format!("{indent}- {line}"),
        _ => format!("{indent}  {line}"),
    });
    lines.collect()
}
