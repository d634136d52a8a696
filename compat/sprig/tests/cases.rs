//! Replays `cases/`, recorded from Helm's own function map by `cargo xtask record sprig`; or the folder named by `SPRIG_CASES`, which is
//! how thousands of generated calls are compared.
#![expect(clippy::unwrap_used, reason = "a broken case file may stop the test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gotmpl::{Env, FuncMap, Map, MissingKey, Options, TemplateSet, Value};
use sprig::FixedEnvironment;

#[test]
fn same_as_helm() {
    let root = std::env::var_os("SPRIG_CASES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"), Into::into);
    let functions = Arc::new(sprig::functions(Arc::new(FixedEnvironment::new(
        jiff::Timestamp::UNIX_EPOCH,
        1,
    ))));
    let mut folders = Vec::new();
    find_cases(&root, &mut folders);
    folders.sort();
    assert!(!folders.is_empty());
    let (mut report, mut wrong, mut total) = (String::new(), 0, 0);
    for folder in folders {
        let input = fs::read_to_string(folder.join("input.txt")).unwrap();
        let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
        let values = fs::read(folder.join("values.yaml")).unwrap_or_default();
        assert_eq!(
            input.lines().count(),
            expected.lines().count(),
            "{}: record it again",
            folder.display()
        );
        for (line, expected) in input.lines().zip(expected.lines()) {
            total += 1;
            let actual = render(&functions, line, &values);
            if actual != unquoted(expected) {
                wrong += 1;
                let name = folder.strip_prefix(&root).unwrap().display();
                let actual = String::from_utf8_lossy(&actual);
                let _ = writeln!(report, "{name}: {line}\n  helm {expected}\n  ours {actual:?}");
            }
        }
    }
    assert!(report.is_empty(), "{wrong} of {total}:\n{report}");
}

#[test]
fn every_function_of_helm() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/names.txt");
    let recorded = fs::read_to_string(recorded).unwrap();
    let functions = sprig::functions(Arc::new(FixedEnvironment::new(jiff::Timestamp::UNIX_EPOCH, 1)));
    let mut names: Vec<&str> = functions.names().collect();
    names.sort_unstable();
    assert_eq!(names, recorded.lines().collect::<Vec<_>>());
}

fn find_cases(folder: &Path, found: &mut Vec<PathBuf>) {
    if folder.join("input.txt").exists() {
        found.push(folder.to_owned());
    }
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            find_cases(&entry.path(), found);
        }
    }
}

/// `= ` and the output, or `! ` and the error.
fn render(functions: &Arc<FuncMap>, template: &str, values: &[u8]) -> Vec<u8> {
    let options = Options {
        missing_key: MissingKey::Zero,
        ..Options::default()
    };
    let mut templates = TemplateSet::new(Arc::clone(functions), options);
    if let Err(error) = templates.parse("t", template) {
        return format!("! {error}").into_bytes();
    }
    let mut out = b"= ".to_vec();
    match templates.execute("t", decode(values), &Env::default(), &mut out) {
        Ok(()) => out,
        Err(error) => format!("! {error}").into_bytes(),
    }
}

fn decode(values: &[u8]) -> Value {
    if values.is_empty() {
        return Value::Map(Map::new());
    }
    let plain = go_yaml::sigs::build_any(
        values,
        &go_yaml::Limits::default(),
        &mut go_yaml::ToJson::floats(),
    )
    .unwrap();
    from_json(plain)
}

fn from_json(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(b) => Value::Bool(b),
        serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap()),
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| (key, from_json(value)))
                .collect(),
        ),
    }
}

/// A recorded line with the quoting of its text removed; what an error holds beyond UTF-8 is shown as U+FFFD.
fn unquoted(line: &str) -> Vec<u8> {
    let (kind, quoted) = line.split_at(2);
    let text = go_std::unquote(quoted.as_bytes()).unwrap();
    match kind {
        "! " => format!("! {}", String::from_utf8_lossy(&text)).into_bytes(),
        _ => [kind.as_bytes(), &text].concat(),
    }
}
