//! Compares `--set` and its relatives with Helm's on random arguments: `differential_values ORACLE SEED COUNT`.
//!
//! ORACLE is the program built from `e2e/tools/values-oracle`. Each difference is printed with its case; the exit status
//! says whether there was one.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use gotmpl::Value;
use helm::{strvals, values};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use sprig::{Environment as _, FixedEnvironment};

/// Cases per run of the oracle.
const BATCH: u64 = 20_000;

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [oracle, seed, count] = arguments.as_slice() else {
        return Err(io::Error::other("usage: differential_values ORACLE SEED COUNT"));
    };
    let seed: u64 = seed.parse().map_err(io::Error::other)?;
    let count: u64 = count.parse().map_err(io::Error::other)?;
    let mut out = io::stdout().lock();
    let mut differences = 0_u64;
    for first in (0..count).step_by(BATCH as usize) {
        let batch: Vec<Json> = (first..count.min(first + BATCH))
            .map(|n| Generator::new(seed.wrapping_add(n)).case())
            .collect();
        for (case, want) in batch.iter().zip(ask(oracle, &batch)?) {
            let got = run(case);
            if got != want {
                differences += 1;
                writeln!(out, "{case}\n# got  {got}\n# want {want}")?;
            }
        }
    }
    writeln!(out, "{count} cases, {differences} differences")?;
    Ok(if differences == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Lets the oracle run a batch.
fn ask(oracle: &str, batch: &[Json]) -> io::Result<Vec<Json>> {
    let mut child = Command::new(oracle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdin = child.stdin.take().ok_or_else(|| io::Error::other("no stdin"))?;
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no stdout"))?;
    let results = thread::scope(|scope| {
        scope.spawn(move || {
            let mut stdin = BufWriter::new(stdin);
            for case in batch {
                writeln!(stdin, "{case}")?;
            }
            stdin.flush()
        });
        let lines = BufReader::new(stdout).lines();
        lines
            .map(|line| serde_json::from_str(&line?).map_err(io::Error::other))
            .collect::<io::Result<Vec<Json>>>()
    })?;
    child.wait()?;
    if results.len() != batch.len() {
        return Err(io::Error::other("the oracle did not answer every case"));
    }
    Ok(results)
}

/// What the library makes of a case, in the notation of the oracle.
fn run(case: &Json) -> Json {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let table = match values::read(text(&case["values"]).as_bytes()) {
        Ok(table) => table,
        Err(error) => return json!({"values": null, "error": error.to_string()}),
    };
    for flag in case["flags"].as_array().into_iter().flatten() {
        let (kind, argument) = (text(&flag[0]), text(&flag[1]));
        let mut file = |name: &str| Ok(Value::from(format!("<{name}>")));
        let outcome = match kind.as_str() {
            "set" => strvals::set(&argument, &table),
            "set-string" => strvals::set_string(&argument, &table),
            "set-json" => strvals::set_json(&argument, &table),
            "set-literal" => strvals::set_literal(&argument, &table),
            _ => strvals::set_file(&argument, &table, &mut file),
        };
        if let Err(error) = outcome {
            // Helm does not show what is wrong with JSON.
            let error = if kind == "set-json" {
                "JSON".to_owned()
            } else {
                error.to_string()
            };
            return json!({"values": null, "error": error});
        }
    }
    json!({"values": show(&Value::Map(table))})
}

/// Writes a value with the Go types of its scalars.
fn show(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Map(map) => map
            .entries()
            .iter()
            .map(|(key, value)| (key.to_string(), show(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::List(list) => list.items().map(|item| show(&item)).collect(),
        Value::Float(number) => format!("float64 {}", go_std::format_float(*number, b'g', None)).into(),
        other => format!("{} {other}", other.type_name()).into(),
    }
}

struct Generator(FixedEnvironment);

impl Generator {
    fn new(seed: u64) -> Self {
        let seed = seed.wrapping_mul(0x2545_f491_4f6c_dd1d);
        Self(FixedEnvironment::new(Timestamp::UNIX_EPOCH, seed))
    }

    fn below(&self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill_random(&mut bytes);
        (u64::from_le_bytes(bytes) % bound as u64) as usize
    }

    fn pick<'a>(&self, from: &[&'a str]) -> &'a str {
        from.get(self.below(from.len())).copied().unwrap_or_default()
    }

    fn case(&self) -> Json {
        let values = self.pick(&[
            "",
            "a: 1\nb: {c: x, d: [1, {e: 2}]}\n",
            "a: [1, [2, 3], {b: null}]\nc: null\n",
            "a: {b: {c: {d: 1}}}\nb: text\n",
            "a: true\nb: []\nc: {}\n",
        ]);
        let flags: Vec<Json> = (0..=self.below(3)).map(|_| self.flag()).collect();
        json!({"values": values, "flags": flags})
    }

    fn flag(&self) -> Json {
        let kind = self.pick(&[
            "set",
            "set",
            "set",
            "set-string",
            "set-json",
            "set-literal",
            "set-file",
        ]);
        let mut argument = String::new();
        for at in 0..=self.below(3) {
            if at > 0 {
                argument.push(',');
            }
            argument += &self.path();
            if self.below(12) > 0 {
                argument.push('=');
            }
            argument += &if kind == "set-json" {
                self.json(2)
            } else {
                self.value()
            };
        }
        if self.below(5) == 0 {
            argument = self.mutated(&argument);
        }
        json!([kind, argument])
    }

    fn path(&self) -> String {
        let mut path = self
            .pick(&["a", "b", "c", "d", "", "x y", "a\\.b", "é", "a\\=", "null"])
            .to_owned();
        for _ in 0..self.below(4) {
            if self.below(3) == 0 {
                path += self.pick(&[
                    "[0]", "[1]", "[2]", "[3]", "[0]", "[x]", "[-1]", "[]", "[ 1]", "[01]",
                ]);
            } else {
                path.push('.');
                path += self.pick(&["a", "b", "c", "d", "e", "", "0"]);
            }
        }
        path
    }

    fn value(&self) -> String {
        match self.below(4) {
            0 => {
                let items: Vec<&str> = (0..self.below(4)).map(|_| self.scalar()).collect();
                format!("{{{}}}", items.join(","))
            }
            _ => self.scalar().to_owned(),
        }
    }

    fn scalar(&self) -> &'static str {
        self.pick(&[
            "",
            "1",
            "0",
            "-1",
            "+1",
            "01",
            "0x10",
            "1.5",
            "1e3",
            "true",
            "TRUE",
            "False",
            "null",
            "NULL",
            "~",
            "x",
            "x y",
            " x",
            "x ",
            "a\\,b",
            "a\\\\b",
            "\\",
            "a=b",
            "a.b",
            "a[0]",
            "\"q\"",
            "'q'",
            "{",
            "}",
            "{}",
            "[]",
            "é",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "1_000",
            "\\{a\\}",
            "\n",
            "a\nb",
        ])
    }

    fn json(&self, depth: usize) -> String {
        match self.below(if depth == 0 { 8 } else { 11 }) {
            0 => "null".into(),
            1 => self
                .pick(&["1", "-0", "1.5", "1e3", "1E400", "01", "12345678901234567890"])
                .into(),
            2 => self
                .pick(&["\"a\"", "\"\\u00e9\"", "\"\\ud800\"", "\"a,b\"", "\"", "\"\n\""])
                .into(),
            3 => self.pick(&["true", "false", "tru", "nul", "x"]).into(),
            4 => self.pick(&["", " ", " 1 ", "1 2", "\t\"a\"\n", "\u{a0}1"]).into(),
            5 => self
                .pick(&["{}", "[]", "{", "[", "[1,]", "{\"a\":1,}", "{a:1}"])
                .into(),
            6 | 7 => self.pick(&["1", "\"x\"", "true"]).into(),
            8 | 9 => format!("[{},{}]", self.json(depth - 1), self.json(depth - 1)),
            _ => format!(
                "{{\"a\":{},\"b\":{}}}",
                self.json(depth - 1),
                self.json(depth - 1)
            ),
        }
    }

    /// Removes, repeats or replaces a few characters.
    fn mutated(&self, text: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(2) {
            if chars.is_empty() {
                break;
            }
            let at = self.below(chars.len());
            match self.below(3) {
                0 => drop(chars.remove(at)),
                1 => chars.insert(at, chars.get(at).copied().unwrap_or(',')),
                _ => {
                    let new =
                        self.pick(&[",", "=", ".", "[", "]", "{", "}", "\\", "\"", " ", "a", "0", "\n"]);
                    if let (Some(old), Some(new)) = (chars.get_mut(at), new.chars().next()) {
                        *old = new;
                    }
                }
            }
        }
        chars.into_iter().collect()
    }
}
