//! `--show-only`: the documents of some templates.

use go_std::pattern;

use super::HelmTemplateError;

/// Picks the documents whose template matches one of the patterns, in the order of the patterns.
pub(super) fn select<'s>(stream: &'s str, patterns: &[String]) -> Result<Vec<&'s str>, HelmTemplateError> {
    let documents: Vec<(&str, &str)> = helm::split_manifests(stream)
        .filter_map(|document| Some((template_path(document)?, document)))
        .collect();
    let mut selected = Vec::new();
    for pattern in patterns {
        let before = selected.len();
        let matching = documents
            .iter()
            .filter(|(template, _)| pattern::matches(pattern, template).unwrap_or(false));
        selected.extend(matching.map(|(_, document)| *document));
        if selected.len() == before {
            return Err(HelmTemplateError::NoSuchTemplate(pattern.clone()));
        }
    }
    Ok(selected)
}

/// The path of a document's template below its chart's root, from the first comment that names one.
fn template_path(document: &str) -> Option<&str> {
    const SOURCE: &str = "# Source: ";
    document.match_indices(SOURCE).find_map(|(at, _)| {
        let line = document.get(at + SOURCE.len()..)?.lines().next()?;
        let (chart, template) = line.split_once('/')?;
        (!chart.is_empty() && !template.is_empty()).then_some(template)
    })
}
