//! Every recorded case gives what cel-go gave; see `cargo xtask record cel`.
//!
//! `cases/*.jsonl` have an expression a line, first those that were thought of and then those that were made up, with what
//! Flux's own library made of them. The first line has the objects that they are about. Where ours differs on purpose, a
//! case has `differs` with our answer, and there is a line in `COMPATIBILITY.md`.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::limits::Budget;
use crate::value::Value;
use crate::{Expression, Limits, Variables, eval};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Case {
    expr: String,
    object: String,
    checked: bool,
    refused: String,
    failed: String,
    value: String,
    differs: String,
}

/// What an expression gives: refused, failed or a value.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Refused(String),
    Failed(String),
    Value(String),
}

fn answer(case: &Case, objects: &Map<String, Json>) -> Answer {
    let variables: Option<&[&str]> = case.checked.then_some(&["self", "dep"]);
    let expression = match Expression::with_limits(&case.expr, variables, Limits::default()) {
        Ok(expression) => expression,
        Err(error) => return Answer::Refused(error.to_string()),
    };
    let nothing = Json::Object(Map::new());
    let object = objects.get(&case.object).unwrap_or(&nothing);
    if case.checked {
        let named = [("self", objects.get("self").unwrap_or(&nothing)), ("dep", object)];
        return match expression.evaluate(Variables::Named(&named)) {
            Ok(truth) => Answer::Value(truth.to_string()),
            Err(error) => Answer::Failed(error.to_string()),
        };
    }
    let fields = Variables::Fields(object.as_object().expect("an object"));
    match eval::evaluate(&expression.plan, fields, &Budget::new(expression.limits)) {
        Ok(value) => Answer::Value(native(&value)),
        Err(failure) => Answer::Failed(format!(
            "failed to evaluate the CEL expression '{}': {}",
            case.expr, failure.message
        )),
    }
}

/// A value as the oracle prints what Go makes of it: an optional is what is in it, and a type is its name.
fn native(value: &Value<'_>) -> String {
    match value {
        Value::Optional(None) => "null".to_owned(),
        Value::Optional(Some(value)) => native(value),
        Value::Type(name) => go_std::quote(name),
        other => literal(other),
    }
}

/// A value as CEL writes it.
fn literal(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => format!("{number}u"),
        Value::Double(number) if number.is_nan() => "double(\"NaN\")".to_owned(),
        Value::Double(number) if number.is_infinite() => {
            let sign = if *number < 0.0 { "-" } else { "" };
            format!("double(\"{sign}Infinity\")")
        }
        Value::Double(number) => {
            let text = go_std::format_float(*number, b'f', None);
            if text.contains('.') {
                text
            } else {
                format!("{text}.0")
            }
        }
        Value::String(text) => go_std::quote(text.as_str()),
        Value::Bytes(bytes) => {
            let octets: Vec<_> = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
            format!("b\"{}\"", octets.concat())
        }
        Value::List(list) => {
            let items: Vec<_> = list.iter().map(|item| literal(&item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let mut entries: Vec<_> = map
                .entries()
                .iter()
                .map(|(key, value)| (literal(key), literal(value)))
                .collect();
            entries.sort();
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{key}: {value}"))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Timestamp(time) => format!("timestamp(\"{}\")", time.utc()),
        Value::Duration(nanos) => {
            let Value::String(text) = crate::functions::find("string")
                .expect("a function")
                .call(&Budget::new(Limits::default()), &[Value::Duration(*nanos)])
                .expect("a text")
            else {
                return String::new();
            };
            format!("duration(\"{}\")", text.as_str())
        }
        Value::Optional(None) => "optional.none()".to_owned(),
        Value::Optional(Some(value)) => format!("optional.of({})", literal(value)),
        Value::Type(name) => (*name).to_owned(),
    }
}

/// What may differ: all that comes after the first mistake of syntax, addresses of Go, and what Go answers when it panics. What
/// Go makes of rows of lists has lost that values in them were optional.
fn is_excused(ours: &Answer, recorded: &Answer) -> bool {
    match (ours, recorded) {
        (_, Answer::Refused(recorded)) if recorded.starts_with("panic: ") => true,
        (Answer::Refused(ours), Answer::Refused(recorded)) => {
            let first = |text: &str| text.split("\nERROR: ").next().unwrap_or_default().to_owned();
            recorded.contains("Syntax error: ") && first(ours) == first(recorded)
                || recorded
                    .split_once(": &{")
                    .is_some_and(|(recorded, _)| ours == recorded)
        }
        (Answer::Value(ours), Answer::Value(recorded)) if ours.contains("[optional.of(") => {
            ours.replace("optional.of(", "").replace(')', "") == recorded.replace(')', "")
        }
        _ => false,
    }
}

fn check(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(file);
    let text = fs::read_to_string(&path).expect("recorded cases");
    let mut lines = text.lines();
    let objects: Map<String, Json> = serde_json::from_str(lines.next().expect("objects")).expect("objects");
    let mut count = 0;
    let mut failures = Vec::new();
    for line in lines {
        let case: Case = serde_json::from_str(line).expect("a case");
        let ours = answer(&case, &objects);
        let recorded = if !case.differs.is_empty() {
            Answer::Refused(case.differs.clone())
        } else if !case.refused.is_empty() {
            Answer::Refused(case.refused.clone())
        } else if !case.failed.is_empty() {
            Answer::Failed(case.failed.clone())
        } else {
            Answer::Value(case.value.clone())
        };
        count += 1;
        if ours != recorded && !is_excused(&ours, &recorded) {
            failures.push(format!(
                "{} ({})\n   ours {ours:?}\n  go   {recorded:?}",
                case.expr, case.object
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {count} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(count > 100, "only {count} cases");
}

#[test]
fn expressions_that_were_thought_of_give_what_cel_go_gives() {
    check("hand.jsonl");
}

#[test]
fn expressions_that_were_made_up_give_what_cel_go_gives() {
    check("made.jsonl");
}
