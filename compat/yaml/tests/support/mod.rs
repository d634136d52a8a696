//! What each request of `e2e/tools/yaml-oracle` means on our side.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use go_std::record::Decoder;
use go_yaml::{Comments, Error, Kind, Limits, Node, ToJson, gojson, sigs, v3};

/// The answer of this library to the oracle's request `what`.
pub(crate) fn answer(what: &str, input: &[u8]) -> Result<String, String> {
    match what {
        "kyaml-json" => v3::to_json(&kyaml_parse(input)?).and_then(|value| gojson::to_string(&value)),
        "kustomize" => sigs::node_to_string(&kyaml_parse(input)?),
        "sigs-strings" => return strings(input),
        _ => run(what, input),
    }
    .map_err(|error| error.to_string())
}

/// Equal up to what one side cannot know or what differs from run to run upstream.
pub(crate) fn same(ours: &Result<String, String>, theirs: &Result<String, String>) -> bool {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            // A Go string of bad bytes is escaped when written, a Rust string already holds the replacement.
            ours == theirs
                || *ours == theirs.replace("\\ufffd", "\u{fffd}")
                || (ours == "{}" && theirs == "null")
        }
        (Err(ours), Err(theirs)) => {
            // Go names the type it decodes into; of several bad keys it reports the one its map order meets first.
            let random =
                |text: &str| text.contains("unsupported map key of type") || text.contains("invalid map key");
            let untyped = |text: &str| text.split(" into Go ").next().map(str::to_owned);
            untyped(ours) == untyped(theirs) || (random(ours) && random(theirs))
        }
        // Where text is wanted, Go writes one of these floats as text; ours refuses it there too (COMPATIBILITY.md).
        (Err(ours), Ok(theirs)) => ours
            .strip_prefix("error converting YAML to JSON: json: unsupported value: ")
            .is_some_and(|float| theirs.contains(&format!("\"{float}\""))),
        (Ok(_), Err(_)) => false,
    }
}

fn run(what: &str, input: &[u8]) -> Result<String, Error> {
    let limits = Limits::default();
    let compact = v3::EmitOptions::default();
    let print = |options: &v3::EmitOptions| match v3::parse_first(input, &limits)? {
        Some(node) => v3::to_string(&node, options),
        None => Ok(String::new()),
    };
    match what {
        "nodes" => Ok(v3::parse(input, &limits)?.iter().map(dump).collect()),
        "first" => Ok(v3::parse_first(input, &limits)?.iter().map(dump).collect()),
        "print" => print(&compact),
        "print-wide" => print(&v3::EmitOptions::wide()),
        "sigs-json" => gojson::to_string(&sigs::to_value(input, &limits)?),
        "sigs-strict" => gojson::to_string(&sigs::to_value_strict(input, &limits)?),
        "sigs-any" => gojson::to_string(&sigs::build_any(input, &limits, &mut ToJson::floats())?),
        "sigs-print" => sigs::to_string(&json(input)),
        "json-to-yaml" => sigs::json_to_yaml(input, &limits),
        "json" => gojson::to_string(&json(input)),
        "json-raw" => gojson::to_string_with(
            &json(input),
            &gojson::Options {
                escape_html: false,
                indent: None,
            },
        ),
        "json-indent" => gojson::to_string_indent(&json(input), "  "),
        "pretty" => v3::marshal(&json(input), &v3::EmitOptions::wide()),
        "unmarshal-json" => v3::to_string(&v3::from_json(&json(input)), &compact),
        other => unreachable!("unknown request {other}"),
    }
}

/// `Unmarshal` into a `map[string]string`.
fn strings(input: &[u8]) -> Result<String, String> {
    let value = sigs::build_any(input, &Limits::default(), &mut ToJson::exact());
    let strings = Decoder::lenient().decode::<BTreeMap<String, String>>(&value.map_err(|e| e.to_string())?);
    let strings =
        strings.map_err(|error| format!("error unmarshaling JSON: while decoding JSON: {error}"))?;
    gojson::to_string(&strings).map_err(|error| error.to_string())
}

/// kyaml's `Parse`, which gives the bare `EOF` for an input without a document.
fn kyaml_parse(input: &[u8]) -> Result<Node, String> {
    let first = v3::parse_first(input, &Limits::default()).map_err(|error| error.to_string())?;
    first.ok_or_else(|| "EOF".to_owned())
}

fn json(input: &[u8]) -> serde_json::Value {
    serde_json::from_slice(input).expect("the input of this request is JSON")
}

/// The node list that the oracle prints for a document.
fn dump(root: &Node) -> String {
    let mut out = String::from("document");
    dump_comments(&mut out, root.document_comments());
    out.push('\n');
    dump_node(&mut out, root, 1);
    out
}

fn dump_node(out: &mut String, node: &Node, depth: usize) {
    let kind = match node.kind() {
        Kind::Sequence => 2,
        Kind::Mapping => 4,
        Kind::Scalar => 8,
        Kind::Alias => 16,
    };
    let indent = " ".repeat(depth);
    let (line, column, style, tag) = (node.line(), node.column(), node.style().bits(), node.tag());
    write!(out, "{indent}{line}:{column} kind={kind} style={style} {tag} ")
        .expect("a String takes everything");
    gojson::write_string(out, node.text(), true);
    if !node.anchor().is_empty() {
        write!(out, " &{}", node.anchor()).expect("a String takes everything");
    }
    dump_comments(out, node.comments());
    out.push('\n');
    for (key, value) in node.entries() {
        dump_node(out, key, depth + 1);
        dump_node(out, value, depth + 1);
    }
    for item in node.items() {
        dump_node(out, item, depth + 1);
    }
}

fn dump_comments(out: &mut String, comments: &Comments) {
    for (name, text) in [
        ("head", &comments.head),
        ("line", &comments.line),
        ("foot", &comments.foot),
    ] {
        if !text.is_empty() {
            write!(out, " {name}=").expect("a String takes everything");
            gojson::write_string(out, text, true);
        }
    }
}
