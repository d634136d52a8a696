//! The schema that kustomize embeds, read from the compact table next to this file.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::api_version::split_api_version;
use super::schema::{List, Map, Name, Schema, Shape};

/// Written by `cargo xtask generate openapi` from kyaml's embedded schemas: first the scope of every kind with a path
/// in the API, then each type with its kinds (`:`), its fields that have a shape, and the names of all others (`.`).
const TABLE: &str = include_str!("kubernetes-v1.21.2.txt");

/// The common beginning of the names of types, left out in the table.
pub(super) const TYPE_PREFIX: &str = "io.k8s.";

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| parse(TABLE));

/// Whether a type is cluster-scoped.
static SCOPES: LazyLock<HashMap<(&str, &str, &str), bool>> = LazyLock::new(|| {
    let scope = |line: &'static str| {
        let (scope, rest) = line.split_once(' ')?;
        let (api_version, kind) = rest.split_once(' ')?;
        let (group, version) = split_api_version(api_version);
        let is_cluster_scoped = match scope {
            "cluster" => true,
            "namespaced" => false,
            _ => return None,
        };
        Some(((group, version, kind), is_cluster_scoped))
    };
    TABLE.lines().skip(1).map_while(scope).collect()
});

/// The built-in schema of Kubernetes v1.21.2 and of the kustomization file.
pub(crate) fn builtin() -> &'static Schema {
    &SCHEMA
}

/// Whether the built-in schema says that objects of this type have no namespace; nothing if it does not know the type.
pub(crate) fn builtin_scope(group: &str, version: &str, kind: &str) -> Option<bool> {
    SCOPES.get(&(group, version, kind)).copied()
}

fn parse(table: &'static str) -> Schema {
    let mut schema = Schema::default();
    let mut current: Option<(&'static str, Shape)> = None;
    for line in table.lines() {
        if let Some(head) = line.strip_prefix("type ") {
            let (name, shape) = head.split_once(' ').unwrap_or((head, ""));
            if let Some((name, shape)) = current.replace((name, self::shape(shape))) {
                schema.insert(Name::Borrowed(name), finished(shape));
            }
        } else if let (Some(line), Some((name, shape))) = (line.strip_prefix(' '), current.as_mut()) {
            let mut words = line.split(' ');
            match words.next() {
                Some(":") => {
                    let (api_version, kind) =
                        (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                    schema.insert_kind(
                        Name::Borrowed(api_version),
                        Name::Borrowed(kind),
                        Name::Borrowed(name),
                    );
                }
                Some(".") => {
                    fields_of(shape).extend(words.map(|field| (Name::Borrowed(field), Shape::Plain)));
                }
                Some(field) => {
                    let mut value = self::shape(words.next().unwrap_or_default());
                    if let (Shape::List(list), Some("merge")) = (&mut value, words.next()) {
                        let keys = words.next().unwrap_or_default();
                        list.merge = Some(keys.split_terminator(',').map(Name::Borrowed).collect());
                    }
                    fields_of(shape).push((Name::Borrowed(field), value));
                }
                None => {}
            }
        }
    }
    if let Some((name, shape)) = current {
        schema.insert(Name::Borrowed(name), finished(shape));
    }
    schema
}

fn shape(text: &'static str) -> Shape {
    let inner = |open, close| {
        text.strip_prefix(open)
            .and_then(|rest: &str| rest.strip_suffix(close))
    };
    if text.is_empty() {
        Shape::Plain
    } else if let Some(items) = inner('[', ']') {
        Shape::List(List {
            items: Some(Box::new(shape(items))),
            merge: None,
        })
    } else if let Some(values) = inner('{', '}') {
        Shape::Map(Map {
            fields: Vec::new(),
            values: Some(Box::new(shape(values))),
        })
    } else {
        Shape::Ref(Name::Borrowed(text))
    }
}

fn fields_of(shape: &mut Shape) -> &mut Vec<(Name, Shape)> {
    if !matches!(shape, Shape::Map(_)) {
        *shape = Shape::Map(Map::default());
    }
    match shape {
        Shape::Map(map) => &mut map.fields,
        _ => unreachable!("it was made a map above"),
    }
}

fn finished(mut shape: Shape) -> Shape {
    if let Shape::Map(map) = &mut shape {
        map.fields.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge_keys(api_version: &str, kind: &str, path: &str) -> Option<String> {
        let schema = builtin();
        let mut shape = schema.of_kind(api_version, kind)?;
        for part in path.split('/') {
            shape = if part == "[]" {
                schema.elements(shape)?
            } else {
                schema.field(shape, part)?
            };
        }
        Some(shape.merge_keys()?.join(","))
    }

    #[test]
    fn lists_have_the_merge_keys_of_their_place() {
        let pod = "spec/template/spec";
        let cases = [
            ("apps/v1", "Deployment", format!("{pod}/containers"), Some("name")),
            (
                "apps/v1",
                "Deployment",
                format!("{pod}/containers/[]/ports"),
                Some("containerPort,protocol"),
            ),
            (
                "apps/v1",
                "Deployment",
                format!("{pod}/containers/[]/env"),
                Some("name"),
            ),
            ("apps/v1", "Deployment", format!("{pod}/volumes"), Some("name")),
            ("apps/v1", "Deployment", format!("{pod}/tolerations"), None),
            (
                "apps/v1",
                "Deployment",
                format!("{pod}/ephemeralContainers/[]/ports"),
                None,
            ),
            ("apps/v1", "Deployment", "metadata/finalizers".into(), Some("")),
            ("v1", "Service", "spec/ports".into(), Some("port,protocol")),
            ("v1", "ServiceAccount", "secrets".into(), Some("name")),
            ("v1", "ServiceAccount", "imagePullSecrets".into(), None),
            ("apps/v2", "Deployment", "metadata/finalizers".into(), None),
            (
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "metadata/finalizers".into(),
                None,
            ),
        ];
        for (api_version, kind, path, keys) in cases {
            assert_eq!(
                merge_keys(api_version, kind, &path).as_deref(),
                keys,
                "{api_version} {kind} {path}"
            );
        }
    }

    #[test]
    fn a_value_is_known_or_not() {
        let schema = builtin();
        let deployment = schema.of_kind("apps/v1", "Deployment").unwrap();
        let metadata = schema.field(deployment, "metadata").unwrap();
        assert!(schema.field(metadata, "name").is_some());
        assert!(
            schema
                .field(metadata, "labels")
                .is_some_and(|labels| schema.field(labels, "any").is_some())
        );
        assert!(schema.field(metadata, "unknown").is_none());
    }

    #[test]
    fn only_the_embedded_versions_have_a_known_scope() {
        for (group, version, kind, expected) in [
            ("", "v1", "Namespace", Some(true)),
            ("policy", "v1beta1", "PodSecurityPolicy", Some(true)),
            ("rbac.authorization.k8s.io", "v1", "ClusterRole", Some(true)),
            ("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", None),
            ("apps", "v1", "Deployment", Some(false)),
            ("", "v1", "Nonsense", None),
        ] {
            assert_eq!(
                builtin_scope(group, version, kind),
                expected,
                "{group}/{version} {kind}"
            );
        }
    }
}
