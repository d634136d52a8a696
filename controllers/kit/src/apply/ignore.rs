//! Fields of live objects that are left as others have them (`spec.ignore`): they are no drift, and when something else has
//! to be applied, they are applied as they are or not at all.

use serde_json::{Map, Value};

use crate::ownership::{FieldManagers, content_hash};

/// Says which fields of an object are left alone, as JSON pointers.
pub type Ignores<'a> = &'a (dyn Fn(&Value) -> Vec<String> + Send + Sync);

/// The fields of one object that are left alone.
pub(super) struct Ignored {
    paths: Vec<String>,
}

impl Ignored {
    pub(super) fn new(paths: Vec<String>) -> Self {
        Self { paths }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Tells whether an object is what it should be, but for these fields.
    pub(super) fn are_same(&self, live: &Value, wanted: &Value) -> bool {
        self.content(live) == self.content(wanted)
    }

    fn content(&self, object: &Value) -> u64 {
        if self.is_empty() {
            return content_hash(object);
        }
        let mut object = object.clone();
        for path in &self.paths {
            remove(&mut object, path);
        }
        content_hash(&object)
    }

    /// What to apply: without the fields that another applier owns, and with the others as they are in the cluster, since an
    /// object may not do without them.
    pub(super) fn payload(
        &self,
        object: &Value,
        live: &Value,
        dry_run: &Value,
        managers: &FieldManagers,
    ) -> Value {
        let appliers = appliers(live, managers);
        let others: Vec<_> = appliers.iter().filter(|(is_other, _)| *is_other).collect();
        let mut payload = object.clone();
        for path in &self.paths {
            let (is, would) = (live.pointer(path), dry_run.pointer(path));
            if is == would {
                continue;
            }
            let place = field_path(live, path, &appliers);
            let is_theirs = place.is_some_and(|place| others.iter().any(|(_, fields)| owns(fields, &place)));
            match is.filter(|_| !is_theirs) {
                Some(value) => replace(&mut payload, path, value),
                None => remove(&mut payload, path),
            }
        }
        payload
    }
}

/// The fields that were applied, by those who own them; and whether these are others than we and whom we take over.
fn appliers<'o>(live: &'o Value, managers: &FieldManagers) -> Vec<(bool, &'o Map<String, Value>)> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let applied = entries.into_iter().flatten().filter(|entry| {
        let text = |field| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        text("subresource").is_empty() && text("operation") == "Apply"
    });
    applied
        .filter_map(|entry| {
            let fields = entry.get("fieldsV1")?.as_object()?;
            Some((managers.is_other(entry), fields))
        })
        .collect()
}

/// A pointer as the path of a field in `fieldsV1`; items of lists are known there by their keys.
fn field_path(live: &Value, pointer: &str, appliers: &[(bool, &Map<String, Value>)]) -> Option<Vec<String>> {
    let mut place: Vec<String> = Vec::new();
    let mut at = live;
    for token in tokens(pointer)? {
        let Ok(index) = token.parse::<usize>() else {
            at = at.get(&token).unwrap_or(&Value::Null);
            place.push(format!("f:{token}"));
            continue;
        };
        let item = at.as_array()?.get(index)?;
        let keys = appliers.iter().filter_map(|(_, fields)| within(fields, &place));
        let key = keys.flat_map(Map::keys).find(|key| is_key_of(key, item))?.clone();
        place.push(key);
        at = item;
    }
    Some(place)
}

fn within<'f>(fields: &'f Map<String, Value>, place: &[String]) -> Option<&'f Map<String, Value>> {
    place
        .iter()
        .try_fold(fields, |fields, part| fields.get(part)?.as_object())
}

fn owns(fields: &Map<String, Value>, place: &[String]) -> bool {
    let Some((last, parents)) = place.split_last() else {
        return false;
    };
    within(fields, parents).is_some_and(|fields| fields.contains_key(last))
}

/// Tells whether a key of `fieldsV1`, such as `k:{"name":"app"}`, is that of an item.
fn is_key_of(key: &str, item: &Value) -> bool {
    let Some(fields) = key.strip_prefix("k:") else {
        return false;
    };
    serde_json::from_str::<Map<String, Value>>(fields)
        .is_ok_and(|fields| fields.iter().all(|(name, value)| item.get(name) == Some(value)))
}

/// The parts of a pointer; nothing where it leads nowhere.
fn tokens(pointer: &str) -> Option<Vec<String>> {
    let rest = pointer.strip_prefix('/')?;
    let decode = |token: &str| token.replace("~1", "/").replace("~0", "~");
    Some(rest.split('/').map(decode).collect())
}

/// What holds the field that a pointer leads to, and the field's name.
fn parent<'o>(object: &'o mut Value, pointer: &str) -> Option<(&'o mut Value, String)> {
    let mut tokens = tokens(pointer)?;
    let last = tokens.pop()?;
    let parent = tokens.iter().try_fold(object, |value, token| match value {
        Value::Object(fields) => fields.get_mut(token),
        Value::Array(items) => place_of(token, items.len()).and_then(|at| items.get_mut(at)),
        _ => None,
    })?;
    Some((parent, last))
}

/// Removes what a pointer leads to; what is not there is no mistake.
fn remove(object: &mut Value, pointer: &str) {
    match parent(object, pointer) {
        Some((Value::Object(fields), last)) => {
            fields.remove(&last);
        }
        Some((Value::Array(items), last)) => {
            if let Some(at) = place_of(&last, items.len()) {
                items.remove(at);
            }
        }
        _ => {}
    }
}

fn replace(object: &mut Value, pointer: &str, by: &Value) {
    match parent(object, pointer) {
        Some((Value::Object(fields), last)) => {
            fields.insert(last, by.clone());
        }
        Some((Value::Array(items), last)) => {
            if let Some(item) = place_of(&last, items.len()).and_then(|at| items.get_mut(at)) {
                *item = by.clone();
            }
        }
        _ => {}
    }
}

/// The item that an index leads to; negative ones count from the end.
fn place_of(token: &str, len: usize) -> Option<usize> {
    let index: i64 = token.parse().ok()?;
    let at = match usize::try_from(index) {
        Ok(at) => at,
        Err(_) => len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    (at < len).then_some(at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live() -> Value {
        let containers = json!({"k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:resources": {}}});
        json!({
            "spec": {"replicas": 5, "paused": true, "containers": [{"name": "app", "image": "b"}, {"name": "x"}]},
            "metadata": {"managedFields": [
                {"manager": "scaler", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "hand", "operation": "Update", "fieldsV1": {"f:spec": {"f:paused": {}}}},
                {"manager": "tuner", "operation": "Apply", "fieldsV1": {"f:spec": {"f:containers": containers}}},
                {"manager": "own", "operation": "Apply", "fieldsV1": {"f:spec": {"f:paused": {}, "f:replicas": {}}}},
            ]},
        })
    }

    #[test]
    fn what_is_ignored_is_no_drift_and_stays_as_it_is() {
        let wanted = json!({"spec": {"replicas": 1, "paused": false, "containers": [{"name": "app", "image": "a"}, {"name": "x"}]}});
        let paths = [
            "/spec/replicas",
            "/spec/paused",
            "/spec/containers/0/image",
            "/spec/absent/0",
            "odd",
        ];
        let ignored = Ignored::new(paths.map(str::to_owned).to_vec());
        assert!(ignored.are_same(&live(), &wanted));
        assert!(!Ignored::new(vec!["/spec/replicas".to_owned()]).are_same(&live(), &wanted));
        let managers = FieldManagers {
            own: "own".to_owned(),
            overridden: vec!["old".to_owned()],
        };
        let payload = ignored.payload(&wanted, &live(), &wanted, &managers);
        // Others have applied the number and the image; the rest is sent as it is in the cluster.
        assert_eq!(
            payload,
            json!({"spec": {"paused": true, "containers": [{"name": "app"}, {"name": "x"}]}})
        );
    }

    #[test]
    fn whose_fields_are_taken_over_is_no_other() {
        let wanted = json!({"spec": {"replicas": 1}});
        let managers = FieldManagers {
            own: "own".to_owned(),
            overridden: vec!["scaler".to_owned()],
        };
        let ignored = Ignored::new(vec!["/spec/replicas".to_owned()]);
        let payload = ignored.payload(&wanted, &live(), &wanted, &managers);
        assert_eq!(payload, json!({"spec": {"replicas": 5}}));
    }
}
