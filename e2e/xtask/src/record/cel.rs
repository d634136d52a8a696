//! Expressions, recorded from fluxcd/pkg's `runtime/cel`, which evaluates them with cel-go.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::{Recorder, build_oracle};

pub(super) const CEL: Recorder = Recorder {
    name: "cel",
    about: "compat/cel/cases from fluxcd/pkg/runtime/cel; makes made.jsonl up anew",
    run: record,
};

/// How many expressions are made up.
const MADE: usize = 4_000;

fn record(root: &Path) -> Result<()> {
    let folder = root.join("compat/cel/cases");
    let oracle = build_oracle(root, "cel-oracle")?;
    let hand = folder.join("hand.jsonl");
    let text = fs::read_to_string(&hand).with_context(|| format!("cannot read {}", hand.display()))?;
    let objects = text
        .lines()
        .next()
        .context("hand.jsonl has no objects")?
        .to_owned();
    ask(&oracle, &hand, &text)?;
    let mut made = objects;
    made.push('\n');
    let mut maker = Maker { state: 0x5eed };
    for _ in 0..MADE {
        writeln!(made, "{}", maker.case())?;
    }
    ask(&oracle, &folder.join("made.jsonl"), &made)
}

/// Writes what the oracle makes of cases, behind the objects that they are about.
fn ask(oracle: &Path, file: &Path, cases: &str) -> Result<()> {
    let mut child = Command::new(oracle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the oracle")?;
    let mut input = child.stdin.take().context("the oracle has no input")?;
    let owned = cases.to_owned();
    let feeding = std::thread::spawn(move || input.write_all(owned.as_bytes()));
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "the oracle failed on {}", file.display());
    feeding
        .join()
        .map_err(|_| anyhow::anyhow!("the oracle was not fed"))??;
    let objects = cases.lines().next().unwrap_or_default();
    let mut text = format!("{objects}\n").into_bytes();
    text.extend(output.stdout);
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Makes expressions up, the same ones each time: most make sense, and some of their parts do not.
struct Maker {
    state: u64,
}

/// What an expression is meant to be.
#[derive(Clone, Copy)]
enum Sort {
    Bool,
    Int,
    Double,
    Text,
    List,
    Map,
    Optional,
    Time,
}

const SORTS: [Sort; 8] = [
    Sort::Bool,
    Sort::Int,
    Sort::Double,
    Sort::Text,
    Sort::List,
    Sort::Map,
    Sort::Optional,
    Sort::Time,
];

impl Maker {
    fn next(&mut self, below: usize) -> usize {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) as usize % below
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.next(of.len())]
    }

    /// A case as JSON; what is made up has no characters that Rust and JSON write differently.
    fn case(&mut self) -> String {
        if self.next(3) == 0 {
            let object = self.one(&["ks", "ks", "cluster"]);
            let mut expr = self.make(Sort::Bool, 3);
            for field in ["spec", "status", "metadata", "kind"] {
                let of = self.one(&["dep", "dep", "self"]);
                expr = prefix(&expr, field, of);
            }
            return format!(r#"{{"expr":{expr:?},"object":"{object}","checked":true}}"#);
        }
        let object = self.one(&["cluster", "cluster", "deploy", "ks", "bare"]);
        let sort = self.one(&SORTS);
        let mut expr = self.make(sort, 3);
        if self.next(25) == 0 {
            expr = self.damage(&expr);
        }
        format!(r#"{{"expr":{expr:?},"object":"{object}"}}"#)
    }

    /// Takes something out of a text, or puts something in.
    fn damage(&mut self, expr: &str) -> String {
        let chars: Vec<char> = expr.chars().collect();
        let at = self.next(chars.len());
        let put = self.one(&["", "", ")", "(", ".", ",", "'", " in ", "?", "&&", "]", "1"]);
        let before: String = chars[..at].iter().collect();
        let behind: String = chars[(at + 1).min(chars.len())..].iter().collect();
        format!("{before}{put}{behind}")
    }

    fn make(&mut self, sort: Sort, depth: usize) -> String {
        // Now and then something of another sort.
        let sort = if self.next(14) == 0 {
            self.one(&SORTS)
        } else {
            sort
        };
        if depth == 0 {
            return self.leaf(sort).to_owned();
        }
        let depth = depth - 1;
        match sort {
            Sort::Bool => self.truth(depth),
            Sort::Int => self.int(depth),
            Sort::Double => self.double(depth),
            Sort::Text => self.text(depth),
            Sort::List => self.list(depth),
            Sort::Map => self.map(depth),
            Sort::Optional => self.optional(depth),
            Sort::Time => self.time(depth),
        }
    }

    fn leaf(&mut self, sort: Sort) -> &'static str {
        match sort {
            Sort::Bool => self.one(&[
                "true",
                "false",
                "spec.prune",
                "spec.paused",
                "spec.missing",
                "has(spec.zero)",
            ]),
            Sort::Int => self.one(&[
                "0",
                "1",
                "-1",
                "2",
                "7",
                "42u",
                "metadata.generation",
                "spec.replicas",
                "spec.neg",
                "spec.zero",
                "spec.big",
                "status.observedGeneration",
                "9223372036854775807",
                "3u",
            ]),
            Sort::Double => self.one(&["0.5", "1.0", "-2.5", "1e3", "spec.ratio", "spec.huge", "0.0"]),
            Sort::Text => self.one(&[
                "'a'",
                "''",
                "'True'",
                "\"Ready\"",
                "metadata.name",
                "spec.text",
                "spec.flag",
                "status.phase",
                "kind",
                "r'\\d+'",
                "'1'",
                "'a,b,c'",
                "spec.interval",
                "metadata.labels['app/version']",
            ]),
            Sort::List => self.one(&[
                "[]",
                "[1, 2, 3]",
                "['a', 'b']",
                "spec.numbers",
                "spec.words",
                "spec.mixed",
                "status.conditions",
                "metadata.finalizers",
                "spec.template.spec.containers",
                "[1, 2.0, 3u]",
            ]),
            Sort::Map => self.one(&[
                "{}",
                "{'a': 1}",
                "spec",
                "status",
                "metadata",
                "metadata.labels",
                "spec.nested",
                "{1: 'a', 2: 'b'}",
                "{'b': [1], 'a': null}",
            ]),
            Sort::Optional => self.one(&[
                "optional.none()",
                "optional.of(1)",
                "spec.?text",
                "spec.?missing",
                "spec.?nested.?a",
                "status.?conditions",
                "optional.ofNonZeroValue('')",
            ]),
            Sort::Time => self.one(&[
                "timestamp('2026-01-02T03:04:05Z')",
                "timestamp(spec.when)",
                "duration('90m')",
                "duration(spec.interval)",
                "timestamp('2026-06-30T23:59:59.5-07:00')",
                "duration('-1.5s')",
                "timestamp(1000000000)",
            ]),
        }
    }

    fn truth(&mut self, depth: usize) -> String {
        let sort = self.one(&SORTS);
        let (a, b) = (self.make(Sort::Bool, depth), self.make(Sort::Bool, depth));
        let list = self.make(Sort::List, depth);
        let text = self.make(Sort::Text, depth);
        match self.next(18) {
            0 => format!("{a} && {b}"),
            1 => format!("{a} || {b}"),
            2 => format!("!({a})"),
            3 | 4 => format!("{} == {}", self.make(sort, depth), self.make(sort, depth)),
            5 => format!("{} != {}", self.make(sort, depth), self.make(sort, depth)),
            6 | 7 => {
                let operator = self.one(&["<", "<=", ">", ">="]);
                let sort = self.one(&[Sort::Int, Sort::Double, Sort::Text, Sort::Time]);
                format!("{} {operator} {}", self.make(sort, depth), self.make(sort, depth))
            }
            8 => format!("{} in {list}", self.make(sort, depth)),
            9 => format!("{text} in {}", self.make(Sort::Map, depth)),
            10 => format!(
                "has({}.{})",
                self.make(Sort::Map, depth),
                self.one(&["a", "text", "conditions", "x"])
            ),
            11 => format!(
                "{text}.{}({})",
                self.one(&["contains", "startsWith", "endsWith", "matches"]),
                self.make(Sort::Text, depth)
            ),
            12 => format!(
                "{list}.{}(x, {})",
                self.one(&["all", "exists", "exists_one"]),
                self.predicate(depth)
            ),
            13 => format!(
                "status.conditions.{}(c, c.{} == {text})",
                self.one(&["all", "exists", "exists_one"]),
                self.one(&["type", "status", "reason"])
            ),
            14 => format!("({a}) ? ({b}) : ({})", self.make(Sort::Bool, depth)),
            15 => format!("({}).hasValue()", self.make(Sort::Optional, depth)),
            16 => format!(
                "sets.{}({list}, {})",
                self.one(&["contains", "intersects", "equivalent"]),
                self.make(Sort::List, depth)
            ),
            _ => format!("bool({})", self.make(sort, depth)),
        }
    }

    /// A condition about a variable x of a loop.
    fn predicate(&mut self, depth: usize) -> String {
        let sort = self.one(&SORTS);
        match self.next(8) {
            0 => format!("x == {}", self.make(sort, depth)),
            1 => format!("x > {}", self.make(Sort::Int, 0)),
            2 => "x.type == 'Ready'".to_owned(),
            3 => "x.startsWith('a')".to_owned(),
            4 => "has(x.status) && x.status == 'True'".to_owned(),
            5 => format!("10 / x > {}", self.make(Sort::Int, 0)),
            6 => "size(x) > 1".to_owned(),
            _ => self.make(Sort::Bool, depth),
        }
    }

    fn int(&mut self, depth: usize) -> String {
        let sort = self.one(&SORTS);
        let (a, b) = (self.make(Sort::Int, depth), self.make(Sort::Int, depth));
        match self.next(9) {
            0..=2 => format!("({a} {} {b})", self.one(&["+", "-", "*", "/", "%"])),
            3 => format!("-({a})"),
            4 => format!("size({})", self.make(sort, depth)),
            5 => format!("int({})", self.make(sort, depth)),
            6 => format!("uint({a})"),
            7 => format!(
                "{}.{}({})",
                self.make(Sort::Text, depth),
                self.one(&["indexOf", "lastIndexOf"]),
                self.make(Sort::Text, depth)
            ),
            _ => format!(
                "({}).{}()",
                self.make(Sort::Time, depth),
                self.one(&[
                    "getHours",
                    "getMinutes",
                    "getSeconds",
                    "getFullYear",
                    "getDayOfWeek",
                    "getMilliseconds",
                    "getDate"
                ])
            ),
        }
    }

    fn double(&mut self, depth: usize) -> String {
        let (a, b) = (self.make(Sort::Double, depth), self.make(Sort::Double, depth));
        let sort = self.one(&SORTS);
        match self.next(4) {
            0 | 1 => format!("({a} {} {b})", self.one(&["+", "-", "*", "/"])),
            2 => format!("-({a})"),
            _ => format!("double({})", self.make(sort, depth)),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        let (a, b) = (self.make(Sort::Text, depth), self.make(Sort::Text, depth));
        let number = self.make(Sort::Int, 0);
        let sort = self.one(&SORTS);
        match self.next(10) {
            0 => format!("({a} + {b})"),
            1 => format!("string({})", self.make(sort, depth)),
            2 => format!(
                "{a}.{}()",
                self.one(&["lowerAscii", "upperAscii", "trim", "reverse"])
            ),
            3 => format!("{a}.replace({b}, {})", self.make(Sort::Text, 0)),
            4 => format!("{a}.substring({number})"),
            5 => format!("{a}.charAt({number})"),
            6 => format!(
                "{}.join({})",
                self.make(Sort::List, depth),
                self.one(&["','", "''", "'-'"])
            ),
            7 => format!(
                "'{}'.format([{}])",
                self.one(&["%s", "%d", "%.2f", "%x", "%e", "%b", "%s %s"]),
                self.make(sort, depth)
            ),
            8 => format!("{a}.split({b})[{number}]"),
            _ => format!("({}) ? ({a}) : ({b})", self.make(Sort::Bool, depth)),
        }
    }

    fn list(&mut self, depth: usize) -> String {
        let list = self.make(Sort::List, depth);
        let sort = self.one(&SORTS);
        match self.next(8) {
            0 => format!("({list} + {})", self.make(Sort::List, depth)),
            1 => format!("{list}.filter(x, {})", self.predicate(depth)),
            2 => format!(
                "{list}.map(x, {})",
                self.one(&["x", "[x]", "type(x)", "x + x", "string(x)", "size(x)", "x.type"])
            ),
            3 => format!(
                "{list}.map(x, {}, {})",
                self.predicate(depth),
                self.one(&["x", "{'k': x}", "x == x"])
            ),
            4 => format!("[{}, {}]", self.make(sort, depth), self.make(sort, depth)),
            5 => format!("[?{}, {}]", self.make(Sort::Optional, depth), self.make(sort, 0)),
            6 => format!(
                "{}.split({})",
                self.make(Sort::Text, depth),
                self.make(Sort::Text, 0)
            ),
            _ => format!("{}.map(k, k)", self.one(&["{'a': 1}", "spec.nested", "{2: 3}"])),
        }
    }

    fn map(&mut self, depth: usize) -> String {
        let sort = self.one(&SORTS);
        match self.next(4) {
            0 => format!("{{{}: {}}}", self.make(Sort::Text, depth), self.make(sort, depth)),
            1 => format!(
                "{{?'k': {}, 'l': {}}}",
                self.make(Sort::Optional, depth),
                self.make(sort, 0)
            ),
            2 => format!(
                "({}) ? ({}) : ({})",
                self.make(Sort::Bool, depth),
                self.make(Sort::Map, 0),
                self.make(Sort::Map, 0)
            ),
            _ => format!("{}[{}]", self.make(Sort::List, depth), self.make(Sort::Int, 0)),
        }
    }

    fn optional(&mut self, depth: usize) -> String {
        let optional = self.make(Sort::Optional, depth);
        let sort = self.one(&SORTS);
        match self.next(9) {
            0 => format!("{optional}.or({})", self.make(Sort::Optional, depth)),
            1 => format!("{optional}.orValue({})", self.make(sort, depth)),
            2 => format!("optional.of({})", self.make(sort, depth)),
            3 => format!("optional.ofNonZeroValue({})", self.make(sort, depth)),
            4 => format!(
                "{}.?{}",
                self.make(Sort::Map, depth),
                self.one(&["a", "text", "conditions", "x"])
            ),
            5 => format!("{}[?{}]", self.make(Sort::List, depth), self.make(Sort::Int, 0)),
            6 => format!(
                "{optional}.optMap(v, {})",
                self.one(&["v", "v + v", "string(v)", "v.a"])
            ),
            7 => format!(
                "{}.{}()",
                self.make(Sort::List, depth),
                self.one(&["first", "last"])
            ),
            _ => format!("{optional}.value()"),
        }
    }

    fn time(&mut self, depth: usize) -> String {
        let (a, b) = (self.make(Sort::Time, depth), self.make(Sort::Time, depth));
        let sort = self.one(&SORTS);
        match self.next(4) {
            0 | 1 => format!("({a} {} {b})", self.one(&["+", "-"])),
            2 => format!("timestamp({})", self.make(sort, depth)),
            _ => format!("duration({})", self.make(sort, depth)),
        }
    }
}

/// The expression with a field of an object in the place of a variable.
fn prefix(expr: &str, field: &str, object: &str) -> String {
    let mut out = String::new();
    let mut rest = expr;
    while let Some(at) = rest.find(field) {
        let is_inside = rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '_');
        let behind = &rest[at + field.len()..];
        let goes_on = behind.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        out.push_str(&rest[..at]);
        if !is_inside && !goes_on {
            out.push_str(object);
            out.push('.');
        }
        out.push_str(field);
        rest = behind;
    }
    out.push_str(rest);
    out
}
