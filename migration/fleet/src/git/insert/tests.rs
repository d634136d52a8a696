//! Files as people write them, and what an edit makes of each.

use super::*;

const KEY: &str = "sharding.fluxcd.io/key";

fn edit(text: &str) -> Result<Option<Edit>, Refusal> {
    set_label(text.as_bytes(), 0, KEY, "openflux")
}

/// What is inserted is written between `«` and `»`.
#[track_caller]
fn check(expected: &str) {
    let open = expected.find('«').expect("an insertion");
    let close = expected.find('»').expect("its end");
    let before = format!("{}{}", &expected[..open], &expected[close + '»'.len_utf8()..]);
    let after = expected.replace(['«', '»'], "");
    let edit = edit(&before).unwrap().expect("an edit");
    assert_eq!(String::from_utf8(edit.text).unwrap(), after);
    assert_eq!(edit.former, None);
}

#[test]
fn labels_are_made_behind_name_and_namespace() {
    check(
        "# demo\napiVersion: v1\nkind: K\nmetadata:\n  name: podinfo   # demo, see wiki\n  namespace: apps\n«  labels:\n    sharding.fluxcd.io/key: openflux\n»  annotations:\n    a: b\nspec:\n  interval: 10m\n",
    );
    check("metadata:\n    name: x\n«    labels:\n        sharding.fluxcd.io/key: openflux\n»spec: {}\n");
    check("metadata: {«labels: {sharding.fluxcd.io/key: openflux}, »name: x}\n");
    check("{\"metadata\": {«\"labels\": {\"sharding.fluxcd.io/key\": \"openflux\"}, »\"name\": \"x\"}}\n");
    check("metadata:\r\n  name: x\r\n«  labels:\r\n    sharding.fluxcd.io/key: openflux\r\n»spec: {}\r\n");
    check("spec: {}\nmetadata:\n  name: x«\n  labels:\n    sharding.fluxcd.io/key: openflux»");
    check("\u{feff}metadata: {«labels: {sharding.fluxcd.io/key: openflux}, »name: x}\n");
    check(
        "metadata:\n  name: >-\n    x\n  namespace: a\n«  labels:\n    sharding.fluxcd.io/key: openflux\n»",
    );
    check("metadata:\n«  labels:\n    sharding.fluxcd.io/key: openflux\n»  name: >-\n    x\n");
    check("metadata:\n  name: \"x\"\n«  labels:\n    sharding.fluxcd.io/key: \"openflux\"\n»");
}

#[test]
fn a_label_comes_behind_the_others() {
    check(
        "metadata:\n  name: x\n  labels:\n    a: b # why\n«    sharding.fluxcd.io/key: openflux\n»    # the end\nspec: {}\n",
    );
    check(
        "metadata:\n  labels:\n    a: \"b\"\n    c: \"d\"\n«    sharding.fluxcd.io/key: \"openflux\"\n»  name: x\n",
    );
    check(
        "metadata:\n  labels:\n«    sharding.fluxcd.io/key: openflux\n»    # first\n    a: |\n      b\n  name: x\n",
    );
    check("metadata:\n  labels: {«sharding.fluxcd.io/key: openflux, »a: b}\n  name: x\n");
    check("metadata:\n  labels: { «sharding.fluxcd.io/key: openflux, »a: b }\n  name: x\n");
    check("metadata:\n  labels: {«sharding.fluxcd.io/key: openflux»}\n  name: x\n");
    check("metadata:\n  labels: # none\n«    sharding.fluxcd.io/key: openflux\n»  name: x\n");
    check(
        "{\n  \"metadata\": {\n    \"labels\": {«\n      \"sharding.fluxcd.io/key\": \"openflux\",»\n      \"a\": \"b\"\n    },\n    \"name\": \"x\"\n  }\n}\n",
    );
}

#[test]
fn a_former_value_is_replaced() {
    for (before, after) in [
        ("shard1 # mine", "openflux # mine"),
        ("'shard1'", "'openflux'"),
        ("\"shard1\"", "\"openflux\""),
    ] {
        let text = |value: &str| format!("metadata:\n  name: x\n  labels:\n    {KEY}: {value}\n    a: b\n");
        let edit = edit(&text(before)).unwrap().expect("an edit");
        assert_eq!(String::from_utf8(edit.text).unwrap(), text(after));
        assert_eq!(edit.former.as_deref(), Some("shard1"));
        assert_eq!(edit.line, 4);
    }
    let done = format!("metadata:\n  labels:\n    {KEY}: openflux\n");
    assert_eq!(edit(&done).unwrap(), None);
}

#[test]
fn only_the_document_that_is_meant_changes() {
    let text = "---\nmetadata:\n  name: a\n---\n# second\nmetadata:\n  name: b\n---\nmetadata:\n  name: c\n";
    let edit = set_label(text.as_bytes(), 1, KEY, "openflux")
        .unwrap()
        .expect("an edit");
    assert_eq!(
        String::from_utf8(edit.text).unwrap(),
        "---\nmetadata:\n  name: a\n---\n# second\nmetadata:\n  name: b\n  labels:\n    sharding.fluxcd.io/key: openflux\n---\nmetadata:\n  name: c\n"
    );
    assert_eq!(edit.line, 8);
    assert_eq!(
        set_label(text.as_bytes(), 3, KEY, "x"),
        Err(Refusal::NoDocument(3))
    );
}

#[test]
fn what_an_edit_could_break_is_refused() {
    let refused = |text: &str| edit(text).expect_err("a refusal");
    assert_eq!(
        refused("metadata:\n  name: '{{ .Values.name }}'\n"),
        Refusal::Template("{{")
    );
    assert_eq!(refused("metadata:\n  name: ${name}\n"), Refusal::Template("${"));
    assert_eq!(
        refused("x: &l\n  a: b\nmetadata:\n  name: x\n  labels: *l\n"),
        Refusal::Shared("metadata.labels")
    );
    assert_eq!(
        refused("metadata:\n  name: x\n  labels: &l\n    a: b\nspec:\n  labels: *l\n"),
        Refusal::Shared("metadata.labels")
    );
    assert_eq!(
        refused("x: &l\n  a: b\nmetadata:\n  name: x\n  labels:\n    <<: *l\n"),
        Refusal::Shared("metadata.labels")
    );
    assert_eq!(
        refused("metadata:\n  name: x\nsops:\n  mac: y\n"),
        Refusal::Encrypted
    );
    assert_eq!(
        refused("metadata:\n  name: x\n  labels: [a]\n"),
        Refusal::Form("metadata.labels")
    );
    assert_eq!(refused("- a\n"), Refusal::Form("the object"));
    assert_eq!(
        set_label(b"metadata: {name: \xff}", 0, KEY, "x"),
        Err(Refusal::NotText)
    );
    assert!(matches!(refused("metadata: ["), Refusal::Unreadable(_)));
}

/// Every shape of a file that a person may write, in every combination: an edit changes the label alone, or is refused.
#[test]
fn shapes_of_files_are_edited_or_refused() {
    let heads = ["", "---\n", "# head\n", "\u{feff}", "%YAML 1.1\n---\n"];
    let names = [
        "name: x",
        "name: x # c",
        "name: 'x'",
        "\"name\": \"x\"",
        "name: >\n    x",
    ];
    let labels = [
        "",
        "labels:",
        "labels: {}",
        "labels: { }",
        "labels: {a: b}",
        "labels:\n    a: b",
        "labels:\n    # c\n    a: b",
        "labels:\n      a: 'b c'\n      d: |\n        e",
        "labels:\n    ? a\n    : b",
        "labels: {a: b,\n    c: d}",
        "labels: !!map {a: b}",
        "labels: ~",
    ];
    let ends = ["", "\nspec: {}\n", "\n\n# end\n", "\n...\n"];
    let (mut edited, mut refused) = (0, 0);
    for head in heads {
        for name in names {
            for label in labels {
                for (end, swapped) in ends.into_iter().flat_map(|end| [(end, false), (end, true)]) {
                    let parts = if swapped { [label, name] } else { [name, label] };
                    let parts = parts.map(|part| {
                        if part.is_empty() {
                            String::new()
                        } else {
                            format!("\n  {part}")
                        }
                    });
                    let text = format!("{head}metadata:{}{}{end}", parts[0], parts[1]);
                    for text in [text.clone(), text.replace('\n', "\r\n")] {
                        let Ok(before) = parse(text.as_bytes()) else {
                            continue;
                        };
                        match edit(&text) {
                            Ok(Some(edit)) => {
                                edited += 1;
                                assert!(edit.text.len() > text.len());
                                check_shape(&before, &edit, &text);
                            }
                            Ok(None) => panic!("nothing to do in {text:?}"),
                            Err(Refusal::Check) => panic!("an edit went wrong in {text:?}"),
                            Err(_) => refused += 1,
                        }
                    }
                }
            }
        }
    }
    assert!(edited > 2 * refused, "{edited} were edited, {refused} refused");
}

/// What is left without the inserted bytes is the former file.
fn check_shape(before: &[Node], edit: &Edit, text: &str) {
    assert_eq!(before.len(), parse(&edit.text).unwrap().len());
    let edited = std::str::from_utf8(&edit.text).unwrap();
    let start = edited
        .bytes()
        .zip(text.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let added = edited.len() - text.len();
    let same = text.len() - start;
    assert_eq!(
        &edit.text[edit.text.len() - same..],
        &text.as_bytes()[start..],
        "{text:?} became {edited:?} with {added} bytes more"
    );
}
