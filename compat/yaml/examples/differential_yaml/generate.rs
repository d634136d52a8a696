//! Random inputs, each repeatable from its seed.

use std::error::Error;

/// A small deterministic random source (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn soup(&mut self, from: &[&str], least: usize, most: usize) -> String {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| *self.pick(from)).collect()
    }
}

pub(crate) enum Generator {
    Corpus(Vec<String>),
    Tokens,
    Strings,
    Scalars,
    Keys,
    Comments,
    Values,
}

const READ: &[&str] = &[
    "nodes",
    "first",
    "print",
    "print-wide",
    "kustomize",
    "sigs-json",
    "sigs-strict",
    "sigs-strings",
];
const WRITE: &[&str] = &[
    "sigs-print",
    "json-to-yaml",
    "json",
    "json-indent",
    "json-raw",
    "pretty",
    "unmarshal-json",
];

impl Generator {
    pub(crate) const NAMES: [&'static str; 6] =
        ["tokens", "strings", "scalars", "keys", "comments", "values"];

    pub(crate) fn named(name: &str) -> Result<Self, Box<dyn Error>> {
        Ok(match name {
            "tokens" => Self::Tokens,
            "strings" => Self::Strings,
            "scalars" => Self::Scalars,
            "keys" => Self::Keys,
            "comments" => Self::Comments,
            "values" => Self::Values,
            path => Self::Corpus(serde_json::from_slice(&std::fs::read(path)?)?),
        })
    }

    pub(crate) fn requests(&self) -> &'static [&'static str] {
        match self {
            Self::Tokens | Self::Scalars | Self::Comments | Self::Corpus(_) => READ,
            Self::Strings | Self::Keys | Self::Values => WRITE,
        }
    }

    pub(crate) fn make(&self, seed: u64) -> Vec<u8> {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        match self {
            Self::Corpus(texts) => texts.get(seed as usize).cloned().unwrap_or_default(),
            // Two marks at the start are a known difference.
            Self::Tokens => random.soup(TOKENS, 1, 14).replace("\u{feff}\u{feff}", "\u{feff}"),
            Self::Strings => strings(&mut random),
            Self::Scalars => scalars(&mut random),
            Self::Keys => keys(&mut random),
            Self::Comments => comments(&mut random),
            Self::Values => value(&mut random, 0).to_string(),
        }
        .into_bytes()
    }
}

const TOKENS: &[&str] = &[
    "a",
    "b: ",
    "c:",
    "- ",
    "-",
    "? ",
    ": ",
    ":",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ",",
    "'",
    "\"",
    "'x'",
    "\"y\"",
    "#c",
    " # c\n",
    "# d\n",
    "\n# e\n",
    "|",
    "|-\n",
    "|+\n",
    "|2\n",
    ">",
    ">\n",
    ">-\n",
    "&x ",
    "*x",
    "*x ",
    "&y",
    "!!int ",
    "!!str ",
    "!!float ",
    "! ",
    "!t ",
    "!!binary ",
    "<<: ",
    "<<: *x\n",
    "---\n",
    "--- ",
    "...\n",
    "%YAML 1.1\n",
    "\t",
    "\r\n",
    "\r",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    " ",
    "  ",
    "    ",
    "\n",
    "\n",
    "\n",
    "\n  ",
    "\n ",
    "\n    ",
    "1",
    "true",
    "yes",
    "~",
    "null",
    "0x1f",
    "2001-01-01",
    "é",
    "😀",
    "\\n",
    "\\",
    "aGk=",
    "1.5",
    "a: 1\n",
    "b: 2\n",
    "  k: v\n",
    "- i\n",
    "{a: 1}",
    "[a, b]",
    "{a: , b}",
];

const PIECES: &[&str] = &[
    "a",
    "b",
    "word",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\t",
    "- ",
    "-",
    ": ",
    ":",
    "#",
    " #",
    "? ",
    "'",
    "\"",
    "\\",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&",
    "*",
    "!",
    "|",
    ">",
    "%",
    "@",
    "`",
    "0",
    "1",
    "12",
    "e",
    "_",
    ".",
    "~",
    "yes",
    "no",
    "null",
    "true",
    "on",
    "=",
    "<<",
    "12:30",
    "1:60",
    "2001-01-01",
    "0x1f",
    "1e3",
    "---",
    "...",
    "😀",
    "é",
    "日本",
    "\u{85}",
    "\r",
    "\u{feff}",
    "\u{2028}",
    "\u{a0}",
    "\u{7f}",
    "\u{200b}",
    "\0",
    "\u{1b}",
    "\u{fffe}",
    "<b>&",
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

fn strings(random: &mut Random) -> String {
    let text = random.soup(PIECES, 0, 7);
    let value = serde_json::Value::from(text.as_str());
    let json = match random.below(6) {
        0 => value,
        1 => serde_json::json!({ "k": value }),
        2 => serde_json::json!([value]),
        3 => serde_json::json!({ text: 1 }),
        4 => serde_json::json!({ "a": { "b": [value, { "c": text }] } }),
        _ => serde_json::json!([[value], { text.clone(): [text] }]),
    };
    json.to_string()
}

fn scalars(random: &mut Random) -> String {
    const WORDS: &[&str] = &[
        "true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan", "~", "<<", "=",
    ];
    const TAGS: &[&str] = &[
        "",
        "",
        "",
        "",
        "!!int ",
        "!!float ",
        "!!str ",
        "!!bool ",
        "!!null ",
        "!!timestamp ",
        "! ",
        "!!binary ",
    ];
    let text = match random.below(4) {
        0 => {
            let sign = *random.pick(&["", "", "-", "+"]);
            let prefix = *random.pick(&["", "", "0", "0x", "0o", "0b", "0X", "0O", "0B"]);
            let digits = random.soup(&["0", "1", "7", "8", "9", "_", "a", "F", "00", "123456789"], 0, 4);
            let fraction = random.soup(
                &["", "", ".", ".5", ".0", "_", "e3", "E-2", "e+", "e400", "-1"],
                0,
                2,
            );
            format!("{sign}{prefix}{digits}{fraction}")
        }
        1 => {
            let date = format!(
                "{}-{}-{}",
                random.pick(&["2001", "1999", "20011"]),
                random.below(14),
                random.below(33)
            );
            let time = random.soup(
                &[
                    "T", "t", " ", "12:30:45", "1:2:3", ".5", ",25", "Z", "z", "+01:00", "-1:00", "24:00:00",
                ],
                0,
                4,
            );
            date + &time
        }
        2 => {
            let word = *random.pick(WORDS);
            match random.below(4) {
                0 => word.to_uppercase(),
                1 => word
                    .chars()
                    .take(1)
                    .map(|c| c.to_ascii_uppercase())
                    .chain(word.chars().skip(1))
                    .collect(),
                2 => format!("{}{word}", random.pick(&["+", "-", "x"])),
                _ => word.to_owned(),
            }
        }
        _ => random.soup(&["1", "2", "3", "4", "5", "6", "7", "8", "9", "0"], 15, 22),
    };
    let tag = random.pick(TAGS);
    let quoted = if random.below(8) == 0 {
        format!("'{text}'")
    } else {
        text
    };
    match random.below(4) {
        0 => format!("{tag}{quoted}\n"),
        1 => format!("{tag}{quoted}: x\n"),
        2 => format!("k: [{tag}{quoted}, 1]\n"),
        _ => format!("k: {tag}{quoted}\nl: 1\n"),
    }
}

fn keys(random: &mut Random) -> String {
    // Letters or digits at the end only: sets in which the comparison of yaml.v2 is an order.
    let mut map = serde_json::Map::new();
    for _ in 0..3 + random.below(7) {
        let mut key = random.soup(&["a", "b", "-", "_", ".", "A", "é", " "], 0, 4);
        key.push_str(&random.soup(&["0", "1", "2", "9", "10"], 0, 3));
        map.insert(key, 1.into());
    }
    serde_json::Value::Object(map).to_string()
}

fn comments(random: &mut Random) -> String {
    const LINES: &[&str] = &[
        "a: 1",
        "b:",
        "c: 'q'",
        "- x",
        "-",
        "- k: 1",
        "- - y",
        "d: [1, 2]",
        "e: {x: 1}",
        "f: |",
        "text",
        "g: [",
        "1,",
        "]",
        "? h",
        ": i",
        "---",
        "",
        "",
        "j: &n",
        "k: *n",
    ];
    let mut text = String::new();
    for _ in 0..=random.below(9) {
        text.push_str(&" ".repeat(random.below(3) * 2));
        match random.below(5) {
            0 | 1 => text += ["# c0", "# c1", "# c2"][random.below(3)],
            2 => {
                text += random.pick::<&str>(LINES);
                text += [" # l0", " # l1"][random.below(2)];
            }
            _ => text.push_str(random.pick::<&str>(LINES)),
        }
        text.push('\n');
    }
    text
}

fn value(random: &mut Random, depth: usize) -> serde_json::Value {
    use serde_json::Value;
    match random.below(if depth > 4 { 6 } else { 9 }) {
        0 => Value::Null,
        1 => Value::Bool(random.below(2) == 0),
        2 => Value::from((random.next() >> random.below(64)) as i64),
        3 => Value::from(random.next() >> random.below(64)),
        4 => {
            let mantissa = (random.next() >> random.below(64)) as f64;
            Value::from(mantissa * 10_f64.powi(random.below(60) as i32 - 40))
        }
        5 => Value::from(random.soup(PIECES, 0, 4)),
        6 => Value::Array((0..random.below(4)).map(|_| value(random, depth + 1)).collect()),
        _ => (0..random.below(4))
            .map(|at| (format!("k{at}"), value(random, depth + 1)))
            .collect(),
    }
}
