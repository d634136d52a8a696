//! JSON patches (RFC 6902) with the rules and the error texts of the library that kustomize links.
//!
//! Where it differs from the RFC: `replace` of a missing field adds it, negative indices count from the end, what comes
//! before the first `/` of a pointer is ignored, a missing `value` is null, and unknown members are ignored.

use std::collections::BTreeMap;

use go_std::record::json_type;
use go_yaml::{gojson, sigs};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::budget::Budget;
use crate::error::{Context, excerpt};
use crate::{Error, json};

/// The operations of a patch, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct JsonPatch {
    operations: Vec<Operation>,
}

/// One operation as it was written; what is wrong with it is found when it is applied.
#[derive(Debug, Clone, Default)]
struct Operation {
    kind: Option<Value>,
    path: Option<Value>,
    from: Option<Value>,
    value: Option<Value>,
    /// The JSON text of `value`: numbers and strings are tested for equal spelling.
    spelled: Option<Box<RawValue>>,
}

/// A document that every operation needs to be a mapping or a list.
type Result<T, E = Error> = std::result::Result<T, E>;

const MISSING: &str = "missing value";
const INVALID_INDEX: &str = "invalid index referenced";

impl JsonPatch {
    /// Reads a patch: strict JSON if the text begins with `[`, else the first YAML document.
    pub(crate) fn parse(text: &[u8], budget: &Budget) -> Result<Self> {
        let limits = budget.limits().yaml();
        let invalid = |e: go_yaml::Error| Error::yaml(&e);
        let raw: Box<RawValue> = if text.starts_with(b"[") {
            from_json(text)?
        } else {
            let value = sigs::to_value(text, &limits).map_err(invalid)?;
            from_json(gojson::to_string(&value).map_err(invalid)?.as_bytes())?
        };
        if raw.get() == "null" {
            return Ok(Self::default());
        }
        // Patches are kept until it is their turn.
        let (_, bytes) = json::parse_sized(raw.get().as_bytes(), &limits)?;
        budget.make(bytes)?;
        let Ok(operations) = serde_json::from_str::<Vec<Option<BTreeMap<String, Box<RawValue>>>>>(raw.get())
        else {
            return Err(Error::invalid(
                "json: cannot unmarshal the patch into Go value of type jsonpatch.Patch",
            ));
        };
        budget.make(operations.len() * size_of::<Operation>())?;
        let operations = operations.into_iter().enumerate().map(|(number, members)| {
            Operation::new(members.unwrap_or_default(), &limits).limit_at(|| format!("operation {number}"))
        });
        Ok(Self {
            operations: operations.collect::<Result<_>>()?,
        })
    }

    /// Whether the patch has no operation.
    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Applies all operations to a document; after an error the document is in an unknown state.
    pub(crate) fn apply(&self, document: &mut Value, budget: &Budget) -> Result<()> {
        budget.open_document(document)?;
        self.operations
            .iter()
            .enumerate()
            .try_for_each(|(number, operation)| {
                operation
                    .apply(document, budget)
                    .limit_at(|| format!("operation {number}"))
            })
    }
}

fn from_json(text: &[u8]) -> Result<Box<RawValue>> {
    serde_json::from_slice(text).map_err(|e| Error::invalid(e.to_string()))
}

impl Operation {
    fn new(mut members: BTreeMap<String, Box<RawValue>>, limits: &go_yaml::Limits) -> Result<Self> {
        let value = |raw: Option<Box<RawValue>>| {
            raw.map(|raw| json::parse(raw.get().as_bytes(), limits))
                .transpose()
        };
        let spelled = members.remove("value");
        Ok(Self {
            kind: value(members.remove("op"))?,
            path: value(members.remove("path"))?,
            from: value(members.remove("from"))?,
            value: value(spelled.clone())?,
            spelled,
        })
    }

    fn apply(&self, document: &mut Value, budget: &Budget) -> Result<()> {
        // Pointers are followed part by part, and what they lead to may move in its list.
        let pointers = [&self.path, &self.from];
        let lengths = pointers.map(|p| p.as_ref().and_then(Value::as_str).map_or(0, str::len));
        budget.step(lengths.iter().sum())?;
        let kind = self.kind.as_ref().and_then(Value::as_str).unwrap_or("unknown");
        match kind {
            "add" => self.add(document, budget),
            "remove" => self.remove(document, budget),
            "replace" => self.replace(document, budget),
            "move" => self.r#move(document, budget),
            "copy" => self.copy(document, budget),
            "test" => self.test(document, budget),
            _ => Err(Error::invalid(format!("Unexpected kind: {kind}"))),
        }
    }

    fn path(&self) -> Result<&str, String> {
        text(self.path.as_ref(), "operation missing path field")
    }

    fn from(&self) -> Result<&str, String> {
        text(self.from.as_ref(), "operation, missing from field")
    }

    /// The value of the operation, to be put at a pointer.
    fn new_value(&self, pointer: &str, budget: &Budget) -> Result<Value> {
        copied(self.value.as_ref(), pointer, budget)
    }

    fn add(&self, document: &mut Value, budget: &Budget) -> Result<()> {
        let path = self
            .path()
            .map_err(|_| failed("add operation failed to decode path", MISSING))?;
        let (parent, key) = parent_of(document, path).ok_or_else(|| {
            failed(
                &format!("add operation does not apply: doc is missing path: \"{path}\""),
                MISSING,
            )
        })?;
        budget.step(parent.items() / 16)?;
        parent
            .add(&key, self.new_value(path, budget)?)
            .map_err(|e| failed(&format!("error in add for path: '{path}'"), &e))
    }

    fn remove(&self, document: &mut Value, budget: &Budget) -> Result<()> {
        let path = self
            .path()
            .map_err(|_| failed("remove operation failed to decode path", MISSING))?;
        let (parent, key) = parent_of(document, path).ok_or_else(|| {
            failed(
                &format!("remove operation does not apply: doc is missing path: \"{path}\""),
                MISSING,
            )
        })?;
        budget.step(parent.items() / 16)?;
        parent
            .remove(&key)
            .map_err(|e| failed(&format!("error in remove for path: '{path}'"), &e))
    }

    fn replace(&self, document: &mut Value, budget: &Budget) -> Result<()> {
        let path = self
            .path()
            .map_err(|e| failed("replace operation failed to decode path", &e))?;
        if path.is_empty() {
            let value = self.new_value(path, budget)?;
            if !value.is_object() && !value.is_array() {
                return Err(Error::invalid(
                    "replace operation value must be object or array: %!w(<nil>)",
                ));
            }
            *document = value;
            return Ok(());
        }
        let missing = |what| {
            failed(
                &format!("replace operation does not apply: doc is missing {what}: {path}"),
                MISSING,
            )
        };
        let (mut parent, key) = parent_of(document, path).ok_or_else(|| missing("path"))?;
        parent.get(&key).map_err(|_| missing("key"))?;
        parent
            .set(&key, self.new_value(path, budget)?)
            .map_err(|e| failed(&format!("error in remove for path: '{path}'"), &e))
    }

    fn r#move(&self, document: &mut Value, budget: &Budget) -> Result<()> {
        let from = self
            .from()
            .map_err(|e| failed("move operation failed to decode from", &e))?;
        let (mut parent, key) = parent_of(document, from).ok_or_else(|| {
            failed(
                &format!("move operation does not apply: doc is missing from path: {from}"),
                MISSING,
            )
        })?;
        let in_move = |path: &str, e: &str| failed(&format!("error in move for path: '{path}'"), e);
        let value = parent.get(&key).map_err(|e| in_move(&key, &e))?;
        // What moves may end up deeper than it was.
        let value = copied(value, self.path().unwrap_or_default(), budget)?;
        budget.step(parent.items() / 16)?;
        parent.remove(&key).map_err(|e| in_move(&key, &e))?;
        let path = self
            .path()
            .map_err(|e| failed("move operation failed to decode path", &e))?;
        let (parent, key) = parent_of(document, path).ok_or_else(|| {
            failed(
                &format!("move operation does not apply: doc is missing destination path: {path}"),
                MISSING,
            )
        })?;
        budget.step(parent.items() / 16)?;
        parent.add(&key, value).map_err(|e| in_move(path, &e))
    }

    fn copy(&self, document: &mut Value, budget: &Budget) -> Result<()> {
        let from = self
            .from()
            .map_err(|e| failed("copy operation failed to decode from", &e))?;
        let (mut parent, key) = parent_of(document, from).ok_or_else(|| {
            failed(
                &format!("copy operation does not apply: doc is missing from path: {from}"),
                MISSING,
            )
        })?;
        let value = parent
            .get(&key)
            .map_err(|e| failed(&format!("error in copy for from: '{from}'"), &e))?;
        let path = self
            .path()
            .map_err(|_| failed("copy operation failed to decode path", MISSING))?;
        let value = copied(value, path, budget)?;
        let (parent, key) = parent_of(document, path).ok_or_else(|| {
            failed(
                &format!("copy operation does not apply: doc is missing destination path: {path}"),
                MISSING,
            )
        })?;
        budget.step(parent.items() / 16)?;
        parent
            .add(&key, value)
            .map_err(|e| failed("error while adding value during copy", &e))
    }

    fn test(&self, document: &mut Value, budget: &Budget) -> Result<()> {
        let path = self
            .path()
            .map_err(|e| failed("test operation failed to decode path", &e))?;
        let found = if path.is_empty() {
            Some(&*document)
        } else {
            let (parent, key) = parent_of(document, path).ok_or_else(|| {
                failed(
                    &format!("test operation does not apply: is missing path: {path}"),
                    MISSING,
                )
            })?;
            parent
                .into_value(&key)
                .map_err(|e| failed(&format!("error in test for path: '{path}'"), &e))?
        };
        let equal = match (found, self.spelled.as_deref()) {
            (None | Some(Value::Null), expected) => expected.is_none_or(|raw| raw.get() == "null"),
            (Some(_), None) => false,
            (Some(found), Some(expected)) => same(found, expected, budget)?,
        };
        if equal {
            Ok(())
        } else {
            Err(failed(&format!("testing value {path} failed"), "test failed"))
        }
    }
}

/// A copy of a value that is put at a pointer, unless that would nest it too deeply or the budget is used up.
fn copied(value: Option<&Value>, pointer: &str, budget: &Budget) -> Result<Value> {
    let Some(value) = value else {
        return Ok(Value::Null);
    };
    let size = json::size(value);
    let place = || format!("path '{}'", excerpt(pointer));
    // The root is around everything, and each further part may be a collection around the value.
    let around = pointer.matches('/').count();
    budget.check_depth(around + size.depth).limit_at(place)?;
    budget.make_json(size).limit_at(place)?;
    Ok(value.clone())
}

fn failed(what: &str, cause: &str) -> Error {
    Error::invalid(format!("{what}: {cause}"))
}

fn text<'v>(member: Option<&'v Value>, missing: &str) -> Result<&'v str, String> {
    match member {
        None | Some(Value::Null) => Err(format!("{missing}: {MISSING}")),
        Some(Value::String(text)) => Ok(text),
        Some(other) => {
            let found = json_type(other);
            Err(format!(
                "json: cannot unmarshal {found} into Go value of type string"
            ))
        }
    }
}

/// Whether a value of the document is spelled like the expected one; the order of fields does not count.
fn same(found: &Value, expected: &RawValue, budget: &Budget) -> Result<bool> {
    // Each level reads the text of all levels below it.
    budget.scan(4 * expected.get().len())?;
    Ok(match found {
        Value::Object(fields) => {
            let Ok(expected) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(expected.get()) else {
                return Ok(false);
            };
            if fields.len() != expected.len() {
                return Ok(false);
            }
            for (name, value) in fields {
                match expected.get(name) {
                    Some(expected) if same(value, expected, budget)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        Value::Array(items) => {
            let Ok(expected) = serde_json::from_str::<Vec<Box<RawValue>>>(expected.get()) else {
                return Ok(false);
            };
            if items.len() != expected.len() {
                return Ok(false);
            }
            for (item, expected) in items.iter().zip(&expected) {
                if !same(item, expected, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        scalar => gojson::to_string(scalar).is_ok_and(|text| text == expected.get()),
    })
}

/// The mapping or list that an operation changes.
enum Parent<'d> {
    Map(&'d mut Map<String, Value>),
    List(&'d mut Vec<Value>),
}

/// Where a pointer ends: the last container and the key in it.
fn parent_of<'d>(document: &'d mut Value, pointer: &str) -> Option<(Parent<'d>, String)> {
    let (_, rest) = pointer.split_once('/')?;
    let (parents, last) = rest
        .rsplit_once('/')
        .map_or((None, rest), |(parents, last)| (Some(parents), last));
    let mut current = document;
    for part in parents.into_iter().flat_map(|parents| parents.split('/')) {
        let part = unescape(part);
        current = match current {
            Value::Object(map) => map.get_mut(&part)?,
            Value::Array(list) => {
                let index = index_of(&part, list.len()).ok()?;
                list.get_mut(index)?
            }
            _ => return None,
        };
    }
    let parent = match current {
        Value::Object(map) => Parent::Map(map),
        Value::Array(list) => Parent::List(list),
        _ => return None,
    };
    Some((parent, unescape(last)))
}

/// One step of a pointer; `~` before anything but `0` and `1` stays.
fn unescape(part: &str) -> String {
    if !part.contains('~') {
        return part.to_owned();
    }
    let mut out = String::with_capacity(part.len());
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('~') {
        out.push_str(before);
        (out, rest) = match after.as_bytes().first() {
            Some(b'1') => (out + "/", after.get(1..).unwrap_or_default()),
            Some(b'0') => (out + "~", after.get(1..).unwrap_or_default()),
            _ => (out + "~", after),
        };
    }
    out + rest
}

impl<'d> Parent<'d> {
    /// The value under a key; a missing key of a mapping is no error.
    fn get(&mut self, key: &str) -> Result<Option<&Value>, String> {
        match self {
            Self::Map(map) => Ok(map.get(key)),
            Self::List(list) => index_of(key, list.len()).map(|index| list.get(index)),
        }
    }

    /// How many items move when one of them is added or removed.
    fn items(&self) -> usize {
        match self {
            Self::Map(_) => 0,
            Self::List(list) => list.len(),
        }
    }

    fn into_value(self, key: &str) -> Result<Option<&'d Value>, String> {
        match self {
            Self::Map(map) => Ok(map.get(key)),
            Self::List(list) => index_of(key, list.len()).map(|index| list.get(index)),
        }
    }

    fn set(&mut self, key: &str, value: Value) -> Result<(), String> {
        match self {
            Self::Map(map) => {
                map.insert(key.to_owned(), value);
            }
            Self::List(list) => {
                let index = index_of(key, list.len())?;
                if let Some(place) = list.get_mut(index) {
                    *place = value;
                }
            }
        }
        Ok(())
    }

    fn add(self, key: &str, value: Value) -> Result<(), String> {
        match self {
            Self::Map(map) => {
                map.insert(key.to_owned(), value);
            }
            Self::List(list) if key == "-" => list.push(value),
            Self::List(list) => {
                let index = index_of(key, list.len() + 1).map_err(|error| {
                    if error.ends_with(INVALID_INDEX) {
                        error
                    } else {
                        format!("value was not a proper array index: '{key}': {error}")
                    }
                })?;
                list.insert(index, value);
            }
        }
        Ok(())
    }

    fn remove(self, key: &str) -> Result<(), String> {
        match self {
            Self::Map(map) => match map.remove(key) {
                Some(_) => Ok(()),
                None => Err(format!("Unable to remove nonexistent key: {key}: {MISSING}")),
            },
            Self::List(list) => {
                let index = index_of(key, list.len())?;
                list.remove(index);
                Ok(())
            }
        }
    }
}

/// The place in a list of `len` elements that a key names; negative numbers count from the end.
fn index_of(key: &str, len: usize) -> Result<usize, String> {
    let index = go_std::atoi(key).map_err(|error| error.of_call("Atoi", key))?;
    let invalid = || format!("Unable to access invalid index: {index}: {INVALID_INDEX}");
    let from_start = if index < 0 {
        index.checked_add_unsigned(len as u64)
    } else {
        Some(index)
    };
    let place = from_start
        .and_then(|index| usize::try_from(index).ok())
        .filter(|index| *index < len);
    place.ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(mut document: Value, patch: &Value, expected: Result<Value, &str>) {
        let budget = Budget::within(&crate::Limits::default());
        let patch = JsonPatch::parse(patch.to_string().as_bytes(), &budget).unwrap();
        let result = patch.apply(&mut document, &budget).map_err(|e| e.to_string());
        assert_eq!(result.map(|()| document), expected.map_err(str::to_owned));
    }

    #[test]
    fn operations_change_the_document() {
        let doc = || json!({"a": {"b": [1, 2, 3]}, "x/y": "z"});
        let rest = |list: Value| Ok(json!({"a": {"b": list}, "x/y": "z"}));
        check(
            doc(),
            &json!([{"op": "add", "path": "/a/b/-", "value": 4}]),
            rest(json!([1, 2, 3, 4])),
        );
        check(
            doc(),
            &json!([{"op": "add", "path": "/a/b/01", "value": 4}]),
            rest(json!([1, 4, 2, 3])),
        );
        check(
            doc(),
            &json!([{"op": "add", "path": "/a/b/-1", "value": 4}]),
            rest(json!([1, 2, 3, 4])),
        );
        check(
            doc(),
            &json!([{"op": "remove", "path": "/a/b/-1"}]),
            rest(json!([1, 2])),
        );
        check(
            doc(),
            &json!([{"op": "replace", "path": "/a/b", "value": []}]),
            rest(json!([])),
        );
        check(
            doc(),
            &json!([{"op": "replace", "path": "a/b/c", "value": 1}]),
            Err("replace operation does not apply: doc is missing path: a/b/c: missing value"),
        );
        check(
            doc(),
            &json!([{"op": "replace", "path": "/n", "value": 1}]),
            Ok(json!({"a": {"b": [1, 2, 3]}, "x/y": "z", "n": 1})),
        );
        check(
            doc(),
            &json!([{"op": "remove", "path": "/x~1y"}]),
            Ok(json!({"a": {"b": [1, 2, 3]}})),
        );
        check(
            doc(),
            &json!([{"op": "move", "from": "/x~1y", "path": "/a/b/0"}]),
            Ok(json!({"a": {"b": ["z", 1, 2, 3]}})),
        );
        check(
            doc(),
            &json!([{"op": "copy", "from": "/a/b/1", "path": "/c"}]),
            Ok(json!({"a": {"b": [1, 2, 3]}, "x/y": "z", "c": 2})),
        );
        check(
            doc(),
            &json!([{"op": "test", "path": "/a", "value": {"b": [1, 2, 3]}}, {"op": "remove", "path": "/a"}]),
            Ok(json!({"x/y": "z"})),
        );
        check(doc(), &json!([{"op": "test", "path": "/none"}]), Ok(doc()));
        check(
            doc(),
            &json!([{"op": "add", "path": "/v"}]),
            Ok(json!({"a": {"b": [1, 2, 3]}, "x/y": "z", "v": null})),
        );
    }

    #[test]
    fn errors_are_worded_as_upstream_words_them() {
        let cases = [
            (
                json!({"op": "add", "path": "/b/c", "value": 1}),
                "add operation does not apply: doc is missing path: \"/b/c\": missing value",
            ),
            (
                json!({"op": "add", "path": "/l/5", "value": 1}),
                "error in add for path: '/l/5': Unable to access invalid index: 5: invalid index referenced",
            ),
            (
                json!({"op": "add", "path": "/l/x", "value": 1}),
                "error in add for path: '/l/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax",
            ),
            (
                json!({"op": "remove", "path": "/b"}),
                "error in remove for path: '/b': Unable to remove nonexistent key: b: missing value",
            ),
            (
                json!({"op": "remove", "path": "/l/-"}),
                "error in remove for path: '/l/-': strconv.Atoi: parsing \"-\": invalid syntax",
            ),
            (
                json!({"op": "replace", "path": "/l/9", "value": 1}),
                "replace operation does not apply: doc is missing key: /l/9: missing value",
            ),
            (
                json!({"op": "test", "path": "/a", "value": 2}),
                "testing value /a failed: test failed",
            ),
            (json!({"op": "Add", "path": "/a"}), "Unexpected kind: Add"),
            (json!({"path": "/a"}), "Unexpected kind: unknown"),
            (
                json!({"op": "replace", "value": 1}),
                "replace operation failed to decode path: operation missing path field: missing value",
            ),
        ];
        for (operation, error) in cases {
            check(json!({"a": 1, "l": [1]}), &json!([operation]), Err(error));
        }
    }

    #[test]
    fn values_are_tested_by_their_spelling() {
        let apply = |patch: &str| {
            JsonPatch::parse(patch.as_bytes(), &Budget::within(&crate::Limits::default()))
                .unwrap()
                .apply(
                    &mut json!({"a": 1, "t": "<"}),
                    &Budget::within(&crate::Limits::default()),
                )
        };
        assert!(apply(r#"[{"op":"test","path":"/a","value":1}]"#).is_ok());
        assert!(apply(r#"[{"op":"test","path":"/a","value":1.0}]"#).is_err());
        assert!(apply(r#"[{"op":"test","path":"/t","value":"\u003c"}]"#).is_ok());
        assert!(apply(r#"[{"op":"test","path":"/t","value":"<"}]"#).is_err());
    }
}
