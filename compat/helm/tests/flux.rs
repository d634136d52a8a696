//! What helm-controller makes of values and chart versions before Helm is at work (`cargo xtask record helm-release`).

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use gotmpl::Value;
use helm::chart_version::{Revisions, track};
use helm::digest::{Algorithm, Digest};
use helm::release::config;
use helm::values;
use helm::values_from::{Composition, Referenced, ValuesReference};
use serde_json::{Value as Json, json};

fn read(name: &str) -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("flux").join(name);
    let text = fs::read(path).expect("recorded by cargo xtask record helm-release");
    serde_json::from_slice(&text).expect("a list")
}

/// Compares what is made of each case with what was recorded.
fn check(kind: &str, make: impl Fn(&Json) -> Json) {
    let cases = read(&format!("{kind}.json"));
    let results = read(&format!("{kind}.results.json"));
    assert_eq!(
        cases.len(),
        results.len(),
        "record anew: cargo xtask record helm-release"
    );
    let compared = cases
        .iter()
        .zip(&results)
        .map(|(case, want)| (case, want, make(case)));
    let failures: Vec<_> = compared
        .filter(|(_, want, got)| got != *want)
        .map(|(case, want, got)| format!("{case}\nwant {want}\ngot  {got}"))
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} fail:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

#[test]
fn values_are_composed_as_by_flux() {
    check("values-from", |case| match compose(case) {
        Ok(values) => {
            let stored = config::from_values(&values).expect("values are JSON");
            let digest = Digest::of_values(Algorithm::Sha256, &stored).expect("values are YAML");
            json!({"values": show(&values.into()), "digest": digest.to_string()})
        }
        Err(error) => json!({"error": error}),
    });
}

fn compose(case: &Json) -> Result<gotmpl::Map, String> {
    let spec = &case["spec"];
    let inline = match values::from_json(&spec["values"]) {
        Value::Map(inline) => inline,
        _ => gotmpl::Map::new(),
    };
    let (mut composition, mut asked) = (Composition::new(inline), HashSet::new());
    for reference in spec["valuesFrom"].as_array().into_iter().flatten() {
        let text = |field: &str| reference[field].as_str().unwrap_or_default().to_owned();
        let is = |field: &str| reference[field].as_bool().unwrap_or_default();
        let reference = ValuesReference {
            kind: text("kind"),
            namespace: "apps".to_owned(),
            name: text("name"),
            key: text("valuesKey"),
            target_path: text("targetPath"),
            literal: is("literal"),
            optional: is("optional"),
        };
        reference.check_kind().map_err(|error| error.to_string())?;
        let (objects, plural) = match reference.kind.as_str() {
            "Secret" => (&case["secrets"], "secrets"),
            _ => (&case["configMaps"], "configmaps"),
        };
        let data = objects[&reference.name].as_object();
        let data = data.map(|data| data.get(reference.key()).and_then(Json::as_str));
        let decoded = data.flatten().map(|text| match plural {
            "secrets" => base64::engine::general_purpose::STANDARD
                .decode(text)
                .expect("base64"),
            _ => text.as_bytes().to_vec(),
        });
        let answer = format!("{plural} {:?} not found", reference.name);
        let first = asked.insert((reference.kind.clone(), reference.name.clone()));
        let referenced = match (data, &decoded) {
            (None, _) => Referenced::NoObject(first.then_some(answer.as_str())),
            (Some(_), None) => Referenced::NoKey,
            (Some(_), Some(data)) => Referenced::Data(data),
        };
        composition
            .add(&reference, referenced)
            .map_err(|error| error.to_string())?;
    }
    Ok(composition.finish())
}

/// A value with the Go types of its scalars, as the oracle shows it.
fn show(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Map(table) => {
            let entries = table.entries();
            let shown = entries.iter().map(|(key, value)| (key.to_string(), show(value)));
            shown.collect::<serde_json::Map<_, _>>().into()
        }
        Value::List(list) => list.items().map(|item| show(&item)).collect(),
        Value::Float(number) => format!("float64 {}", go_std::format_float(*number, b'g', None)).into(),
        other => format!("{} {other}", other.type_name()).into(),
    }
}

#[test]
fn chart_versions_are_tracked_as_by_flux() {
    check("chart-version", |case| {
        let text = |field: &str| case[field].as_str().unwrap_or_default();
        let revisions = match text("kind") {
            "OCIRepository" => Revisions::Digests,
            "ExternalArtifact" => Revisions::Either,
            _ => Revisions::Versions,
        };
        match track(text("version"), text("revision"), revisions) {
            Ok(tracked) => {
                let mut result = json!({});
                for (field, value) in [("version", tracked.version), ("digest", tracked.digest)] {
                    if !value.is_empty() {
                        result[field] = value.into();
                    }
                }
                result
            }
            Err(error) => json!({"error": error.to_string()}),
        }
    });
}
