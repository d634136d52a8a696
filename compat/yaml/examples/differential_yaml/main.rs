//! Compares this library with the Go libraries on random input: `cargo xtask fuzz yaml`.
//!
//! The arguments are the oracle's binary, a generator, the first seed and how many inputs. Generators are `tokens`,
//! `strings`, `scalars`, `keys`, `comments`, `values`, `all` of these, or the path of a JSON list of texts. The first
//! differences are printed with the seeds that repeat them; the exit status is 1 if there was one.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Command, ExitCode, Stdio};

mod generate;
#[path = "../../tests/support/mod.rs"]
mod support;

use generate::Generator;

const BATCH: u64 = 500;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [oracle, generator, first, count] = args.as_slice() else {
        return Err("usage: differential <oracle> <generator> <first seed> <count>".into());
    };
    let (first, count) = (first.parse()?, count.parse()?);
    let mut oracle = Oracle::start(oracle)?;
    let names = if generator == "all" {
        Generator::NAMES.as_slice()
    } else {
        &[generator.as_str()]
    };
    let mut same = true;
    for name in names {
        same &= compare(&mut oracle, &Generator::named(name)?, name, (first, count))?;
    }
    Ok(if same {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints the first differences of each request; whether there were none.
fn compare(
    oracle: &mut Oracle,
    generator: &Generator,
    name: &str,
    (first, count): (u64, u64),
) -> Result<bool, Box<dyn Error>> {
    let mut differences: BTreeMap<&str, u64> = BTreeMap::new();
    let mut out = std::io::stdout().lock();
    for start in (first..first + count).step_by(BATCH as usize) {
        let inputs: Vec<_> = (start..(start + BATCH).min(first + count))
            .map(|seed| (seed, generator.make(seed)))
            .collect();
        let requests: Vec<_> = inputs
            .iter()
            .flat_map(|(seed, input)| {
                generator
                    .requests()
                    .iter()
                    .map(move |what| (*seed, *what, input.as_slice()))
            })
            .filter(|(_, what, input)| *what != "unmarshal-json" || kyaml_takes(input))
            .collect();
        let answers = oracle.ask(&requests)?;
        for ((seed, what, input), theirs) in requests.iter().zip(answers) {
            let ours = support::answer(what, input);
            if support::same(&ours, &theirs) {
                continue;
            }
            let seen = differences.entry(what).or_default();
            *seen += 1;
            if *seen <= 5 {
                let input = String::from_utf8_lossy(input);
                writeln!(
                    out,
                    "--- seed {seed} {what}\ninput: {input:?}\n go:  {theirs:?}\n ours: {ours:?}"
                )?;
            }
        }
    }
    writeln!(out, "{name}: {count} inputs, differences: {differences:?}")?;
    Ok(differences.is_empty())
}

/// kyaml makes nodes of objects only, and fails on its own output where a text starts with a tab.
fn kyaml_takes(json: &[u8]) -> bool {
    json.starts_with(b"{") && !json.windows(3).any(|window| window == br#""\t"#)
}

struct Oracle {
    requests: BufWriter<std::process::ChildStdin>,
    answers: BufReader<std::process::ChildStdout>,
}

impl Oracle {
    fn start(path: &str) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = BufWriter::new(child.stdin.take().ok_or("no stdin")?);
        let answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        Ok(Self { requests, answers })
    }

    fn ask(
        &mut self,
        requests: &[(u64, &str, &[u8])],
    ) -> Result<Vec<Result<String, String>>, Box<dyn Error>> {
        let mut answers = Vec::with_capacity(requests.len());
        // Small groups, so that neither side waits for a full pipe.
        for group in requests.chunks(16) {
            for (_, what, input) in group {
                writeln!(
                    self.requests,
                    "{{\"do\":\"{what}\",\"input\":\"{}\"}}",
                    base64(input)
                )?;
            }
            self.requests.flush()?;
            for _ in group {
                let mut line = String::new();
                self.answers.read_line(&mut line)?;
                let answer: serde_json::Value = serde_json::from_str(&line)?;
                answers.push(match (answer["out"].as_str(), answer["err"].as_str()) {
                    (Some(out), _) => Ok(out.to_owned()),
                    (None, err) => Err(err.unwrap_or_default().to_owned()),
                });
            }
        }
        Ok(answers)
    }
}

fn base64(bytes: &[u8]) -> String {
    const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| {
            bits << 8 | u32::from(*group.get(at).unwrap_or(&0))
        });
        for at in 0..4 {
            let symbol = SYMBOLS[(bits >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= group.len() {
                char::from(symbol)
            } else {
                '='
            });
        }
    }
    out
}
