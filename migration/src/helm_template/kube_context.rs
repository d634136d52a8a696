//! The namespace that the user's kubeconfig names.

use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value as Json;

/// The namespace of a context of the kubeconfig, by default of the current one; nothing if there is none.
///
/// The files are those of `--kubeconfig`, else of `$KUBECONFIG`, else `~/.kube/config`; what the first of them says
/// counts. A file that cannot be read counts as empty, as in Helm.
pub(super) fn namespace(kubeconfig: Option<&str>, context: Option<&str>) -> Option<String> {
    let files: Vec<Json> = paths(kubeconfig).iter().filter_map(|path| read(path)).collect();
    let current = || {
        files
            .iter()
            .filter_map(|file| file.get("current-context")?.as_str())
            .find(|name| !name.is_empty())
    };
    let wanted = context.or_else(current)?;
    files
        .iter()
        .filter_map(|file| file.get("contexts")?.as_array())
        .flatten()
        .find(|context| context.get("name").and_then(Json::as_str) == Some(wanted))?
        .pointer("/context/namespace")?
        .as_str()
        .filter(|namespace| !namespace.is_empty())
        .map(str::to_owned)
}

fn paths(kubeconfig: Option<&str>) -> Vec<PathBuf> {
    if let Some(path) = kubeconfig.filter(|path| !path.is_empty()) {
        return vec![path.into()];
    }
    match env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => env::split_paths(&list).collect(),
        None => env::home_dir()
            .map(|home| home.join(".kube/config"))
            .into_iter()
            .collect(),
    }
}

fn read(path: &Path) -> Option<Json> {
    let text = fs::read(path).ok()?;
    go_yaml::sigs::to_value(&text, &go_yaml::Limits::default()).ok()
}
