//! Which objects have to be in the cluster before others can be applied.

use serde_json::Value;

use super::order::sort_for_apply;
use crate::object::{GroupKind, ObjectId, group_kind, id_of};

/// The kinds of `--custom-apply-stage-kinds`: applied after definitions and classes, before everything else.
#[derive(Clone, Debug, Default)]
pub struct CustomStage(pub Vec<GroupKind>);

/// Objects that are applied together.
#[derive(Debug, Default)]
pub struct Stage {
    /// The objects in the order of application.
    pub objects: Vec<Value>,
    /// Whether the next stage has to wait until these objects are ready.
    pub wait: bool,
}

/// Splits objects into stages: definitions, classes, the custom kinds, the rest. Empty stages are left out.
pub fn split_stages(objects: Vec<Value>, custom: &CustomStage) -> Vec<Stage> {
    let mut definitions = Stage {
        wait: true,
        ..Stage::default()
    };
    let mut classes = Stage {
        wait: true,
        ..Stage::default()
    };
    let (mut chosen, mut rest) = (Stage::default(), Stage::default());
    for object in objects {
        let id = id_of(&object);
        let stage = if is_definition(&id) {
            &mut definitions
        } else if id.kind.ends_with("Class") {
            &mut classes
        } else if custom.0.contains(&group_kind(&id)) {
            &mut chosen
        } else {
            &mut rest
        };
        stage.objects.push(object);
    }
    let mut stages = vec![definitions, classes, chosen, rest];
    stages.retain(|stage| !stage.objects.is_empty());
    for stage in &mut stages {
        sort_for_apply(&mut stage.objects, |object| object);
    }
    stages
}

/// Kinds that others need to exist: CRDs, namespaces and cluster roles.
fn is_definition(id: &ObjectId) -> bool {
    let kind_is = |kind: &str| id.kind.eq_ignore_ascii_case(kind);
    (id.group.starts_with("apiextensions.k8s.io") && kind_is("CustomResourceDefinition"))
        || (id.group.is_empty() && kind_is("Namespace"))
        || (id.group.starts_with("rbac.authorization.k8s.io") && kind_is("ClusterRole"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn definitions_classes_and_custom_kinds_go_ahead() {
        let object =
            |api: &str, kind: &str| json!({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}});
        let objects = vec![
            object("v1", "ConfigMap"),
            object("rbac.authorization.k8s.io/v1", "Role"),
            object("storage.k8s.io/v1", "StorageClass"),
            object("v1", "Namespace"),
        ];
        let custom = CustomStage(vec![GroupKind {
            group: "rbac.authorization.k8s.io".into(),
            kind: "Role".into(),
        }]);
        let stages = split_stages(objects, &custom);
        let shape: Vec<_> = stages
            .iter()
            .map(|s| (crate::object::kind(&s.objects[0]), s.wait))
            .collect();
        assert_eq!(
            shape,
            [
                ("Namespace", true),
                ("StorageClass", true),
                ("Role", false),
                ("ConfigMap", false)
            ]
        );
    }
}
