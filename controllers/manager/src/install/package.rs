//! The manifests as a folder for kustomize: the same objects that are printed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{InstallFlags, NAME, objects};

/// Files by name.
pub(super) type Files = BTreeMap<String, String>;

pub(super) fn print(objects: &[Value]) -> anyhow::Result<String> {
    let texts: Result<Vec<_>, _> = objects.iter().map(go_yaml::sigs::value_to_string).collect();
    let texts = texts.map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(texts.join("---\n"))
}

/// A folder for kustomize, which a Flux Kustomization can name as its path.
pub(super) fn folder(flags: &InstallFlags) -> anyhow::Result<Files> {
    let mut files = Files::from([
        ("artifacts.yaml".to_owned(), artifact_crd::CRD_YAML.to_owned()),
        (format!("{NAME}.yaml"), print(&objects(flags))?),
    ]);
    for (plural, crd) in flags.produced_kinds() {
        files.insert(format!("{plural}.yaml"), crd.to_owned());
    }
    let resources: Vec<_> = files.keys().map(|name| format!("- {name}\n")).collect();
    let kustomization = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{}",
        resources.concat()
    );
    files.insert("kustomization.yaml".to_owned(), kustomization);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use kustomize::{MemoryTree, Options};

    use super::super::tests::{flags, sorted};
    use super::*;

    #[test]
    fn the_folder_is_what_install_prints() {
        let flags = flags(&["--artifact-writers=jane"]);
        let mut tree = MemoryTree::new();
        for (name, text) in folder(&flags).unwrap() {
            tree.insert(&format!("install/{name}"), text);
        }
        let built = kustomize::build(&tree, "install", &Options::default()).unwrap();
        let built: Vec<_> = built
            .into_objects()
            .iter()
            .map(|object| object.to_json().unwrap())
            .collect();
        let definition =
            go_yaml::sigs::to_value(artifact_crd::CRD_YAML.as_bytes(), &go_yaml::Limits::default()).unwrap();
        let expected = std::iter::once(definition).chain(objects(&flags)).collect();
        assert_eq!(sorted(built), sorted(expected));
    }
}
