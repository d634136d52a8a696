//! Fields that a built-in kind does not have.
//!
//! Stock reads built-in kinds into Go types and so drops what they do not know, misspelt fields included; the API
//! server refuses such a field when it is applied. An object that stock has been applying must not turn red when it
//! moves over, so what the server does not know is dropped here too, but not without a word.

use serde_json::Value;

/// The groups whose kinds client-go knows as types.
const NATIVE_GROUPS: [&str; 22] = [
    "",
    "admissionregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// What the API server says of such a field, after its path.
const UNDECLARED: &str = ": field not declared in schema";

/// Removes the fields of `object` that the API server's `refusal` names; gives their paths.
///
/// Kinds of other groups keep theirs: stock does not know them as types either.
pub(crate) fn remove<'m>(object: &mut Value, group: &str, refusal: &'m str) -> Vec<&'m str> {
    if !NATIVE_GROUPS.contains(&group) {
        return Vec::new();
    }
    let lines = refusal
        .lines()
        .filter_map(|line| line.trim_end().strip_suffix(UNDECLARED));
    // The first path may follow the rest of the sentence.
    let paths = lines.map(|line| line.find(": .").map_or(line, |at| &line[at + 2..]).trim_start());
    paths.filter(|path| remove_at(object, path)).collect()
}

/// Removes the field at a path such as `.spec.containers[name="web"].foo`; false where it leads nowhere.
fn remove_at(value: &mut Value, path: &str) -> bool {
    if path.starts_with('[') {
        let Some(list) = value.as_array_mut() else {
            return false;
        };
        // Which element is meant depends on the keys of the list; the one that has the field is the right one.
        let Some(end) = element_end(path) else {
            return false;
        };
        let (selector, rest) = path.split_at(end);
        return list
            .iter_mut()
            .enumerate()
            .any(|(at, element)| selects(selector, at, element) && remove_at(element, rest));
    }
    let (Some(field), Some(fields)) = (path.strip_prefix('.'), value.as_object_mut()) else {
        return false;
    };
    if fields.remove(field).is_some() {
        return true;
    }
    // Names are not quoted and may hold dots themselves, so that what is there decides where one ends.
    fields.iter_mut().any(|(name, below)| {
        field
            .strip_prefix(name.as_str())
            .is_some_and(|rest| rest.starts_with(['.', '[']) && remove_at(below, rest))
    })
}

/// The length of `[...]`, brackets within quotes left out.
fn element_end(path: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in path.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ']' if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Whether `[0]` or `[name="web",...]` may mean an element: its index, or its value of the first key.
fn selects(selector: &str, at: usize, element: &Value) -> bool {
    let inside = selector.trim_start_matches('[').trim_end_matches(']');
    match inside.split_once('=') {
        None => inside == at.to_string(),
        Some((key, values)) => {
            let Some(value) = element
                .get(key)
                .and_then(|value| serde_json::to_string(value).ok())
            else {
                return false;
            };
            values == value || values.starts_with(&(value + ","))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_that_a_refusal_names_are_removed() {
        let mut object = json!({
            "metadata": {"annotations": {"a.b/c": "x"}, "anotations": {}},
            "spec": {"replica": 1, "template": {"spec": {"containers": [
                {"name": "a", "imagePullPolic": "Always", "ports": [{"containerPort": 80, "nam": "x"}]},
                {"name": "web", "image": "x", "imagePullPolic": "Always"}
            ]}}},
        });
        let refusal = "failed to create typed patch object (apps/web; apps/v1, Kind=Deployment): errors:\n  \
            .metadata.anotations: field not declared in schema\n  .spec.replica: field not declared in schema\n  \
            .spec.template.spec.containers[name=\"web\"].imagePullPolic: field not declared in schema\n  \
            .spec.template.spec.containers[name=\"a\"].ports[containerPort=80,protocol=\"TCP\"].nam: field not declared in schema\n  \
            .spec.gone: field not declared in schema";
        assert_eq!(remove(&mut object, "apps", refusal).len(), 4);
        assert_eq!(
            object,
            json!({
                "metadata": {"annotations": {"a.b/c": "x"}},
                "spec": {"template": {"spec": {"containers": [
                    {"name": "a", "imagePullPolic": "Always", "ports": [{"containerPort": 80}]},
                    {"name": "web", "image": "x"}
                ]}}},
            })
        );
    }

    #[test]
    fn a_single_refusal_is_one_sentence() {
        let refusal = "failed to create typed patch object (a/b; /v1, Kind=ConfigMap): .dat: field not declared in schema";
        let mut object = json!({"dat": {}, "data": {}});
        assert_eq!(remove(&mut object, "", refusal), [".dat"]);
        assert_eq!(object, json!({"data": {}}));
    }

    #[test]
    fn custom_kinds_and_other_refusals_change_nothing() {
        let mut object = json!({"spec": {"a": 1}});
        assert!(
            remove(
                &mut object,
                "example.org",
                ".spec.a: field not declared in schema"
            )
            .is_empty()
        );
        assert!(remove(&mut object, "apps", ".spec.a: Invalid value: 1").is_empty());
        assert_eq!(object, json!({"spec": {"a": 1}}));
    }
}
