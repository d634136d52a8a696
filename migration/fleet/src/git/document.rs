//! The objects that a file defines.

use go_yaml::{Error, Limits, Node};

/// An object in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Which document of the file it is, from zero.
    pub document: usize,
    /// Its API group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace, if the file says one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The line on which it begins.
    pub line: u32,
}

/// Finds the objects that a file defines; nothing that is not an object, whatever it is.
pub fn definitions(text: &[u8]) -> Result<Vec<Definition>, Error> {
    let documents = go_yaml::v3::parse(text, &Limits::default())?;
    Ok(documents
        .iter()
        .enumerate()
        .filter_map(|(document, node)| definition(document, node))
        .collect())
}

fn definition(document: usize, node: &Node) -> Option<Definition> {
    let text = |path: &[&str]| {
        node.get_path(path)
            .filter(|found| found.is_scalar())
            .map(Node::text)
    };
    let version = text(&["apiVersion"])?;
    Some(Definition {
        document,
        group: version.split_once('/').map_or("", |(group, _)| group).to_owned(),
        kind: text(&["kind"])?.to_owned(),
        namespace: text(&["metadata", "namespace"]).map(str::to_owned),
        name: text(&["metadata", "name"])?.to_owned(),
        line: node.line(),
    })
}
