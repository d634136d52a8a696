//! Tables of YAML and JSON, as Helm reads values and lays them over each other.

use gotmpl::Value;
use serde_json::{Map, Value as Json};

use crate::error::Problem;

/// Reads the tables of all documents of a file, later ones over earlier ones.
pub(crate) fn table(file: &str, content: &[u8]) -> Result<Map<String, Json>, Problem> {
    let values = helm::values::read(content).map_err(|error| Problem::file(file, error))?;
    match serde_json::to_value(Value::from(values)) {
        Ok(Json::Object(table)) => Ok(table),
        Ok(_) => Ok(Map::new()),
        Err(error) => Err(Problem::file(file, error)),
    }
}

/// Lays a table over another: tables are merged, and everything else replaces what was there.
pub(crate) fn merge(
    mut base: Map<String, Json>,
    over: Map<String, Json>,
    null_deletes: bool,
) -> Map<String, Json> {
    for (key, value) in over {
        if null_deletes && value.is_null() {
            base.remove(&key);
            continue;
        }
        let merged = match (base.remove(&key), value) {
            (Some(Json::Object(base)), Json::Object(over)) => Json::Object(merge(base, over, null_deletes)),
            (_, value) => value,
        };
        base.insert(key, merged);
    }
    base
}

/// Prints a table as `sigs.k8s.io/yaml` does.
pub(crate) fn text(file: &str, table: &Map<String, Json>) -> Result<String, Problem> {
    go_yaml::sigs::to_string(table).map_err(|error| Problem::file(file, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_folded_and_numbers_are_those_of_go() {
        let merged = |base: &str, over: &str, null_deletes| {
            let base = table("a", base.as_bytes()).expect("a table");
            let over = table("b", over.as_bytes()).expect("a table");
            text("c", &merge(base, over, null_deletes)).expect("YAML")
        };
        assert_eq!(
            merged("a: 1\n---\nb: 10000000\n", "a: 1.5", false),
            "a: 1.5\nb: 10000000\n"
        );
        assert_eq!(merged("a: {b: 1, c: 2}", "a: {b: null}", true), "a:\n  c: 2\n");
        assert_eq!(
            merged("a: {b: 1, c: 2}", "a: {b: null}", false),
            "a:\n  b: null\n  c: 2\n"
        );
        assert_eq!(merged("a: 1", "", false), "a: 1\n");
        assert!(table("list.yaml", b"[1]").is_err());
    }
}
